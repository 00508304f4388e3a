// Package config is the aggregator's configuration: one YAML file, every key with a default or
// required, every fault at once with its place and its fix.
package config

import (
	"fmt"
	"strings"
	"time"

	"github.com/courtside-edge/courtside/cloud/venuemap"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/settings"
)

// Config is a checked configuration.
type Config struct {
	DataDir   string
	Identity  Identity
	API       API
	Broker    Broker
	Log       Log
	Limits    Limits
	Sync      Sync
	Snapshots Snapshots
	Retention Retention
	Trace     Trace
	Enrol     Enrol
	Updates   Updates
	Venues    []Venue
}

// Enrol says how gateways get their SVIDs by join tokens, from an authority in files.
type Enrol struct {
	Listen  string `yaml:"listen"`  // empty for no enrolment
	Address string `yaml:"address"` // host:port that gateways dial, which tokens name
	// AuthorityCert and AuthorityKey are the authority's, in PEM.
	AuthorityCert settings.Path `yaml:"authority_cert"`
	AuthorityKey  settings.Path `yaml:"authority_key"`
	SVIDTTL       time.Duration `yaml:"svid_ttl" min:"5m" max:"2160h"`
	// Grace is how long after its end an SVID still renews.
	Grace time.Duration `yaml:"grace" min:"0s" max:"8760h"`
}

// On reports whether gateways may enrol here.
func (e Enrol) On() bool { return e.Listen != "" }

// Trace says where spans of batches go. Which batches are recorded their gateways decide.
type Trace struct {
	Endpoint string `yaml:"endpoint"` // an OTLP collector, http://host:4318; empty for none
}

// Identity says where the aggregator's X.509-SVID comes from: a Workload API or PEM files; with neither, the authority of Enrol.
type Identity struct {
	TrustDomain string        `yaml:"trust_domain,required"`
	WorkloadAPI string        `yaml:"workload_api"`
	CertFile    settings.Path `yaml:"cert_file"`
	KeyFile     settings.Path `yaml:"key_file"`
	BundleFile  settings.Path `yaml:"bundle_file"`
}

// API says where people and programs read.
type API struct {
	Listen     string `yaml:"listen"`
	MaxStreams int    `yaml:"max_streams" min:"1" max:"100000"`
}

// Broker says which MQTT broker carries the messages: the embedded one at Listen, or the one at URL.
type Broker struct {
	Listen     string `yaml:"listen"`
	URL        string `yaml:"url"`
	MaxClients int    `yaml:"max_clients" min:"1" max:"100000"`
	// RequireSignedBatches refuses batches without a signature by their gateway's SVID key.
	RequireSignedBatches bool `yaml:"require_signed_batches"`
}

// Log says how the aggregator logs.
type Log struct {
	Level  string `yaml:"level" enum:"debug,info,warn,error"`
	Format string `yaml:"format" enum:"text,json"`
}

// Limits bound what one message may be.
type Limits struct {
	MaxFrame   settings.Size `yaml:"max_frame" min:"16KiB" max:"1MiB"`
	MaxRaw     settings.Size `yaml:"max_raw" min:"64KiB" max:"64MiB"`
	MaxSamples int           `yaml:"max_samples" min:"1000" max:"1000000"`
}

// Sync says how often the log is made durable; acks wait for it.
type Sync struct {
	Interval time.Duration `yaml:"interval" min:"1ms" max:"1s"`
}

// Snapshots says how often the venues' state is saved, so that a start replays no more of the log than came since.
type Snapshots struct {
	Every   time.Duration `yaml:"every" min:"10s" max:"24h"`
	Records int           `yaml:"records" min:"1000" max:"1000000000"`
}

// Retention says what of the log is kept: what is younger than Age and fits Bytes, and never less than what a start needs. A frame that was set
// aside, or waits for its point table, holds what follows it back for SetAside at most.
type Retention struct {
	Age      time.Duration `yaml:"age" min:"1h" max:"87600h"`
	Bytes    settings.Size `yaml:"bytes" min:"64MiB" max:"1TiB"`
	SetAside time.Duration `yaml:"set_aside" min:"1h" max:"87600h"`
}

// Venue is one venue.
type Venue struct {
	ID       point.ID
	MapFile  string
	Map      *venuemap.Map // nil without a map
	Cell     float64       // metres
	Bucket   time.Duration
	Horizon  time.Duration
	Gateways []Gateway
}

// Gateway grants one gateway the devices that it may report. Of several gateways that share a device the one with the smallest rank
// speaks for it, and of equal ranks the one that stands first.
type Gateway struct {
	ID      point.ID
	Devices []point.ID
	Ranks   map[point.ID]int // by device; 0 for those that are not in it
}

// file is the configuration as it is written.
type file struct {
	DataDir   settings.Path      `yaml:"data_dir,required"`
	Identity  Identity           `yaml:"identity,required"`
	API       API                `yaml:"api"`
	Broker    Broker             `yaml:"broker"`
	Log       Log                `yaml:"log"`
	Limits    Limits             `yaml:"limits"`
	Sync      Sync               `yaml:"sync"`
	Snapshots Snapshots          `yaml:"snapshots"`
	Retention Retention          `yaml:"retention"`
	Trace     Trace              `yaml:"trace"`
	Enrol     Enrol              `yaml:"enrol"`
	Updates   Updates            `yaml:"updates"`
	Venues    []settings.Section `yaml:"venues,required"`
}

type venueFile struct {
	ID       string             `yaml:"id,required"`
	Map      settings.Path      `yaml:"map"`
	Cell     float64            `yaml:"cell" min:"0.1" max:"100"`
	Bucket   time.Duration      `yaml:"bucket" min:"1s" max:"1h"`
	Horizon  time.Duration      `yaml:"horizon" min:"10m" max:"720h"`
	Gateways []settings.Section `yaml:"gateways,required"`
}

type gatewayFile struct {
	ID      string         `yaml:"id,required"`
	Devices []string       `yaml:"devices,required"`
	Ranks   map[string]int `yaml:"ranks"`
}

func defaults() file {
	return file{
		API:       API{Listen: "127.0.0.1:8080", MaxStreams: 500},
		Broker:    Broker{MaxClients: 2000},
		Log:       Log{Level: "info", Format: "text"},
		Limits:    Limits{MaxFrame: 256 << 10, MaxRaw: 4 << 20, MaxSamples: 65536},
		Sync:      Sync{Interval: 5 * time.Millisecond},
		Snapshots: Snapshots{Every: 10 * time.Minute, Records: 1_000_000},
		Retention: Retention{Age: 168 * time.Hour, Bytes: 16 << 30, SetAside: 720 * time.Hour},
		// A day bounds how long a stolen key opens the broker; a month is how long a gateway may lie in a cupboard.
		Enrol:   Enrol{SVIDTTL: 24 * time.Hour, Grace: 720 * time.Hour},
		Updates: Updates{MaxClients: 200},
	}
}

// Load reads and checks the file at path. All faults come at once, each with file, line, column and fix.
func Load(path string) (*Config, error) {
	root, err := settings.Load(path, settings.Limits{})
	if err != nil {
		return nil, err
	}
	f := defaults()
	var faults settings.Faults
	faults.Add(root.Decode(&f))
	c := &Config{DataDir: string(f.DataDir), Identity: f.Identity, API: f.API, Broker: f.Broker, Log: f.Log, Limits: f.Limits, Sync: f.Sync,
		Snapshots: f.Snapshots, Retention: f.Retention, Trace: f.Trace, Enrol: f.Enrol, Updates: f.Updates}
	checkEnrol(root, &f, &faults)
	checkUpdates(root, &f.Updates, &faults)
	checkIdentity(root, &f, &faults)
	checkBroker(root, c, &faults)
	checkListeners(root, c, &faults)
	if root.Has("data_dir") && f.DataDir == "" {
		faults.Add(root.Fault("data_dir", "data_dir is empty; name a folder, such as /var/lib/courtside-aggregator"))
	}
	if empty(root, "venues") {
		faults.Add(root.Fault("venues", "no venue is listed; describe at least one"))
	}
	if err := settings.CheckEndpoint(f.Trace.Endpoint); err != nil {
		faults.Add(root.Fault("trace.endpoint", "endpoint: %v; write http://host:4318, or leave it out for none", err))
	}
	seen := map[point.ID]string{}
	for i := range f.Venues {
		v := readVenue(&f.Venues[i], &faults)
		if first, twice := seen[v.ID]; twice && v.ID != "" {
			faults.Add(f.Venues[i].Fault("id", "venue %s stands at %s already; give each venue once", v.ID, first))
		}
		seen[v.ID] = f.Venues[i].Place("id")
		c.Venues = append(c.Venues, v)
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	return c, nil
}

func checkIdentity(root *settings.Section, f *file, faults *settings.Faults) {
	files := 0
	for _, p := range []settings.Path{f.Identity.CertFile, f.Identity.KeyFile, f.Identity.BundleFile} {
		if p != "" {
			files++
		}
	}
	switch {
	case !root.Has("identity"):
	case f.Identity.WorkloadAPI == "" && files == 0 && f.Enrol.On(): // the authority's own
	case f.Identity.WorkloadAPI == "" && files == 0:
		faults.Add(root.Fault("identity", "no source of identity is named; give workload_api, or cert_file, key_file and bundle_file"))
	case f.Identity.WorkloadAPI != "" && files > 0:
		faults.Add(root.Fault("identity", "both workload_api and PEM files are named; keep one of them"))
	case files > 0 && files < 3:
		faults.Add(root.Fault("identity", "PEM files come as three: cert_file, key_file and bundle_file"))
	}
	if api := f.Identity.WorkloadAPI; api != "" && !strings.HasPrefix(api, "unix:///") && !strings.HasPrefix(api, "tcp://") {
		faults.Add(root.Fault("identity.workload_api", "%q is not the address of a Workload API; write unix:///path or tcp://ip:port", api))
	}
	if d := f.Identity.TrustDomain; d != "" && (len(d) > 255 || strings.Trim(d, "abcdefghijklmnopqrstuvwxyz0123456789.-_") != "") {
		faults.Add(root.Fault("identity.trust_domain", "%q is not a trust domain; use lower-case letters, digits, '.', '-' and '_'", d))
	}
}

// empty reports whether the list of key is there with nothing in it, or without any value. One that is no list has a fault of its own.
func empty(s *settings.Section, key string) bool {
	var list []settings.Section
	return s.Has(key) && s.Len(key) <= 0 && s.Get(key, &list) == nil
}

func checkBroker(root *settings.Section, c *Config, faults *settings.Faults) {
	switch {
	case c.Broker.Listen != "" && c.Broker.URL != "":
		faults.Add(root.Fault("broker", "both listen and url are named; listen is for the embedded broker, url for one of your own"))
	case c.Broker.Listen == "" && c.Broker.URL == "":
		c.Broker.Listen = "0.0.0.0:8883"
	}
}

func readVenue(s *settings.Section, faults *settings.Faults) Venue {
	in := venueFile{Cell: 1, Bucket: time.Minute, Horizon: 26 * time.Hour}
	faults.Add(s.Decode(&in))
	v := Venue{MapFile: string(in.Map), Cell: in.Cell, Bucket: in.Bucket, Horizon: in.Horizon}
	v.ID = readID(s, "id", in.ID, faults)
	if in.Map != "" {
		m, err := venuemap.Load(string(in.Map))
		if err != nil {
			faults.Add(s.Fault("map", "%v", err))
		}
		v.Map = m
	}
	if empty(s, "gateways") {
		faults.Add(s.Fault("gateways", "no gateway is listed; name at least one, with its devices: {id: gw-north, devices: [plc-1]}"))
	}
	seen, shared := map[point.ID]bool{}, map[point.ID]int{}
	for i := range in.Gateways {
		g := readGateway(&in.Gateways[i], faults)
		if seen[g.ID] && g.ID != "" {
			faults.Add(in.Gateways[i].Fault("id", "gateway %s is listed twice; give each gateway once, with all of its devices", g.ID))
		}
		seen[g.ID] = true
		for _, d := range g.Devices {
			shared[d]++
		}
		v.Gateways = append(v.Gateways, g)
	}
	for i, g := range v.Gateways {
		for d := range g.Ranks {
			if shared[d] < 2 {
				faults.Add(in.Gateways[i].Fault("ranks", "device %s is granted to gateway %s alone; a rank is for devices that several gateways share", d, g.ID))
			}
		}
	}
	return v
}

func readGateway(s *settings.Section, faults *settings.Faults) Gateway {
	var in gatewayFile
	faults.Add(s.Decode(&in))
	g := Gateway{ID: readID(s, "id", in.ID, faults)}
	if s.Has("devices") && len(in.Devices) == 0 && s.Get("devices", new([]string)) == nil {
		faults.Add(s.Fault("devices", "no device is listed; name what gateway %s may report, as its own configuration calls them", g.ID))
	}
	granted := map[point.ID]bool{}
	for i, d := range in.Devices {
		key := fmt.Sprintf("devices.%d", i)
		id := readID(s, key, d, faults)
		if granted[id] && id != "" {
			faults.Add(s.Fault(key, "device %s is listed twice; give each device once", id))
		}
		granted[id] = true
		g.Devices = append(g.Devices, id)
	}
	for d, rank := range in.Ranks {
		id, err := point.ParseID(d)
		if err != nil || !granted[id] {
			faults.Add(s.Fault("ranks", "%q is none of gateway %s's devices; add it to devices, or take its rank out", d, g.ID))
			continue
		}
		if g.Ranks == nil {
			g.Ranks = map[point.ID]int{}
		}
		g.Ranks[id] = rank
	}
	return g
}

func readID(s *settings.Section, key, text string, faults *settings.Faults) point.ID {
	if text == "" {
		return ""
	}
	id, err := point.ParseID(text)
	if err != nil {
		faults.Add(s.Fault(key, "%v", err))
	}
	return id
}
