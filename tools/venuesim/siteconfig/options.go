package siteconfig

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/courtside-edge/courtside/sync/point"
)

// Options say what the files hold. The zero value is two gateways on one machine with the aggregator's own broker.
type Options struct {
	Gateways int // 2 when 0; at most MaxGateways

	TrustDomain string // courtside.test when empty
	// Identity is where SVIDs come from: a Workload API's address, in which {name} stands for the gateway's id or "aggregator".
	// unix:///tmp/courtside/agent.sock when empty.
	WorkloadAPI string
	// CertFile, KeyFile and BundleFile are used instead when CertFile is set; {name} as above.
	CertFile, KeyFile, BundleFile string

	DataDir      string // below it, one directory each; "data" beside the files when empty
	BrokerListen string // of the aggregator's own broker; 127.0.0.1:8883 when empty
	// Broker is the URL of an external broker, used by both sides; the aggregator then serves none.
	Broker    string
	APIListen string // 127.0.0.1:8080 when empty
	// DiagPort is the port of the first gateway's diagnostics on 127.0.0.1, the others follow; 0 for none.
	DiagPort int

	// Bucket is the step of time of the aggregator's heatmaps, 1s to 1h; its own default when 0. Fast simulations want a short one.
	Bucket time.Duration

	// TicketKey is the file of the key that hashes tickets, for gates with rings; tickets.key beside the files, made when it is absent, when empty.
	TicketKey string

	GateScan  time.Duration // 200 ms when 0
	SeatScan  time.Duration // 500 ms when 0
	PanelScan time.Duration // 1 s when 0

	MaxLaneRate float64 // the most passages a second of one lane and direction, in real time; required
}

// MaxGateways is one gateway for each sector of the bowl that has a gate PLC of its own.
const MaxGateways = 4

const (
	defaultGateways    = 2
	defaultTrustDomain = "courtside.test"
	defaultWorkloadAPI = "unix:///tmp/courtside/agent.sock"
	defaultDataDir     = "data"
	defaultBroker      = "127.0.0.1:8883"
	defaultAPI         = "127.0.0.1:8080"
)

func (o Options) withDefaults() (Options, error) {
	o.Gateways = or(o.Gateways, defaultGateways)
	o.TrustDomain = or(o.TrustDomain, defaultTrustDomain)
	o.WorkloadAPI = or(o.WorkloadAPI, defaultWorkloadAPI)
	o.DataDir = or(o.DataDir, defaultDataDir)
	o.BrokerListen = or(o.BrokerListen, defaultBroker)
	o.APIListen = or(o.APIListen, defaultAPI)
	o.GateScan = or(o.GateScan, 200*time.Millisecond)
	o.SeatScan = or(o.SeatScan, 500*time.Millisecond)
	o.PanelScan = or(o.PanelScan, time.Second)
	switch {
	case o.Gateways < 1 || o.Gateways > MaxGateways:
		return o, fmt.Errorf("write the configuration of %d gateways: use 1 to %d", o.Gateways, MaxGateways)
	case !(o.MaxLaneRate > 0):
		return o, fmt.Errorf("write the configuration of counters for at most %g passages a second: give a rate above 0", o.MaxLaneRate)
	}
	return o, nil
}

func or[T comparable](v, instead T) T {
	var zero T
	if v == zero {
		return instead
	}
	return v
}

// GatewayIDs returns the names of n gateways, in the order of the sectors that they serve.
func GatewayIDs(n int) []point.ID {
	switch n {
	case 1:
		return []point.ID{"gw-main"}
	case 2:
		return []point.ID{"gw-north", "gw-south"}
	}
	ids := make([]point.ID, n)
	for i := range ids {
		ids[i] = point.ID("gw-" + strconv.Itoa(i+1))
	}
	return ids
}

// brokerURL returns where the gateways find the broker. One that listens on every address is found on this machine.
func (o Options) brokerURL() string {
	if o.Broker != "" {
		return o.Broker
	}
	host, port, err := net.SplitHostPort(o.BrokerListen)
	if err != nil {
		return "mqtts://" + o.BrokerListen
	}
	if host == "" || net.ParseIP(host).IsUnspecified() {
		host = "127.0.0.1"
	}
	return "mqtts://" + net.JoinHostPort(host, port)
}

// named replaces {name} in a template.
func named(template, name string) string { return strings.ReplaceAll(template, "{name}", name) }
