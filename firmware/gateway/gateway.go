package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/courtside-edge/courtside/firmware/batch"
	"github.com/courtside-edge/courtside/firmware/config"
	"github.com/courtside-edge/courtside/firmware/diag"
	"github.com/courtside-edge/courtside/firmware/enrol"
	"github.com/courtside-edge/courtside/firmware/store"
	"github.com/courtside-edge/courtside/firmware/update"
	"github.com/courtside-edge/courtside/firmware/uplink"
	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/mqtt"
	"github.com/courtside-edge/courtside/sync/segment"
	"github.com/courtside-edge/courtside/sync/spool"
	"github.com/courtside-edge/courtside/sync/trace"
	"github.com/courtside-edge/courtside/sync/wire"
)

// Deps is what the assembly does not make itself.
type Deps struct {
	Version string
	Clock   clock.Clock // nil for one that is kept from Clocks, NTP and the cloud
	// Clocks reads the machine's clocks, for Clock; nil for the real ones.
	Clocks func() clock.Reading
	// Probe is how long a forbidden publish is listened for before a broker is used for the first time; 0 for mqtt.DefaultProbeWindow,
	// negative for no probe.
	Probe time.Duration
	Log   *slog.Logger  // nil for none
	Dial  uplink.Dialer // nil for MQTT as configured
	// Load reads the configuration again, for Reload; nil for a gateway that cannot.
	Load func() (*config.Config, error)
	// EnrolLook is how often join token and SVID are looked at; 0 for 5 s.
	EnrolLook time.Duration
	// File is the configuration's path, for whoever asks the gateway for it; empty for none.
	File string
	// Image is what updates the image that the gateway runs on; zero where it runs on none.
	Image Image
}

// Gateway is a running gateway.
type Gateway struct {
	c     *config.Config
	d     Deps
	log   *slog.Logger
	clock clock.Clock
	time  *clock.Keeper // clock, when it is the gateway's own; nil for Deps.Clock
	floor *identity.Floor
	past  time.Time // floor's when the gateway started
	since time.Time
	trust *trust // nil with Deps.Dial

	critical, telemetry *segment.Store
	keeper              *store.Keeper
	batcher             *batch.Batcher
	uplink              *uplink.Uplink
	identity            *identity.Source
	enrolment           *enrol.Enrolment // nil unless the identity comes by a join token
	updates             *update.Updater
	crew                crew
	tableHash           string
	meter               meter
	traces              *trace.Exporter // nil when they are off
	logs                *diag.Recorder
	listeners           []net.Listener // on the socket, then on TCP
	socket              net.Listener   // of listeners; nil without one
	changing            sync.Mutex     // one reload at a time
	state               sync.RWMutex   // of c and tableHash, which a reload changes

	stop context.CancelFunc
	done chan struct{}
	err  error
}

// recordsKept is how many log records a gateway shows to whoever asks; some 300 KB.
const recordsKept = 1000

// Start starts the gateway that c describes.
func Start(ctx context.Context, c *config.Config, d Deps) (*Gateway, error) {
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	logs := diag.NewRecorder(d.Log.Handler(), recordsKept)
	g := &Gateway{c: c, d: d, logs: logs, log: slog.New(logs).With("venue", c.Venue, "gateway", c.Gateway), clock: d.Clock, since: time.Now(), done: make(chan struct{})}
	ctx, g.stop = context.WithCancel(ctx)
	if err := g.open(ctx); err != nil {
		g.stop()
		return nil, errors.Join(err, g.release())
	}
	go g.run(ctx)
	return g, nil
}

func (g *Gateway) open(ctx context.Context) error {
	if err := os.MkdirAll(g.c.DataDir, 0o750); err != nil {
		return fmt.Errorf("data_dir: %w; make it for the user that the gateway runs as, or name another in the configuration", err)
	}
	if err := g.openClock(); err != nil {
		return err
	}
	parts, hash, err := wire.EncodeTable(g.c.Table, g.c.Batch.MaxBytes)
	if err != nil {
		return fmt.Errorf("encoding the point table: %w", err)
	}
	g.tableHash = hash.String()
	if err := g.openSpool(); err != nil {
		return err
	}
	g.keeper.UseTable(hash, parts)
	g.traces = g.exporter()
	g.batcher, err = batch.New(batch.Options{Venue: g.c.Venue, Gateway: g.c.Gateway, Table: g.c.Table, Hash: hash, Map: g.clock.Map, Trace: g.newTrace, Closed: g.batchClosed, Sink: g.keeper,
		Linger: g.c.Batch.Linger, MaxSamples: g.c.Batch.MaxSamples, MaxBytes: g.c.Batch.MaxBytes, Log: g.log})
	if err != nil {
		return err
	}
	if err := g.openWorkers(); err != nil {
		return err
	}
	if err := g.openUplink(ctx); err != nil {
		return err
	}
	g.openUpdates(ctx)
	return g.openDiag()
}

// openSpool opens the stores of both lanes and begins a new epoch.
func (g *Gateway) openSpool() error {
	dir := filepath.Join(g.c.DataDir, "spool")
	var err error
	if g.critical, err = segment.Open(filepath.Join(dir, "critical"), segment.Options{Log: g.log, MinFree: g.c.Spool.MinFree / 4, Ballast: g.c.Spool.Ballast}); err != nil {
		return fmt.Errorf("opening the critical store: %w", err)
	}
	var spill spool.Store
	if g.telemetry, err = segment.Open(filepath.Join(dir, "telemetry"), segment.Options{Log: g.log, MinFree: g.c.Spool.MinFree}); err != nil {
		// A gateway without room for telemetry still counts people; its telemetry stays in RAM.
		g.log.Error("the telemetry store cannot be opened; telemetry is kept in RAM alone", "err", err)
	} else {
		spill = g.telemetry
	}
	sp, err := spool.Open(spool.Options{Critical: g.critical, Telemetry: spill, Window: g.c.Spool.Window, SpillAfter: g.c.Spool.SpillAfter,
		Limit: g.c.Spool.Limit, MaxAge: g.c.Spool.MaxAge, CriticalLimit: g.c.Spool.CriticalLimit, Limits: wire.Limits{MaxFrameBytes: g.c.Batch.MaxBytes, MaxSamples: g.c.Batch.MaxSamples}, Map: g.clock.Map()})
	if err != nil {
		return fmt.Errorf("opening the spool: %w", err)
	}
	r := sp.Recovery()
	g.log.Info("spool opened", "epoch", r.Epoch, "predecessor", r.Predecessor, "unclean", r.Unclean, "corrupt", r.Corrupt, "pages", r.Pages, "read", r.Scanned, "faults", r.Faults)
	g.keeper = store.New(store.Options{Spool: sp, Mono: g.clock.Mono, Log: g.log})
	g.date()
	return nil
}

func (g *Gateway) openWorkers() error {
	var members []*member
	for i := range g.c.Devices {
		m, err := g.enlist(&g.c.Devices[i], g.c.Table)
		if err != nil {
			return err
		}
		members = append(members, m)
	}
	g.crew.become(members)
	return nil
}

func (g *Gateway) openUplink(ctx context.Context) error {
	o := uplink.Options{Venue: g.c.Venue, Gateway: g.c.Gateway, Dial: g.d.Dial, RateLimit: g.c.Uplink.RateLimit, Spool: g.keeper, Status: g.wireStatus, CloudTime: g.cloudTime, Now: g.now, Update: g.orderUpdate, Log: g.log}
	if o.Dial == nil {
		var err error
		if err = g.openIdentity(ctx); err != nil {
			return err
		}
		g.trust = &trust{verifier: g.identity.Verifier(2*wire.MaxChains, identity.Aggregator), probe: g.d.Probe, sign: g.c.Uplink.SignBatches}
		o.Dial, o.Identity, o.Judge = g.dial, g.identity, g.trust.judge
		if g.trust.sign {
			o.Sign = g.trust.seal
		}
	}
	var err error
	g.uplink, err = uplink.New(o)
	return err
}

// dial opens an MQTT session under the gateway's identity.
func (g *Gateway) dial(ctx context.Context, o mqtt.Options) (uplink.Session, error) {
	id, err := g.ownID()
	if err != nil {
		return nil, err
	}
	if err := g.trust.begin(g.identity); err != nil {
		return nil, err
	}
	c, _ := g.configured()
	if id.Role != identity.Gateway || id.Venue != c.Venue || id.Name != c.Gateway {
		return nil, fmt.Errorf("the identity is %s, but the configuration is that of gateway %s of venue %s", id, c.Gateway, c.Venue)
	}
	o.URL, o.ClientID = c.Uplink.Broker, id.ClientID()
	o.TLS = g.identity.ClientTLS(identity.Aggregator, identity.Broker)
	if err := g.trust.admit(ctx, o, wire.GatewayTopic(c.Venue, c.Gateway, wire.AckCh)); err != nil {
		return nil, err
	}
	return mqtt.Dial(ctx, o)
}

// openDiag listens on the socket and, if configured, on TCP.
func (g *Gateway) openDiag() error {
	l, err := diag.Listen(g.c.DataDir)
	if err != nil {
		g.log.Warn("gwctl will find no gateway", "err", err) // a path too long for a socket, for example
	} else {
		g.socket, g.listeners = l, append(g.listeners, l)
	}
	if g.c.Diag.Listen == "" {
		return nil
	}
	if l, err = net.Listen("tcp", g.c.Diag.Listen); err != nil {
		return fmt.Errorf("diag.listen: %w%s", err, taken(err))
	}
	g.listeners = append(g.listeners, l)
	return nil
}

// taken says what to do about an address that cannot be listened on, when that is known.
func taken(err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "; another program has the port, maybe another gateway (ss -ltnp shows it): choose another one, or \"\" for none"
	case errors.Is(err, syscall.EACCES):
		return "; only root may take ports below 1024: choose a higher one, or \"\" for none"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "; this machine does not have the address: choose 127.0.0.1, or 0.0.0.0 for all that it has"
	}
	return ""
}

// run runs every part, and ends them in the order in which samples flow.
func (g *Gateway) run(ctx context.Context) {
	defer close(g.done)
	background := context.WithoutCancel(ctx)
	stages := make([]stage, 0, 3)
	for _, part := range []func(context.Context) error{g.keeper.Run, g.uplink.Run, g.batcher.Run} {
		stages = append(stages, begin(background, part))
	}
	public := &http.Server{Handler: diag.Public(g.Status, map[string]http.Handler{"/metrics": g.metrics()}), ReadHeaderTimeout: 5 * time.Second}
	local := &http.Server{Handler: diag.Local(g, diag.PermitPeer), ConnContext: diag.ConnContext, ReadHeaderTimeout: 5 * time.Second,
		BaseContext: func(net.Listener) context.Context { return ctx }}
	var serving sync.WaitGroup
	for _, l := range g.listeners {
		server := public
		if l == g.socket {
			server = local
		}
		serving.Go(func() { _ = server.Serve(l) }) // ends with Close
	}
	serving.Go(func() { g.meter.run(ctx, g.measure) })
	serving.Go(func() { g.watchClocks(ctx) })
	serving.Go(func() { g.updates.Run(ctx) })
	serving.Go(func() { g.runEnrolment(ctx) })
	serving.Go(func() { g.traces.Run(ctx) })
	serving.Go(func() { g.economy().run(ctx) })
	g.crew.launch(ctx)
	<-ctx.Done()
	g.changing.Lock() // a reload in progress ends first, and none begins any more
	defer g.changing.Unlock()
	g.crew.wait()
	var errs []error
	for _, s := range []stage{stages[2], stages[1], stages[0]} {
		errs = append(errs, s.end())
	}
	errs = append(errs, public.Close(), local.Close())
	serving.Wait()
	g.err = errors.Join(append(errs, g.release())...)
}

// stage is one running part.
type stage struct {
	cancel context.CancelFunc
	done   chan error
}

func begin(ctx context.Context, run func(context.Context) error) stage {
	ctx, cancel := context.WithCancel(ctx)
	s := stage{cancel, make(chan error, 1)}
	go func() { s.done <- run(ctx) }()
	return s
}

func (s stage) end() error {
	s.cancel()
	return <-s.done
}

// release closes what open opened.
func (g *Gateway) release() error {
	var errs []error
	for _, l := range g.listeners {
		_ = l.Close() // closed already when the server ran
	}
	if g.identity != nil {
		errs = append(errs, g.identity.Close())
	}
	if g.floor != nil {
		if err := g.floor.Close(); err != nil {
			g.log.Warn("the time could not be kept", "err", err)
		}
	}
	for _, s := range []*segment.Store{g.telemetry, g.critical} {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	return errors.Join(errs...)
}

// Wait returns when everything has ended, and what went wrong.
func (g *Gateway) Wait() error {
	<-g.done
	return g.err
}

// Close stops the gateway gracefully and waits. It may be called twice.
func (g *Gateway) Close() error {
	g.stop()
	return g.Wait()
}
