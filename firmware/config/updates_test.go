package config

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const updatesFile = `
venue: v
gateway: g
identity: {trust_domain: t, workload_api: "unix:///a"}
uplink: {broker: "mqtts://broker"}
updates: %s
scan_classes: {fast: 1s}
devices: [{id: d, driver: fake, points: [{name: p, type: bool, scan: fast}]}]
`

func TestTheCalendar(t *testing.T) {
	c, err := Parse("gw.yaml", fmt.Appendf(nil, updatesFile, `
  rate_limit: 2MiB
  events:
    - {name: home games, days: [fri, sat], from: "19:00", to: "01:00", timezone: America/Chicago}
    - name: concert
      dates: ["2026-11-30", "2026-12-01"]
      from: 18:00
      to: 24:00
      timezone: Europe/Berlin`), registry)
	if err != nil {
		t.Fatal(err)
	}
	if c.Updates.RateLimit != 2<<20 || len(c.Updates.Events) != 2 {
		t.Fatalf("%+v", c.Updates)
	}
	for when, want := range map[string]string{"2026-11-28T06:59:00Z": "home games", "2026-11-28T07:00:00Z": "", "2026-11-30T17:00:00Z": "concert", "2026-12-01T23:00:00Z": ""} {
		at, err := time.Parse(time.RFC3339, when)
		if err != nil {
			t.Fatal(err)
		}
		if w, _ := c.Updates.Events.At(at); w.Name != want {
			t.Errorf("%s: %q, want %q", when, w.Name, want)
		}
	}
}

func TestFaultsOfTheCalendar(t *testing.T) {
	one := func(change string) string {
		e := `{name: n, days: [fri], from: "19:00", to: "23:00", timezone: UTC}`
		from, to, _ := strings.Cut(change, "=>")
		return "{events: [" + strings.Replace(e, from, to, 1) + "]}"
	}
	for text, says := range map[string]string{
		one(""):                                           "",
		one(`"19:00"=>"7pm"`):                             "is not a time of the day",
		one(`"23:00"=>"25:00"`):                           "00:00 to 24:00 is allowed",
		one(`[fri]=>[friday]`):                            `"friday" is not a day of the week`,
		one(`days: [fri]=>dates: ["27.11.2026"]`):         "is not a date",
		one(`UTC=>Mars/Olympus`):                          "is not a time zone",
		one(`days: [fri], =>`):                            "takes place on no day",
		one(`from: "19:00", =>`):                          `"from" is missing`,
		one(`, timezone: UTC=>`):                          `"timezone" is missing`,
		one(`name: n=>name: ` + strings.Repeat("n", 101)): "the name has 101 bytes",
		one(`name: n=>names: n`):                          `unknown key "names"`,
		`{rate_limit: 1KiB}`:                              "less than 16KiB",
		`{rate_limit: 2GiB}`:                              "rate_limit",
		`{event: []}`:                                     `unknown key "event"`,
		`{events: [` + strings.Repeat(`{name: n, days: [fri], from: "19:00", to: "23:00", timezone: UTC},`, 1001) + `]}`: "1001 events",
	} {
		_, err := Parse("gw.yaml", fmt.Appendf(nil, updatesFile, text), registry)
		if says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "gw.yaml:6:")) {
			t.Errorf("%.120s: %v; want a fault of line 6 that says %q", text, err, says)
		}
	}
}
