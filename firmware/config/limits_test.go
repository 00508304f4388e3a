package config

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/settings"
	"github.com/courtside-edge/courtside/sync/wire"
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

// What the check lets through, the start can encode: places at their longest pass, a byte more does not, and a table that is
// too large as a whole is refused though each of its points is in order.
func TestTheCheckRefusesWhatTheStartRefuses(t *testing.T) {
	text := func(place string, ranges ...string) []byte {
		var b strings.Builder
		b.WriteString("venue: v\ngateway: g\nidentity: {trust_domain: t, workload_api: \"unix:///a\"}\nuplink: {broker: \"mqtts://b\"}\nscan_classes: {fast: 1s}\n")
		b.WriteString("devices:\n  - id: plc-1\n    driver: fake\n    points:\n")
		for _, r := range ranges {
			fmt.Fprintf(&b, "      - {range: %q, place: %q, type: int, scan: fast, source: {address: 0}}\n", r, place)
		}
		return []byte(b.String())
	}
	long := strings.Repeat("x", point.MaxLabelLength)
	c, err := Parse("gw.yaml", text(long, "a/{n:1..2}"), registry)
	if err != nil {
		t.Fatalf("a place of %d bytes: %v", len(long), err)
	}
	if _, _, err := wire.EncodeTable(c.Table, c.Batch.MaxBytes); err != nil {
		t.Errorf("what passed the check: %v", err)
	}
	id := strings.Repeat("y", 31)
	names := strings.Join([]string{id, id, id, id, id, id}, "/")
	for what, c := range map[string]struct {
		text []byte
		says string
	}{
		"a place too long":    {text(long+"x", "a/{n:1..2}"), "at most 127 are allowed"},
		"a point too many":    {text("", fmt.Sprintf("a/{n:1..%d}", wire.MaxTablePoints), "b/{n:1..1}"), "more points than the 131072"},
		"a table of 40 MiB":   {text(long, names+"/{n:1..110000}"), "do not make a point table"},
		"a line of many more": {text("", fmt.Sprintf("a/{n:1..%d}", wire.MaxTablePoints+1)), "more points than the 131072"},
	} {
		var all *settings.Error
		if _, err := Parse("gw.yaml", c.text, registry); !errors.As(err, &all) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v; want that it says %q", what, err, c.says)
		}
	}
}
