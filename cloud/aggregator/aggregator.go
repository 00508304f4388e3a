package aggregator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/courtside-edge/courtside/cloud/api"
	"github.com/courtside-edge/courtside/cloud/broker"
	"github.com/courtside-edge/courtside/cloud/config"
	"github.com/courtside-edge/courtside/cloud/heatmap"
	"github.com/courtside-edge/courtside/cloud/httpserver"
	"github.com/courtside-edge/courtside/cloud/ingest"
	"github.com/courtside-edge/courtside/cloud/log"
	"github.com/courtside-edge/courtside/cloud/metrics"
	"github.com/courtside-edge/courtside/cloud/update"
	"github.com/courtside-edge/courtside/cloud/venue"
	"github.com/courtside-edge/courtside/cloud/web"
	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/notify"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/trace"
	"github.com/courtside-edge/courtside/sync/wire"
)

// shutdownPatience bounds each step of an orderly end.
const shutdownPatience = 5 * time.Second

// Deps is what the assembly does not make itself.
type Deps struct {
	Version string
	Log     *slog.Logger
}

// Aggregator is a running aggregator.
type Aggregator struct {
	c          *config.Config
	d          Deps
	identity   *identity.Source
	authority  *identity.Authority // that enrols gateways; nil for none
	enrolment  enrolment
	updates    *update.Server // nil for none
	orders     net.Listener   // to update gateways; nil for none
	log        *log.Segmented
	keeper     *keeper
	ingest     *ingest.Ingest
	venues     map[point.ID]*venue.Venue
	houses     []api.House
	metrics    *metrics.Metrics
	traces     *trace.Exporter // nil when they are off
	broker     broker.Broker
	brokerAddr net.Addr     // nil for an external broker
	brokerErr  func() error // why an external broker is not used; nil for the embedded one
	listener   net.Listener
	closing    chan struct{}
	target     uint64         // log offset that the venues must reach before the aggregator is ready
	reached    atomic.Uint64  // log offset that is being applied, or is next
	applied    atomic.Uint64  // log offset that is next when all before it are in the state
	following  notify.Pulse   // of follow
	ticking    []notify.Pulse // of tick, a venue each
	group      *errgroup.Group
	cancel     context.CancelFunc
	once       sync.Once
	err        error
}

// Start opens the log, begins its replay and listens. It fails at once when something that a person
// must repair stands in the way; an identity that is not there yet does not.
func Start(ctx context.Context, c *config.Config, d Deps) (*Aggregator, error) {
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	a := &Aggregator{c: c, d: d, venues: map[point.ID]*venue.Venue{}, closing: make(chan struct{})}
	ctx, a.cancel = context.WithCancel(ctx)
	a.group, ctx = errgroup.WithContext(ctx)
	if err := a.open(ctx); err != nil {
		a.cancel()
		return nil, errors.Join(err, a.Wait())
	}
	return a, nil
}

func (a *Aggregator) open(ctx context.Context) error {
	var err error
	if a.authority, err = openAuthority(a.c); err != nil {
		return err
	}
	if a.identity, err = openIdentity(ctx, a.c, a.authority, a.d.Log); err != nil {
		return err
	}
	if err = a.openEnrolment(); err != nil {
		return err
	}
	if a.log, err = log.Open(filepath.Join(a.c.DataDir, "log"), log.Options{MinSyncInterval: a.c.Sync.Interval, Log: a.d.Log}); err != nil {
		return fmt.Errorf("opening the log: %w", err)
	}
	_, a.target = a.log.Bounds()
	if a.keeper, err = newKeeper(a.c, a.log, a.d.Log); err != nil {
		return err
	}
	if err := a.makeVenues(); err != nil {
		return err
	}
	if err := a.openBroker(ctx); err != nil {
		return err
	}
	if err := a.openUpdates(); err != nil {
		return err
	}
	if a.listener, err = net.Listen("tcp", a.c.API.Listen); err != nil {
		return fmt.Errorf("api.listen: %w", err)
	}
	a.run(ctx)
	return nil
}

func (a *Aggregator) limits() wire.Limits {
	return wire.Limits{MaxFrameBytes: int(a.c.Limits.MaxFrame), MaxRawBytes: int(a.c.Limits.MaxRaw), MaxSamples: a.c.Limits.MaxSamples}
}

func (a *Aggregator) makeVenues() error {
	in := ingest.Options{Log: a.log, Publisher: a, Limits: a.limits(), Signatures: a.signatures(), Reached: a.reached.Load, RequireSigned: a.c.Broker.RequireSignedBatches, Logger: a.d.Log}
	all := make([]*venue.Venue, 0, len(a.c.Venues))
	for _, cv := range a.c.Venues {
		o := venue.Options{ID: cv.ID, Map: cv.Map, Limits: a.limits(), Bucket: cv.Bucket, Horizon: cv.Horizon, Fetch: a.log.Get, Log: a.d.Log,
			Observe: a.observe}
		for _, g := range cv.Gateways {
			o.Gateways = append(o.Gateways, venue.Gateway{ID: g.ID, Devices: g.Devices, Ranks: g.Ranks})
			in.Gateways = append(in.Gateways, ingest.Gateway{Venue: cv.ID, Gateway: g.ID})
		}
		v, err := a.keeper.open(o)
		if err != nil {
			return err
		}
		h := api.House{Venue: v, Replaying: a.replaying}
		if cv.Map != nil {
			if h.Maps, err = heatmap.New(v, cv.Cell); err != nil {
				return err
			}
		}
		a.venues[cv.ID], a.houses, all = v, append(a.houses, h), append(all, v)
	}
	a.ingest = ingest.New(in)
	a.keeper.teach(a.ingest)
	a.traces = trace.NewExporter(trace.Options{Endpoint: a.c.Trace.Endpoint, Service: "courtside-aggregator", Version: a.d.Version, Log: a.d.Log})
	a.reached.Store(a.keeper.from())
	a.applied.Store(a.keeper.from())
	a.metrics = metrics.New(metrics.Sources{Venues: all, Ingest: a.ingest.Stats, Broker: a.brokerStats, LogSize: a.logSize, Enrol: a.enrolStats(), Replaying: a.replaying})
	return nil
}

// observe takes what a venue applied; what it applied while it was opened is history.
func (a *Aggregator) observe(ap venue.Applied) {
	if a.metrics != nil {
		a.metrics.Observe(ap)
		a.trace(ap)
	}
}

func (a *Aggregator) logSize() (records, bytes uint64) {
	first, next := a.log.Bounds()
	return next - first, uint64(a.log.Stats().LiveBytes)
}

// run starts every part; the group owns them.
func (a *Aggregator) run(ctx context.Context) {
	a.group.Go(func() error { return a.ingest.Run(ctx) })
	a.group.Go(func() error { a.traces.Run(ctx); return nil })
	a.group.Go(func() error { return a.follow(ctx) })
	a.group.Go(func() error { a.keeper.run(ctx); return nil })
	a.group.Go(func() error { return a.broker.Run(ctx) })
	a.group.Go(func() error { return a.serve(ctx) })
	a.runEnrolment(ctx)
	a.runUpdates(ctx)
	a.group.Go(func() error {
		select {
		case <-ctx.Done():
			return nil
		case <-a.log.Failed():
			return fmt.Errorf("the log failed: %w", a.log.Err())
		}
	})
	a.ticking = make([]notify.Pulse, len(a.houses))
	for i, h := range a.houses {
		a.group.Go(func() error { a.tick(ctx, h.Venue, &a.ticking[i]); return nil })
		a.group.Go(func() error { api.PublishState(ctx, h, a, a.d.Log); return nil })
	}
}

// tick lets each venue's time pass.
func (a *Aggregator) tick(ctx context.Context, v *venue.Venue, pulse *notify.Pulse) {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			pulse.Work()
			v.Tick()
			pulse.Rest()
		}
	}
}

// follow yields the log's records to the venues, in order, from where their snapshots end to the newest and on.
func (a *Aggregator) follow(ctx context.Context) error {
	for r, err := range a.log.Read(ctx, a.keeper.from()) {
		if ctx.Err() != nil {
			return nil
		}
		a.following.Work()
		a.reached.Store(r.Offset + 1)
		a.followed(r, err)
		a.applied.Store(r.Offset + 1)
		a.ingest.Applied(r.Offset + 1)
		a.following.Rest()
	}
	return nil
}

// followed applies one record of the log, or says why it cannot.
func (a *Aggregator) followed(r log.Record, err error) {
	if err != nil {
		a.d.Log.Error("a record of the log cannot be read; the rest goes on", "offset", r.Offset, "err", err)
		return
	}
	if r.Offset < a.target {
		a.ingest.Recover(r)
	}
	if v := a.venues[r.Venue]; v != nil { // else its venue was taken out of the configuration; the log keeps it
		for _, e := range v.Apply(r) {
			gw := ingest.Gateway{Venue: r.Venue, Gateway: e.Gateway}
			if e.TableWanted != (point.TableHash{}) {
				a.ingest.Want(gw, e.TableWanted)
			}
			if e.SetAside.Reason != "" && r.Offset >= a.target { // what was set aside long ago may be settled
				a.ingest.Tell(gw, e.SetAside)
			}
		}
	}
}

// replaying says how far the log has been replayed, or nil when the venues are what they were when the aggregator ended.
func (a *Aggregator) replaying() error {
	if n := a.applied.Load(); n < a.target {
		return fmt.Errorf("replaying the log: record %d of %d", n, a.target)
	}
	return nil
}

// ready says why the aggregator may not be relied on yet, or nil.
func (a *Aggregator) ready() error {
	if err := a.replaying(); err != nil {
		return err
	}
	if _, err := a.identity.ID(); err != nil {
		return err
	}
	if err := a.ingest.Err(); err != nil {
		return err
	}
	if err := a.enrolErr(); err != nil {
		return err
	}
	if !a.broker.Stats().Up {
		return a.brokerAway()
	}
	return nil
}

// serve answers HTTP until ctx ends, then lets answers finish.
func (a *Aggregator) serve(ctx context.Context) error {
	page, err := web.Handler()
	if err != nil {
		return err
	}
	h := api.New(api.Options{Houses: a.houses, Incarnation: a.log.Incarnation(), Version: a.d.Version, Ready: a.ready, Metrics: a.metrics.Handler(),
		Page: page, MaxStreams: a.c.API.MaxStreams, Closing: a.closing, Import: a.takeExport})
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(a.d.Log.Handler(), slog.LevelDebug)}
	srv.RegisterOnShutdown(func() { close(a.closing) })
	if err := httpserver.Run(ctx, srv, a.listener, shutdownPatience); err != nil {
		return fmt.Errorf("serving the API: %w", err)
	}
	return nil
}

// APIAddr returns where the API listens.
func (a *Aggregator) APIAddr() net.Addr { return a.listener.Addr() }

// BrokerAddr returns where the embedded broker listens, nil for an external one.
func (a *Aggregator) BrokerAddr() net.Addr { return a.brokerAddr }

// Close asks everything to end and waits. It may be called twice.
func (a *Aggregator) Close() error {
	a.cancel()
	return a.Wait()
}

// Wait returns when everything has ended, and why if not by request.
func (a *Aggregator) Wait() error {
	a.once.Do(func() {
		err := a.group.Wait()
		a.cancel()
		if a.broker != nil {
			err = errors.Join(err, a.broker.Close())
		}
		if a.log != nil {
			err = errors.Join(err, a.log.Close())
		}
		if a.keeper != nil && err == nil {
			err = a.keeper.last()
		}
		if a.identity != nil {
			err = errors.Join(err, a.identity.Close())
		}
		err = errors.Join(err, a.enrolment.close())
		err = errors.Join(err, a.closeUpdates())
		if a.listener != nil {
			_ = a.listener.Close() // closed already when the server ran
		}
		a.err = err
	})
	return a.err
}
