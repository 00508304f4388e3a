package loadgen

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/courtside-edge/courtside/tools/venuesim/arena"
)

// The names in what Site writes.
const (
	Venue       = "dal-001"
	Gateway     = "gw-load"
	SeatDevice  = "gen-seats"
	ProbeDevice = "gen-probe"
	WallProbe   = "probe/wall"
	TotalProbe  = "probe/total"
)

// DefaultPoints is how many points a site has.
const DefaultPoints = 10_000

// Site is a venue for a generator: the files of gateway and aggregator, and the venue map. Zero values stand for the defaults.
type Site struct {
	Points     int     // of SeatDevice: seats of the arena, then generic points; DefaultPoints
	Rate       float64 // readings a second; 0 for "max"
	Block      int     // readings; see the package comment
	Seed       uint64
	NoProbes   bool          // without ProbeDevice
	ProbeEvery time.Duration // of the wall probe; 1 ms
	TotalEvery time.Duration // of the total in a counter's place, in the critical lane; 5 ms

	TrustDomain string // courtside.test
	// Identity is the folder of each side's PEM files or Workload API; {name} stands for "aggregator" or the gateway's id.
	CertFile, KeyFile, BundleFile string
	WorkloadAPI                   string // used when CertFile is empty; unix:///tmp/courtside/{name}.sock
	DataDir                       string // below it, one directory each; "data" beside the files
	BrokerListen                  string // 127.0.0.1:8883
	APIListen                     string // 127.0.0.1:8080
	SpillAfter                    time.Duration
}

// Files are the paths of what was written.
type Files struct{ Gateway, Aggregator, Map string }

func (s Site) withDefaults() Site {
	set := func(at *string, v string) {
		if *at == "" {
			*at = v
		}
	}
	if s.Points == 0 {
		s.Points = DefaultPoints
	}
	if s.ProbeEvery == 0 {
		s.ProbeEvery = time.Millisecond
	}
	if s.TotalEvery == 0 {
		s.TotalEvery = 5 * time.Millisecond
	}
	set(&s.TrustDomain, "courtside.test")
	set(&s.WorkloadAPI, "unix:///tmp/courtside/{name}.sock")
	set(&s.DataDir, "data")
	set(&s.BrokerListen, "127.0.0.1:8883")
	set(&s.APIListen, "127.0.0.1:8080")
	return s
}

// Write writes the files into dir, which is made when it is absent. Existing files are replaced.
func (s Site) Write(dir string) (Files, error) {
	s = s.withDefaults()
	files := Files{filepath.Join(dir, "gateway.yaml"), filepath.Join(dir, "aggregator.yaml"), filepath.Join(dir, "arena.geojson")}
	a := arena.Dallas()
	var geo bytes.Buffer
	if err := a.WriteGeoJSON(&geo); err != nil {
		return files, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return files, fmt.Errorf("writing a site: %w", err)
	}
	for path, content := range map[string][]byte{files.Gateway: s.gateway(a), files.Aggregator: s.aggregator(), files.Map: geo.Bytes()} {
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return files, fmt.Errorf("writing a site: %w", err)
		}
	}
	return files, nil
}

func (s Site) identity(name string) string {
	in := func(text string) string { return strings.ReplaceAll(text, "{name}", name) }
	if s.CertFile == "" {
		return fmt.Sprintf("{trust_domain: %s, workload_api: %q}", s.TrustDomain, in(s.WorkloadAPI))
	}
	return fmt.Sprintf("{trust_domain: %s, cert_file: %q, key_file: %q, bundle_file: %q}", s.TrustDomain, in(s.CertFile), in(s.KeyFile), in(s.BundleFile))
}

func (s Site) aggregator() []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "# Aggregator for generated load. Written by loadgen.\ndata_dir: %q\nidentity: %s\n", filepath.Join(s.DataDir, "aggregator"), s.identity("aggregator"))
	fmt.Fprintf(&out, "api: {listen: %q}\nbroker: {listen: %q}\nlog: {level: warn}\n", s.APIListen, s.BrokerListen)
	devices := SeatDevice
	if !s.NoProbes {
		devices += ", " + ProbeDevice
	}
	fmt.Fprintf(&out, "venues:\n  - id: %s\n    map: arena.geojson\n    gateways:\n      - {id: %s, devices: [%s]}\n", Venue, Gateway, devices)
	return out.Bytes()
}

func (s Site) gateway(a *arena.Arena) []byte {
	rate := "max"
	if s.Rate > 0 {
		rate = fmt.Sprintf("%g", s.Rate)
	}
	options := fmt.Sprintf("rate: %q, seed: %d", rate, s.Seed)
	if s.Block > 0 {
		options += fmt.Sprintf(", block: %d", s.Block)
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "# Gateway for generated load. Written by loadgen.\nvenue: %s\ngateway: %s\ndata_dir: %q\nidentity: %s\n", Venue, Gateway, filepath.Join(s.DataDir, "gateway"), s.identity(Gateway))
	fmt.Fprintf(&out, "uplink: {broker: %q}\ndiag: {listen: \"\"}\nlog: {level: warn}\n", "mqtts://"+s.BrokerListen)
	if s.SpillAfter > 0 {
		fmt.Fprintf(&out, "spool: {spill_after: %s}\n", s.SpillAfter)
	}
	fmt.Fprintf(&out, "scan_classes: {fast: 100ms}\ndevices:\n  - id: %s\n    driver: %s\n    options: {%s}\n    points:\n", SeatDevice, DriverName, options)
	s.seats(&out, a)
	if !s.NoProbes {
		s.probes(&out)
	}
	return out.Bytes()
}

// seats writes as many points as wanted: row by row, and what the arena cannot seat as generic points.
func (s Site) seats(out *bytes.Buffer, a *arena.Arena) {
	left := s.Points
	for _, section := range a.Sections {
		for _, row := range section.Rows {
			n := min(row.Count, left)
			if left -= n; n == 0 {
				return
			}
			fmt.Fprintf(out, "      - {range: \"seat/%s/%s/{seat:1..%d}\", place: \"%s/%s/{seat}\", type: int, kind: seat, unit: kg, scale: 0.1, occupied: {above: 20, below: 15}, scan: fast, source: {pattern: seat}}\n",
				section.Name, row.Name, n, section.Name, row.Name)
		}
	}
	if left > 0 {
		fmt.Fprintf(out, "      - {range: \"generic/{n:1..%d}\", type: int, unit: kg, scale: 0.1, scan: fast, source: {pattern: seat}}\n", left)
	}
}

// probes writes the device that the freshness of the cloud is read from. The total makes 1e9 counts a second; a
// clock that is set moves by more for a moment.
func (s Site) probes(out *bytes.Buffer) {
	rate := float64(time.Second) / float64(s.ProbeEvery)
	fmt.Fprintf(out, "  - id: %s\n    driver: %s\n    options: {rate: \"%g\", block: 1}\n    points:\n", ProbeDevice, DriverName, rate)
	fmt.Fprintf(out, "      - {name: %s, type: int, unit: ns, scan: fast, source: {pattern: wall}}\n", WallProbe)
	fmt.Fprintf(out, "      - {name: %s, type: int, kind: gate, class: counter, direction: in, bits: 64, max_rate: 4e9, scan: fast, source: {pattern: total, every: %s}}\n", TotalProbe, s.TotalEvery)
}
