package config

import (
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/settings"
	"github.com/courtside-edge/courtside/sync/wire"
)

// file is the topmost mapping as it is written.
type file struct {
	Venue       point.ID           `yaml:"venue,required"`
	Gateway     point.ID           `yaml:"gateway,required"`
	DataDir     settings.Path      `yaml:"data_dir"`
	Identity    identity           `yaml:"identity,required"`
	Uplink      uplink             `yaml:"uplink,required"`
	Batch       batch              `yaml:"batch"`
	Spool       spool              `yaml:"spool"`
	Diag        diag               `yaml:"diag"`
	Log         logging            `yaml:"log"`
	Trace       tracing            `yaml:"trace"`
	Updates     updates            `yaml:"updates"`
	ScanClasses settings.Section   `yaml:"scan_classes,required"`
	Devices     []settings.Section `yaml:"devices,required"`
}

type identity struct {
	TrustDomain string        `yaml:"trust_domain,required"`
	WorkloadAPI string        `yaml:"workload_api"`
	CertFile    settings.File `yaml:"cert_file"`
	KeyFile     settings.File `yaml:"key_file"`
	BundleFile  settings.File `yaml:"bundle_file"`
	JoinToken   settings.Path `yaml:"join_token_file"` // need not exist: an enrolled gateway does without
}

type uplink struct {
	Broker      string        `yaml:"broker,required"`
	RateLimit   settings.Size `yaml:"rate_limit" min:"0" max:"1GiB"`
	SignBatches bool          `yaml:"sign_batches"`
}

type batch struct {
	Linger     time.Duration `yaml:"linger" min:"0s" max:"10s"`
	MaxSamples int           `yaml:"max_samples" min:"1" max:"65536"`
	MaxBytes   settings.Size `yaml:"max_bytes" min:"4KiB" max:"4MiB"`
}

type spool struct {
	Window     settings.Size `yaml:"window" min:"1MiB" max:"1GiB"`
	SpillAfter time.Duration `yaml:"spill_after" min:"10ms" max:"1h"`
	Limit      settings.Size `yaml:"limit" min:"16MiB" max:"16TiB"`
	MaxAge     time.Duration `yaml:"max_age" min:"0s" max:"8760h"`
	Critical   settings.Size `yaml:"critical_limit" min:"16MiB" max:"16TiB"`
	MinFree    settings.Size `yaml:"min_free" min:"32MiB" max:"1TiB"`
	Ballast    settings.Size `yaml:"ballast" min:"0" max:"1GiB"`
	Reduce     reduce        `yaml:"reduce"`
}

type reduce struct {
	DeadbandFactor float64       `yaml:"deadband_factor" min:"1" max:"1000"`
	MinInterval    time.Duration `yaml:"min_interval" min:"0s" max:"1h"`
}

type diag struct {
	Listen string `yaml:"listen"`
}

type logging struct {
	Level  string `yaml:"level" enum:"debug,info,warn,error"`
	Format string `yaml:"format" enum:"text,json"`
}

type tracing struct {
	Endpoint string  `yaml:"endpoint"`
	Sample   float64 `yaml:"sample" min:"0" max:"1"`
}

const (
	// leastRate is the lowest rate limit, in bytes a second: with less a single batch takes minutes.
	leastRate = 1 << 10
	// leastAge is the lowest age limit of the spool: with less it would not hold what a restart of the cloud leaves.
	leastAge = time.Minute
)

// defaults returns what a file leaves unsaid; doc.go lists it.
func defaults() file {
	return file{
		DataDir: "/var/lib/courtside",
		Batch:   batch{Linger: 5 * time.Millisecond, MaxSamples: 65536, MaxBytes: 256 << 10},
		Spool: spool{Window: 16 << 20, SpillAfter: 500 * time.Millisecond, Limit: 8 << 30, Critical: 2 << 30, MinFree: 128 << 20, Ballast: 16 << 20,
			Reduce: reduce{DeadbandFactor: 4, MinInterval: 5 * time.Second}},
		Diag: diag{Listen: "127.0.0.1:9464"},
		Log:  logging{Level: "info", Format: "text"},
		// One batch in a hundred shows where time goes and costs next to nothing.
		Trace: tracing{Sample: 0.01},
	}
}

// Load reads and checks the file at path against the drivers of registry. Its error, when the file could be read, is a
// *settings.Error with every fault.
func Load(path string, registry drivers.Registry) (*Config, error) {
	root, err := settings.Load(path, settings.Limits{})
	if err != nil {
		return nil, err
	}
	return check(root, registry, MaxPoints)
}

// Parse is Load of text, as the content of a file named name.
func Parse(name string, text []byte, registry drivers.Registry) (*Config, error) {
	root, err := settings.Parse(name, text, settings.Limits{})
	if err != nil {
		return nil, err
	}
	return check(root, registry, MaxPoints)
}

// ParseIn is Parse of a file that is not yet where it will be used; see settings.ParseIn.
func ParseIn(name string, text []byte, registry drivers.Registry, find func(path string) string) (*Config, error) {
	root, err := settings.ParseIn(name, text, settings.Limits{}, find)
	if err != nil {
		return nil, err
	}
	return check(root, registry, MaxPoints)
}

func check(root *settings.Section, registry drivers.Registry, most int) (*Config, error) {
	l := loader{root: root, registry: registry, most: most, devices: make(map[point.ID]string)}
	f := defaults()
	l.faults.Add(root.Decode(&f))
	l.general(&f)
	l.classes(root.Sub("scan_classes"))
	if empty(root, "devices", new([]settings.Section)) {
		l.faults.Add(root.Fault("devices", "no device is listed; describe at least one"))
	}
	for i := range f.Devices {
		l.device(&f.Devices[i])
	}
	if l.faults.Len() == 0 {
		l.table()
	}
	if err := l.faults.Err(); err != nil {
		return nil, err
	}
	l.finish()
	return &l.config, nil
}

// loader builds a Config and collects what is wrong.
type loader struct {
	root     *settings.Section
	registry drivers.Registry
	config   Config
	faults   settings.Faults
	devices  map[point.ID]string // where each was described
	most     int                 // how many points there may be
}

// general checks and takes everything but classes and devices.
func (l *loader) general(f *file) {
	c := &l.config
	c.Venue, c.Gateway, c.DataDir = f.Venue, f.Gateway, string(f.DataDir)
	c.Batch = Batch{Linger: f.Batch.Linger, MaxSamples: f.Batch.MaxSamples, MaxBytes: int(f.Batch.MaxBytes)}
	c.Spool = Spool{Window: int64(f.Spool.Window), SpillAfter: f.Spool.SpillAfter, Limit: int64(f.Spool.Limit), MaxAge: f.Spool.MaxAge,
		CriticalLimit: int64(f.Spool.Critical), MinFree: int64(f.Spool.MinFree), Ballast: int64(f.Spool.Ballast), Reduce: Reduce(f.Spool.Reduce)}
	c.Uplink.RateLimit, c.Uplink.SignBatches = int64(f.Uplink.RateLimit), f.Uplink.SignBatches
	if rate := f.Uplink.RateLimit; rate > 0 && rate < leastRate {
		l.fault(l.root, "uplink.rate_limit", "rate_limit %s a second is less than %s; a larger one is needed to send anything in time, 0 is no limit", rate, settings.Size(leastRate))
	}
	if f.Spool.MaxAge > 0 && f.Spool.MaxAge < leastAge {
		l.fault(l.root, "spool.max_age", "max_age %s is less than %s, which any outage lasts; 0s is no limit", f.Spool.MaxAge, time.Duration(leastAge))
	}
	if f.Spool.Limit < f.Spool.Window {
		l.fault(l.root, "spool.limit", "limit %s is below window %s; give the disk at least what RAM holds", f.Spool.Limit, f.Spool.Window)
	}
	if l.root.Has("data_dir") && f.DataDir == "" {
		l.fault(l.root, "data_dir", "data_dir is empty; name a folder, or remove the line for /var/lib/courtside")
	}
	l.identity(&f.Identity)
	if l.root.Has("uplink.broker") {
		l.broker(f.Uplink.Broker)
	}
	c.Diag.Listen = f.Diag.Listen
	if f.Diag.Listen != "" {
		if err := checkListen(f.Diag.Listen); err != nil {
			l.fault(l.root, "diag.listen", "listen: %v; write host:port, such as 127.0.0.1:9464, or \"\" for none", err)
		}
	}
	l.updates(&f.Updates)
	c.Trace = Trace(f.Trace)
	if err := settings.CheckEndpoint(f.Trace.Endpoint); err != nil {
		l.fault(l.root, "trace.endpoint", "endpoint: %v; write http://host:4318, or leave it out for none", err)
	}
	c.Log.Format = f.Log.Format
	_ = c.Log.Level.UnmarshalText([]byte(f.Log.Level)) // the enum has checked it
}

func (l *loader) identity(id *identity) {
	if !l.root.Has("identity") {
		return // already a fault
	}
	l.config.Identity = Identity{TrustDomain: id.TrustDomain, WorkloadAPI: id.WorkloadAPI, CertFile: string(id.CertFile), KeyFile: string(id.KeyFile), BundleFile: string(id.BundleFile), JoinTokenFile: string(id.JoinToken)}
	if id.TrustDomain != "" && (len(id.TrustDomain) > 255 || strings.Trim(id.TrustDomain, "abcdefghijklmnopqrstuvwxyz0123456789.-_") != "") {
		l.fault(l.root, "identity.trust_domain", "%q is not a trust domain; use lower-case letters, digits, '.', '-' and '_'", id.TrustDomain)
	}
	files := 0
	for _, key := range []string{"cert_file", "key_file", "bundle_file"} {
		if l.root.Has("identity." + key) {
			files++
		}
	}
	switch api, join := l.root.Has("identity.workload_api"), l.root.Has("identity.join_token_file"); {
	case api && files > 0:
		l.fault(l.root, "identity", "both workload_api and files are given; keep one")
	case join && (api || files > 0):
		l.fault(l.root, "identity", "join_token_file is given beside workload_api or files; keep one of the three")
	case join && id.JoinToken == "":
		l.fault(l.root, "identity.join_token_file", "join_token_file is empty; name the file that holds the token, such as /etc/courtside/join-token")
	case !api && !join && files == 0: // where first boot puts them, maybe later than now
		c := &l.config.Identity
		c.CertFile, c.KeyFile, c.BundleFile, c.JoinTokenFile = l.root.Path("svid.pem"), l.root.Path("svid.key"), l.root.Path("bundle.pem"), l.root.Path("join-token")
	case !api && !join && files != 3:
		l.fault(l.root, "identity", "where the identity comes from is missing; add workload_api, or join_token_file, or all of cert_file, key_file and bundle_file, or none of these for svid.pem, svid.key and bundle.pem, or else join-token, beside this file")
	case api && !strings.HasPrefix(id.WorkloadAPI, "unix:///") && !strings.HasPrefix(id.WorkloadAPI, "tcp://"):
		l.fault(l.root, "identity.workload_api", "%q is not the address of a Workload API; write unix:///path or tcp://ip:port", id.WorkloadAPI)
	}
}

func (l *loader) broker(s string) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "mqtts" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		l.fault(l.root, "uplink.broker", "%q is not a broker's address; write mqtts://host:8883, every link is mutual TLS", s)
		return
	}
	port := u.Port()
	if port == "" {
		port = "8883"
	}
	address := net.JoinHostPort(u.Hostname(), port)
	if err := checkListen(address); err != nil {
		l.fault(l.root, "uplink.broker", "broker: %v; write mqtts://host:8883", err)
	}
	l.config.Uplink.Broker = "mqtts://" + address
}

// checkListen returns why s is not host:port.
func checkListen(s string) error {
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return fmt.Errorf("%q is not host:port", s)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
		return fmt.Errorf("%q is not a port, 0 to 65535", port)
	}
	return nil
}

// empty reports whether key, which should hold what can be read into into, is there with nothing in it, or without any value. One that holds something
// else has a fault of its own.
func empty(s *settings.Section, key string, into any) bool {
	return s.Has(key) && s.Len(key) <= 0 && s.Get(key, into) == nil
}

func (l *loader) fault(s *settings.Section, key, format string, args ...any) {
	l.faults.Add(s.Fault(key, format, args...))
}

// noClock stands in for the clock while drivers check a device: checking reads no time.
type noClock struct{}

func (noClock) Mono() int64 { return 0 }

// table refuses a point table that could not be sent, which the start would refuse too.
func (l *loader) table() {
	if _, _, err := wire.EncodeTable(l.config.Table, l.config.Batch.MaxBytes); err != nil {
		l.fault(l.root, "devices", "the points of all devices do not make a point table: %v; divide the devices between gateways, or give shorter names and places", err)
	}
}

// finish points every target at its entry of the table, which has stopped growing.
func (l *loader) finish() {
	for i := range l.config.Devices {
		d := &l.config.Devices[i]
		for g := range d.Groups {
			targets := d.Groups[g].Targets
			for t := range targets {
				targets[t].Point = &l.config.Table[targets[t].Index]
			}
		}
	}
}

// quiet is the log of a check.
func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }
