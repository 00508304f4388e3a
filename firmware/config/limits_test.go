package config

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

var (
	goodSpool = Spool{Window: 32 << 20, SpillAfter: time.Second, Limit: 1 << 30, MaxAge: 7 * 24 * time.Hour, CriticalLimit: 64 << 20, MinFree: 256 << 20,
		Reduce: Reduce{DeadbandFactor: 2.5, MinInterval: 10 * time.Second}}
	defaultSpool = Spool{Window: 16 << 20, SpillAfter: 500 * time.Millisecond, Limit: 8 << 30, CriticalLimit: 2 << 30, MinFree: 128 << 20, Ballast: 16 << 20,
		Reduce: Reduce{DeadbandFactor: 4, MinInterval: 5 * time.Second}}
)

func TestLimitsOfSpoolAndUplink(t *testing.T) {
	const file = `
venue: v
gateway: g
identity: {trust_domain: t, workload_api: "unix:///a"}
uplink: {broker: "mqtts://broker", %s}
spool: {%s}
scan_classes: {fast: 1s}
devices: [{id: d, driver: fake, points: [{name: p, type: bool, scan: fast}]}]
`
	for _, c := range []struct{ uplink, spool, fault string }{
		{"rate_limit: 0", "max_age: 0s, reduce: {deadband_factor: 1, min_interval: 0s}", ""},
		{"rate_limit: 1KiB", "max_age: 1m, min_free: 32MiB, ballast: 1GiB", ""},
		{"rate_limit: 512B", "", "rate_limit 512B a second is less than 1KiB"},
		{"rate_limit: 256000", "", "rate_limit"},
		{"rate_limit: 0", "max_age: 30s", "max_age 30s is less than 1m0s"},
		{"rate_limit: 0", "min_free: 1MiB", "min_free is 1MiB"},
		{"rate_limit: 0", "critical_limit: 1MiB", "critical_limit is 1MiB"},
		{"rate_limit: 0", "reduce: {deadband_factor: 0.5}", "deadband_factor is 0.5"},
		{"rate_limit: 0", "reduce: {min_interval: 2h}", "min_interval is 2h"},
		{"rate_limit: 0", "reduce: {interval: 2s}", "interval"},
	} {
		_, err := Parse("gw.yaml", fmt.Appendf(nil, file, c.uplink, c.spool), registry)
		if c.fault == "" && err != nil || c.fault != "" && (err == nil || !strings.Contains(err.Error(), c.fault)) {
			t.Errorf("%s; %s: %v", c.uplink, c.spool, err)
		}
	}
}
