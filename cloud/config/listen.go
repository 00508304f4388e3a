package config

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/courtside-edge/courtside/sync/settings"
)

// listener is one address that the aggregator listens on.
type listener struct{ key, address, example string }

// checkListeners refuses addresses that cannot be listened on, two that are one, and a broker's URL that is none.
func checkListeners(root *settings.Section, c *Config, faults *settings.Faults) {
	all := []listener{{"api.listen", c.API.Listen, "127.0.0.1:8080"}, {"broker.listen", c.Broker.Listen, "0.0.0.0:8883"},
		{"enrol.listen", c.Enrol.Listen, "0.0.0.0:8885"}, {"updates.listen", c.Updates.Listen, "0.0.0.0:8884"}}
	for i, l := range all {
		_, name, _ := strings.Cut(l.key, ".")
		switch err := listenable(l.address); {
		case l.address == "" && l.key != "api.listen": // not asked for, or missing, which is said elsewhere
		case err != nil && i < 2: // those of enrolment and updates are judged with their sections
			faults.Add(root.Fault(l.key, "%s: %v; write host:port, such as %s", name, err, l.example))
		}
		for _, other := range all[:i] {
			if clash(l.address, other.address) {
				faults.Add(root.Fault(l.key, "%s is what %s listens on already, %s; give each a port of its own", l.address, other.key, other.address))
			}
		}
	}
	if c.Broker.URL != "" {
		u, err := url.Parse(c.Broker.URL)
		if err != nil || u.Scheme != "mqtts" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
			faults.Add(root.Fault("broker.url", "%q is not a broker's address; write mqtts://host:8883, every link is mutual TLS", c.Broker.URL))
		}
	}
}

// listenable returns why s is not host:port.
func listenable(s string) error {
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return fmt.Errorf("%q is not host:port", s)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
		return fmt.Errorf("%q is not a port, 0 to 65535", port)
	}
	return nil
}

// clash reports whether nobody can listen on both.
func clash(a, b string) bool {
	host, port, err := net.SplitHostPort(a)
	otherHost, otherPort, err2 := net.SplitHostPort(b)
	if err != nil || err2 != nil || port != otherPort || port == "0" {
		return false
	}
	return host == otherHost || everywhere(host) || everywhere(otherHost)
}

func everywhere(host string) bool {
	ip := net.ParseIP(host)
	return host == "" || ip != nil && ip.IsUnspecified()
}
