package config

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/settings"
)

// fakeDriver knows options.address and source.address, and refuses source.address 666.
type fakeDriver struct {
	prepared *[]drivers.Device
}

type fakeSource struct{}

func (fakeSource) Open(context.Context) (drivers.Conn, error) {
	return nil, errors.New("not in this test")
}

func (d fakeDriver) Prepare(dev drivers.Device) (drivers.Source, error) {
	if d.prepared != nil {
		*d.prepared = append(*d.prepared, dev)
	}
	var options struct {
		Address string `yaml:"address"`
	}
	errs := []error{dev.Options.Decode(&options)}
	for _, g := range dev.Groups {
		var source struct {
			Address int `yaml:"address" min:"0" max:"65535"`
		}
		errs = append(errs, g.Options.Decode(&source))
		switch source.Address {
		case 666:
			errs = append(errs, g.Options.Fault("address", "address %d of %s is cursed", source.Address, g.Targets[0].Point.Name))
		case 667:
			panic("a driver that cannot count")
		}
	}
	return fakeSource{}, errors.Join(errs...)
}

var registry = drivers.Registry{"fake": fakeDriver{}, "modbus": fakeDriver{}}

func TestLoad(t *testing.T) {
	c, err := Load("testdata/config/good.yaml", registry)
	if err != nil {
		t.Fatal(err)
	}
	fast, slow, idle := drivers.ScanClass{Name: "fast", Period: 100 * time.Millisecond}, drivers.ScanClass{Name: "slow", Period: time.Second, Phase: 50 * time.Millisecond}, drivers.ScanClass{Name: "idle", Period: time.Minute}
	devices, table := c.Devices, c.Table
	c.Devices, c.Table = nil, nil
	want := &Config{Venue: "dal-001", Gateway: "gw-north", DataDir: "testdata/config/data",
		Identity: Identity{TrustDomain: "courtside.test", WorkloadAPI: "unix:///run/agent.sock"},
		Uplink:   Uplink{Broker: "mqtts://127.0.0.1:8883", RateLimit: 256 << 10}, Batch: Batch{Linger: 7 * time.Millisecond, MaxSamples: 1000, MaxBytes: 128 << 10},
		Spool: goodSpool, Log: Log{Level: slog.LevelDebug, Format: "json"}, Trace: Trace{Sample: 0.01},
		ScanClasses: []drivers.ScanClass{fast, slow, idle}}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("config\n%+v, want\n%+v", c, want)
	}
	var names []string
	for _, p := range table {
		names = append(names, p.Qualified()+" "+p.Place)
	}
	wantNames := []string{
		"plc-seats-101/seat/101/a/1 101/a/1", "plc-seats-101/seat/101/a/2 101/a/2", "plc-seats-101/seat/101/a/3 101/a/3",
		"plc-seats-101/seat/101/b/1 101/b/1", "plc-seats-101/seat/101/b/2 101/b/2", "plc-seats-101/seat/101/b/3 101/b/3",
		"plc-seats-101/gate/03/1/in gate-03",
		"panels/panel/08/text ", "panels/panel/09/text ", "panels/panel/10/text ", "panels/panel/11/text "}
	if !reflect.DeepEqual(names, wantNames) {
		t.Errorf("table %q", names)
	}
	wantSeat := point.Point{Device: "plc-seats-101", Name: "seat/101/b/1", Type: point.Int, Unit: "kg", Kind: point.Seat, Lane: point.Telemetry, Class: point.State,
		Place: "101/b/1", Scale: 0.1, Deadband: 2, OccupiedAbove: 20, OccupiedBelow: 15, MaxSilence: 10 * time.Minute}
	if table[3] != wantSeat {
		t.Errorf("seat %+v", table[3])
	}
	wantGate := point.Point{Device: "plc-seats-101", Name: "gate/03/1/in", Type: point.Int, Kind: point.Gate, Lane: point.Critical, Class: point.Counter,
		Place: "gate-03", Direction: point.In, Scale: 1, Bits: 16, MaxRate: 5}
	if table[6] != wantGate {
		t.Errorf("gate %+v", table[6])
	}
	plc := devices[0]
	if !reflect.DeepEqual(plc.Classes, []drivers.ScanClass{slow, fast}) || plc.Groups[0].Class != 0 || plc.Groups[1].Class != 1 {
		t.Errorf("classes %+v of groups %d, %d", plc.Classes, plc.Groups[0].Class, plc.Groups[1].Class)
	}
	if !reflect.DeepEqual(devices[1].Own, []uint32{7, 8, 9, 10}) {
		t.Errorf("own %v", devices[1].Own)
	}
	for _, d := range devices {
		for _, g := range d.Groups {
			for _, target := range g.Targets {
				if target.Point != &table[target.Index] {
					t.Errorf("target %d does not point into the table", target.Index)
				}
			}
		}
	}
}

func TestDefaults(t *testing.T) {
	c, err := Parse("/etc/gw.yaml", []byte(`
venue: v
gateway: g
identity: {trust_domain: t, workload_api: "unix:///a"}
uplink: {broker: "mqtts://broker:1883"}
spool:
scan_classes: {fast: 1s}
devices: [{id: d, driver: fake, points: [{name: p, type: bool, scan: fast}]}]
`), registry)
	if err != nil {
		t.Fatal(err)
	}
	if c.DataDir != "/var/lib/courtside" || c.Batch != (Batch{5 * time.Millisecond, 65536, 256 << 10}) || c.Spool != defaultSpool ||
		c.Diag.Listen != "127.0.0.1:9464" || c.Log != (Log{slog.LevelInfo, "text"}) || c.Uplink.Broker != "mqtts://broker:1883" {
		t.Errorf("defaults %+v", c)
	}
	if p := c.Table[0]; p.Kind != point.Generic || p.Class != point.State || p.Lane != point.Telemetry || p.Scale != 1 || p.MaxSilence != 0 {
		t.Errorf("point %+v", p)
	}
}

func TestPrepareHandsClockAndLogOn(t *testing.T) {
	var got []drivers.Device
	c, err := Load("testdata/config/good.yaml", drivers.Registry{"fake": fakeDriver{&got}})
	if err != nil {
		t.Fatal(err)
	}
	got = nil
	if _, err := c.Devices[0].Prepare(noClock{}, quiet()); err != nil || len(got) != 1 || got[0].Clock == nil || got[0].Log == nil || got[0].ID != "plc-seats-101" {
		t.Errorf("prepared %+v, %v", got, err)
	}
}

// TestBadInput compares what is said about each testdata/config/bad-*.yaml with the .txt beside it.
// COURTSIDE_GOLDEN=write writes the texts anew, to be read before they are kept.
func TestBadInput(t *testing.T) {
	files, err := filepath.Glob("testdata/config/bad-*.yaml")
	if err != nil || len(files) < 8 {
		t.Fatalf("%d bad inputs, %v", len(files), err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			_, err := Load(path, registry)
			var all *settings.Error
			var alone *settings.Fault
			if !errors.As(err, &all) && !errors.As(err, &alone) {
				t.Fatalf("the error %v is not of the configuration", err)
			}
			got := strings.ReplaceAll(err.Error(), "testdata/config/", "") + "\n"
			golden := strings.TrimSuffix(path, ".yaml") + ".txt"
			if os.Getenv("COURTSIDE_GOLDEN") == "write" {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("said\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// What is empty, or has no value at all, is said once, at its place, and not what follows from it.
func TestNothingWhereSomethingIsWanted(t *testing.T) {
	const head = "venue: v\ngateway: g\nidentity: {trust_domain: t, workload_api: \"unix:///a\"}\nuplink: {broker: \"mqtts://b\"}\n"
	const classes, device, points = "scan_classes: {fast: 1s}\n", "devices:\n  - id: plc-1\n    driver: fake\n", "    points: [{name: a, type: int, scan: fast, source: {address: 0}}]\n"
	for text, want := range map[string]string{
		"scan_classes:\n" + device + points:                       `:5:14: no scan class is described; add one, such as fast: 100ms`,
		"scan_classes: {}\n" + device + points:                    `:5:15: no scan class is described; add one, such as fast: 100ms`,
		"scanclasses: {fast: 1s}\n" + device + points:             `:5:1: unknown key "scanclasses"; did you mean "scan_classes"?`,
		classes + "devices:\n":                                    `:6:10: no device is listed; describe at least one`,
		classes + "devices: []\n":                                 `:6:10: no device is listed; describe at least one`,
		classes + "devices: {}\n":                                 `:6:10: devices is a mapping; a list is wanted`,
		classes + device + "    points:\n":                        `:9:13: device "plc-1" has no points; list at least one`,
		classes + device + "    points: []\n":                     `:9:13: device "plc-1" has no points; list at least one`,
		classes + device + "    with: {gate: gate-03}\n" + points: `:9:11: with gives a template its parameters, and no template is named; name one, or remove with`,
	} {
		_, err := Parse("gateway.yaml", []byte(head+text), registry)
		var all *settings.Error
		if !errors.As(err, &all) || !strings.Contains(err.Error(), "gateway.yaml"+want) || len(all.Faults) > 1 && !strings.Contains(want, "unknown key") {
			t.Errorf("%s: %v, want %q alone", text, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "no scan class is called") {
			t.Errorf("%s: %v blames the points too", text, err)
		}
	}
}

func TestUnreadableConfiguration(t *testing.T) {
	for _, path := range []string{filepath.Join(t.TempDir(), "none.yaml"), t.TempDir()} {
		if _, err := Load(path, registry); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("error %v does not name %s", err, path)
		}
	}
}

func large(entries int) []byte {
	var b strings.Builder
	b.WriteString("venue: v\ngateway: g\nidentity: {trust_domain: t, workload_api: \"unix:///a\"}\nuplink: {broker: \"mqtts://b\"}\nscan_classes: {fast: 1s}\ndevices:\n")
	for d := range 8 {
		fmt.Fprintf(&b, "  - id: plc-%d\n    driver: fake\n    points:\n", d)
		for e := range entries / 8 {
			fmt.Fprintf(&b, "      - {name: seat/%d, type: int, kind: seat, scan: fast, deadband: 2, occupied: {above: 20, below: 15}, source: {address: %d}}\n", e, e%600)
		}
		b.WriteString("      - {range: \"r/{a:1..50}/{b:1..50}\", place: \"x/{a}/{b}\", type: int, scan: fast, source: {address: 0}}\n")
	}
	return []byte(b.String())
}

func TestLargeConfiguration(t *testing.T) {
	c, err := Parse("large.yaml", large(800), registry)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Table) != 8*2600 {
		t.Errorf("%d points", len(c.Table))
	}
}

func TestPointsBeyondTheLimit(t *testing.T) {
	root, err := settings.Parse("large.yaml", large(8), settings.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = check(root, registry, 5002)
	var all *settings.Error
	if !errors.As(err, &all) || len(all.Faults) != 12 { // six devices with two entries each
		t.Errorf("%v", err)
	}
}

// BenchmarkRanges reads 20,800 points: 800 single ones and eight ranges of 2,500.
func BenchmarkRanges(b *testing.B) {
	text := large(800)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := Parse("large.yaml", text, registry); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSingles reads 40,000 points, half of them single ones.
func BenchmarkSingles(b *testing.B) {
	text := large(20000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := Parse("large.yaml", text, registry); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzParse(f *testing.F) {
	good, err := os.ReadFile("testdata/config/good.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	bad, _ := filepath.Glob("testdata/config/bad-*.yaml")
	for _, path := range bad {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 1<<14 {
			return
		}
		root, err := settings.Parse("fuzz.yaml", text, settings.Limits{})
		if err != nil {
			return
		}
		c, err := check(root, registry, 1000)
		if err != nil {
			if err.Error() == "" {
				t.Error("a fault without words")
			}
			return
		}
		seen := make(map[string]bool)
		for i := range c.Table {
			p := &c.Table[i]
			if _, err := point.ParseName(string(p.Name)); err != nil || seen[p.Qualified()] || p.IsCritical() && p.Lane != point.Critical {
				t.Errorf("point %+v was let through (%v)", p, err)
			}
			seen[p.Qualified()] = true
		}
	})
}

// TestIdentityBesideTheFile is a configuration that names no file of its identity: first boot or enrolment puts them beside it, maybe later.
func TestIdentityBesideTheFile(t *testing.T) {
	dir := t.TempDir()
	raw, err := os.ReadFile("testdata/config/good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(raw), `, workload_api: "unix:///run/agent.sock"`, "", 1)
	c, err := Parse(filepath.Join(dir, "gateway.yaml"), []byte(text), registry)
	if err != nil {
		t.Fatal(err)
	}
	want := Identity{TrustDomain: "courtside.test", CertFile: filepath.Join(dir, "svid.pem"), KeyFile: filepath.Join(dir, "svid.key"), BundleFile: filepath.Join(dir, "bundle.pem"),
		JoinTokenFile: filepath.Join(dir, "join-token")}
	if c.Identity != want {
		t.Errorf("the identity is %+v, want %+v", c.Identity, want)
	}
}

// TestIdentityByToken is a configuration that names a join token, which need not exist.
func TestIdentityByToken(t *testing.T) {
	raw, err := os.ReadFile("testdata/config/good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for named, want := range map[string]string{
		`join_token_file: ` + filepath.Join(t.TempDir(), "absent"): "",
		`join_token_file: ""`: "join_token_file is empty",
		`join_token_file: a, workload_api: "unix:///run/agent.sock"`:                            "keep one of the three",
		`join_token_file: a, cert_file: /dev/null, key_file: /dev/null, bundle_file: /dev/null`: "keep one of the three",
	} {
		text := strings.Replace(string(raw), `workload_api: "unix:///run/agent.sock"`, named, 1)
		c, err := Parse("gateway.yaml", []byte(text), registry)
		if want != "" {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v; it should say %q", named, err, want)
			}
			continue
		}
		if err != nil || c.Identity.JoinTokenFile == "" || c.Identity.CertFile != "" {
			t.Errorf("%s: %v, %+v", named, err, c)
		}
	}
}

// TestParseIn reads a file that lies elsewhere than where it will be used.
func TestParseIn(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "moved"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile("testdata/config/good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(raw), `workload_api: "unix:///run/agent.sock"`, "cert_file: id/a.pem, key_file: /etc/courtside/b.key, bundle_file: id/c.pem", 1)
	var asked []string
	_, err = ParseIn("gateway.yaml", []byte(text), registry, func(path string) string {
		asked = append(asked, path)
		return filepath.Join(dir, "moved")
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"id/a.pem", "/etc/courtside/b.key", "id/c.pem"} {
		if !slices.Contains(asked, want) {
			t.Errorf("%s was not asked for, but %q", want, asked)
		}
	}
}
