package siteconfig

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/drivers/modbus"
	"github.com/courtside-edge/courtside/drivers/opcua"
	"github.com/courtside-edge/courtside/drivers/tracking"
	"github.com/courtside-edge/courtside/firmware/config"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/tools/venuesim/arena"
	"github.com/courtside-edge/courtside/tools/venuesim/field"
)

func site() Site {
	plan := field.NewPlan(arena.Dallas())
	return Site{Plan: plan, Addresses: field.Addresses(plan, field.Options{ModbusPort: 5020, OPCUAPort: 4840, TrackingPort: 50051})}
}

func registry() drivers.Registry {
	return drivers.Registry{"modbus": modbus.Driver{}, "opcua": opcua.Driver{}, "tracking": tracking.Driver{}}
}

func load(t *testing.T, f GatewayFile) *config.Config {
	t.Helper()
	c, err := config.Load(f.Path, registry())
	if err != nil {
		t.Fatalf("%s: %v", f.ID, err)
	}
	return c
}

// TestGatewaysLoad lets the gateway's own check read what is written and compares its point tables with the arena.
func TestGatewaysLoad(t *testing.T) {
	for _, gateways := range []int{1, 2, MaxGateways} {
		t.Run(fmt.Sprint(gateways), func(t *testing.T) {
			s := site()
			files, err := Write(t.TempDir(), s, Options{Gateways: gateways, MaxLaneRate: 100})
			if err != nil {
				t.Fatal(err)
			}
			if len(files.Gateways) != gateways {
				t.Fatalf("%d gateways, want %d", len(files.Gateways), gateways)
			}
			places, devices := map[point.Kind]map[string]int{}, map[point.ID]point.ID{}
			for _, f := range files.Gateways {
				c := load(t, f)
				if c.Gateway != f.ID || string(c.Venue) != s.Plan.Arena.Venue {
					t.Errorf("%s says that it is %s of %s", f.Path, c.Gateway, c.Venue)
				}
				for i, d := range c.Devices {
					if other, twice := devices[d.ID]; twice {
						t.Errorf("device %s belongs to %s and %s", d.ID, other, f.ID)
					}
					devices[d.ID] = f.ID
					if f.Devices[i] != string(d.ID) {
						t.Errorf("device %d of %s is %s, reported as %s", i, f.ID, d.ID, f.Devices[i])
					}
				}
				for _, p := range c.Table {
					if places[p.Kind] == nil {
						places[p.Kind] = map[string]int{}
					}
					places[p.Kind][p.Place]++
				}
			}
			if len(devices) != len(s.Plan.Devices) {
				t.Errorf("%d devices are configured, want %d", len(devices), len(s.Plan.Devices))
			}
			checkPlaces(t, s.Plan.Arena, places)
		})
	}
}

// checkPlaces checks that every place of the map has its points, and no other has.
func checkPlaces(t *testing.T, a *arena.Arena, places map[point.Kind]map[string]int) {
	t.Helper()
	want := map[point.Kind]map[string]int{point.Seat: {}, point.Gate: {}, point.Panel: {}}
	for _, s := range a.Seats {
		want[point.Seat][s.Place()] = 1
	}
	for _, g := range a.Gates {
		want[point.Gate][g.Place] = 2 * g.Lanes
	}
	for _, p := range a.Panels {
		want[point.Panel][p.Place] = 1
	}
	for kind, of := range want {
		for place, n := range of {
			if places[kind][place] != n {
				t.Fatalf("%s %s has %d points, want %d", kind, place, places[kind][place], n)
			}
		}
		if len(places[kind]) != len(of) {
			t.Errorf("%d places of kind %s, want %d", len(places[kind]), kind, len(of))
		}
	}
}

// TestPointsMeanWhatTheVenueDoes looks at one point of each role.
func TestPointsMeanWhatTheVenueDoes(t *testing.T) {
	files, err := Write(t.TempDir(), site(), Options{Gateways: 1, MaxLaneRate: 100})
	if err != nil {
		t.Fatal(err)
	}
	points := map[point.Name]point.Point{}
	for _, p := range load(t, files.Gateways[0]).Table {
		points[p.Name] = p
	}
	seat := points["seat/101/a/1"]
	if noise := 2 * field.NoisePeak * seat.Scale; seat.Kind != point.Seat || seat.Place != "101/a/1" || seat.Deadband <= noise ||
		seat.OccupiedAbove != 20 || seat.OccupiedBelow != 15 || seat.Lane != point.Telemetry {
		t.Errorf("seat %+v; its deadband must be above %g", seat, noise)
	}
	gate := points["gate/03/2/out"]
	if gate.Kind != point.Gate || gate.Place != "gate-03" || gate.Class != point.Counter || gate.Direction != point.Out ||
		gate.Bits != 16 || gate.MaxRate < 200 || gate.Lane != point.Critical {
		t.Errorf("counter %+v", gate)
	}
	for _, name := range []point.Name{"panel/ribbon-w/status", "panel/score-n/status"} {
		if p := points[name]; p.Kind != point.Panel || p.Type != point.Int || p.Place == "" {
			t.Errorf("panel %+v", p)
		}
	}
	if air := points["building/sw/co2"]; air.Type != point.Float || air.Kind != point.Generic || air.Unit != "ppm" {
		t.Errorf("air %+v", air)
	}
}

// TestRingsLoad lets the gateway's own check read rings, with and without counters beside them.
func TestRingsLoad(t *testing.T) {
	for _, gates := range []field.Gates{field.Rings, field.Both} {
		plan, err := field.PlanOf(arena.Dallas(), field.PlanOptions{Gates: gates})
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		s := Site{Plan: plan, Addresses: field.Addresses(plan, field.Options{ModbusPort: 5020, OPCUAPort: 4840, TrackingPort: 50051})}
		files, err := Write(dir, s, Options{MaxLaneRate: 100})
		if err != nil {
			t.Fatal(err)
		}
		key, err := os.ReadFile(filepath.Join(dir, "tickets.key"))
		if err != nil || len(key) < 16 {
			t.Fatalf("the key that hashes tickets: %q, %v", key, err)
		}
		events, witnesses, generic := map[string]int{}, 0, 0
		for _, f := range files.Gateways {
			for _, p := range load(t, f).Table {
				switch {
				case p.Class == point.Event && p.Kind == point.Gate && p.Lane == point.Critical:
					events[p.Place+" "+p.Direction.String()]++
				case p.Class == point.Counter && p.Kind == point.Generic && p.Place == "":
					witnesses++
				case p.Kind == point.Gate:
					generic++
				}
			}
		}
		want := map[field.Gates]int{field.Rings: 0, field.Both: 192}[gates]
		if len(events) != 48 || events["gate-03 in"] != 1 || events["gate-24 out"] != 1 || witnesses != want || generic != 0 {
			t.Errorf("%s: %d events, %d witnesses (want %d), %d other gate points", gates, len(events), witnesses, want, generic)
		}
		if _, err := Write(dir, s, Options{MaxLaneRate: 100}); err != nil {
			t.Fatal(err)
		}
		if again, err := os.ReadFile(filepath.Join(dir, "tickets.key")); err != nil || string(again) != string(key) {
			t.Errorf("the key was made anew: other keys for the same events")
		}
	}
}

func TestOptionsReachTheFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"gw-north", "gw-south", "aggregator"} {
		for _, suffix := range []string{".pem", ".key", "-bundle.pem"} {
			if err := os.WriteFile(filepath.Join(dir, name+suffix), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	files, err := Write(dir, site(), Options{
		TrustDomain: "arena.example", CertFile: filepath.Join(dir, "{name}.pem"), KeyFile: filepath.Join(dir, "{name}.key"), BundleFile: filepath.Join(dir, "{name}-bundle.pem"),
		DataDir: filepath.Join(dir, "data"), Broker: "mqtts://broker.example:8884", DiagPort: 9464, SeatScan: 250 * time.Millisecond, MaxLaneRate: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	c := load(t, files.Gateways[1])
	if c.Identity.TrustDomain != "arena.example" || c.Identity.CertFile != filepath.Join(dir, "gw-south.pem") || c.DataDir != filepath.Join(dir, "data", "gw-south") ||
		c.Uplink.Broker != "mqtts://broker.example:8884" || c.Diag.Listen != "127.0.0.1:9465" {
		t.Errorf("%+v", c)
	}
	for _, class := range c.ScanClasses {
		if class.Name == "seats" && class.Period != 250*time.Millisecond {
			t.Errorf("scan class %+v", class)
		}
	}
	text, err := os.ReadFile(files.Aggregator)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"trust_domain: arena.example", "aggregator.pem", `broker: {url: "mqtts://broker.example:8884"}`, "map: arena.geojson", "{id: gw-north, devices: [plc-seats-101,"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the aggregator's file lacks %q:\n%s", want, text)
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, o := range []Options{
		{Gateways: -1, MaxLaneRate: 1},
		{Gateways: MaxGateways + 1, MaxLaneRate: 1},
		{},
	} {
		if _, err := Write(t.TempDir(), site(), o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
	s := site()
	s.Addresses = s.Addresses[1:]
	if _, err := Write(t.TempDir(), s, Options{MaxLaneRate: 1}); err == nil {
		t.Error("a site with a device without address was accepted")
	}
}

func TestBrokerListeningEverywhereIsFoundHere(t *testing.T) {
	for listen, want := range map[string]string{
		"":               "mqtts://127.0.0.1:8883",
		"0.0.0.0:1884":   "mqtts://127.0.0.1:1884",
		":1884":          "mqtts://127.0.0.1:1884",
		"[::]:1884":      "mqtts://127.0.0.1:1884",
		"10.1.2.3:8883":  "mqtts://10.1.2.3:8883",
		"localhost:8883": "mqtts://localhost:8883",
	} {
		o, err := Options{BrokerListen: listen, MaxLaneRate: 1}.withDefaults()
		if err != nil {
			t.Fatal(err)
		}
		if got := o.brokerURL(); got != want {
			t.Errorf("listening on %q is found at %s, want %s", listen, got, want)
		}
	}
}

func TestUnwritableDirectoryIsNamed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Write(filepath.Join(file, "site"), site(), Options{MaxLaneRate: 1}); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("error %v does not name %s", err, file)
	}
}
