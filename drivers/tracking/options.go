package tracking

import (
	"errors"
	"net"
	"strconv"
	"time"

	"github.com/courtside-edge/courtside/drivers"
)

// options is a device's "options" section.
type options struct {
	Address    string        `yaml:"address"`
	Timeout    time.Duration `yaml:"timeout"`
	StaleAfter time.Duration `yaml:"stale_after"`
	Silence    time.Duration `yaml:"silence"`
	TLS        *tlsOptions   `yaml:"tls"`
}

// tlsOptions name the files of a TLS connection; they are read at each Open.
type tlsOptions struct {
	CAFile     string `yaml:"ca_file,path"`   // the authority of the server; the system's own when empty
	CertFile   string `yaml:"cert_file,path"` // our certificate, when the server asks for one
	KeyFile    string `yaml:"key_file,path"`  // its key
	ServerName string `yaml:"server_name"`    // what the server's certificate names; the address's host when empty
}

// readOptions returns the section's options, and all its faults joined.
func readOptions(s drivers.Section) (options, error) {
	o := options{Timeout: 5 * time.Second, StaleAfter: 2 * time.Second, Silence: 30 * time.Second}
	errs := []error{s.Decode(&o)}
	if fault := checkAddress(o.Address); fault != "" {
		errs = append(errs, s.Fault("address", "%s", fault))
	}
	for _, d := range []struct {
		key    string
		v      time.Duration
		lo, hi time.Duration
	}{
		{"timeout", o.Timeout, 10 * time.Millisecond, time.Minute},
		{"stale_after", o.StaleAfter, 10 * time.Millisecond, 10 * time.Minute},
		{"silence", o.Silence, 10 * time.Millisecond, time.Hour},
	} {
		if d.v < d.lo || d.v > d.hi {
			errs = append(errs, s.Fault(d.key, "%s %v is out of range; use %v to %v", d.key, d.v, d.lo, d.hi))
		}
	}
	if o.Silence < o.StaleAfter {
		errs = append(errs, s.Fault("silence", "silence %v is below stale_after %v: the stream would end before anybody is missed; raise it", o.Silence, o.StaleAfter))
	}
	if o.TLS != nil && (o.TLS.CertFile == "") != (o.TLS.KeyFile == "") {
		errs = append(errs, s.Fault("tls", "cert_file and key_file go together; give both or none"))
	}
	return o, errors.Join(errs...)
}

// checkAddress returns what is wrong with a host:port, or "".
func checkAddress(s string) string {
	if s == "" {
		return "address is missing; give the tracking system's host:port, such as 192.168.10.60:50051"
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil || host == "" {
		return strconv.Quote(s) + " is not host:port; use one such as 192.168.10.60:50051"
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return strconv.Quote(port) + " is not a port; use 1 to 65535"
	}
	return ""
}
