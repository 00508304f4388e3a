package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/courtside-edge/courtside/firmware/store"
	"github.com/courtside-edge/courtside/firmware/uplink"
	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/mqtt"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/spool"
	"github.com/courtside-edge/courtside/sync/spool/spooltest"
	"github.com/courtside-edge/courtside/sync/wire"
	"github.com/courtside-edge/courtside/tools/loadgen"
)

// What each of the gateways that return holds.
const (
	heldBatches, heldSamples = 20, 1000
	crowdSeats               = 100
)

// crowd lets many gateways return at once, each with a backlog, beside one that is live.
func crowd() measurement {
	m := measurement{name: "return", rows: []row{
		info("return-drain", "gateways with a backlog that return at once: until everything is acknowledged", "s"),
		info("return-rate", "the same: events of backlogs", "events/s"),
		atMost("return-live-p99", "live sample of another gateway to readable over REST meanwhile, P99", 47, "ms"),
		info("return-rss-aggregator", "aggregator VmRSS after it", "MB"),
	}}
	m.patience = func(b *bench) time.Duration { return time.Duration(b.gateways) * 500 * time.Millisecond }
	m.run = func(ctx context.Context, b *bench) ([]row, error) { return b.crowd(ctx, m.rows) }
	return m
}

func (b *bench) crowd(ctx context.Context, rows []row) ([]row, error) {
	r, err := b.newLoadRig("return", loadgen.Site{Rate: steadyRate / 10})
	if err != nil {
		return nil, err
	}
	defer r.close()
	all, err := b.away(r)
	if err != nil {
		return nil, err
	}
	agg, err := r.startAggregator(ctx)
	if err != nil {
		return nil, err
	}
	l, err := r.startLoad(ctx)
	if err != nil {
		return nil, err
	}
	if err := wait(ctx, b.warmup); err != nil {
		return nil, err
	}
	var took time.Duration
	var a *ages
	s, err := r.measure(ctx, []*program{agg, l.program}, func() (err error) {
		a, err = r.probe(ctx, replayEvery, 0, func() int64 { return l.figures().TotalBase }, func() (err error) {
			took, err = come(ctx, all)
			return err
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	u := s.after[0]
	connects, late := uint64(0), uint64(0)
	for _, g := range all {
		s := g.up.Stats()
		connects, late = connects+s.Connects+s.Failed, late+s.Late
	}
	events := float64(len(all) * heldBatches * heldSamples)
	return []row{
		rows[0].is(took.Seconds(), "%d gateways of %d batches of %d samples; %d attempts to connect, %d acks late; the gateways run in the bench's process", len(all), heldBatches, heldSamples, connects, late),
		rows[1].is(events/took.Seconds(), "beside %s live events/s", number(steadyRate/10)),
		rows[2].is(quantile(a.telemetry, 0.99), "P50 %.1f, max %.1f, %d answers", quantile(a.telemetry, 0.5), quantile(a.telemetry, 1), len(a.telemetry)),
		rows[3].is(megabytes(u.rss), "peak %.0f; %.2f cores%s", megabytes(u.peak), s.cpu(0), s.strangers()),
	}, nil
}

// returning is a gateway without devices: spool, keeper and uplink as they are assembled, over stores in memory.
type returning struct {
	id     point.ID
	keeper *store.Keeper
	up     *uplink.Uplink
	source *identity.Source
}

// away makes the gateways with their backlogs, and has the aggregator know them.
func (b *bench) away(r *rig) ([]*returning, error) {
	f, err := os.OpenFile(r.files.Aggregator, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	all := make([]*returning, b.gateways)
	for i := range all {
		all[i] = &returning{id: point.ID(fmt.Sprintf("gw-back-%d", i))}
		fmt.Fprintf(f, "      - {id: %s, devices: [seats-%d]}\n", all[i].id, i)
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	for i, g := range all {
		if err := g.fill(point.ID(fmt.Sprintf("seats-%d", i))); err != nil {
			return nil, err
		}
		if err := g.connectTo(b, r.broker); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// fill opens the spool and gives it the backlog.
func (g *returning) fill(device point.ID) error {
	host, err := clock.OpenHost()
	if err != nil {
		return err
	}
	dated := host.Map()
	dated.Source = clock.NTP // a machine without it would have to wait for the cloud's time first
	sp, err := spool.Open(spool.Options{Critical: spooltest.New(), Telemetry: spooltest.New(), Map: dated})
	if err != nil {
		return err
	}
	table := make([]point.Point, crowdSeats)
	for i := range table {
		table[i] = point.Point{Device: device, Name: point.Name(fmt.Sprintf("seat/%d", i)), Type: point.Int, Kind: point.Generic, Class: point.State, Lane: point.Telemetry}
	}
	parts, hash, err := wire.EncodeTable(table, 0)
	if err != nil {
		return err
	}
	sp.UseTable(hash, parts)
	enc, err := wire.NewEncoder(wire.Limits{})
	if err != nil {
		return err
	}
	batch := &wire.Batch{Venue: loadgen.Venue, Gateway: g.id, Table: hash, Map: dated, Samples: make([]point.Sample, heldSamples)}
	long := int64(time.Minute) // ago, from each to the next: it came from a backlog
	for n := range heldBatches {
		for i := range batch.Samples {
			batch.Samples[i] = point.Sample{Index: uint32(i % crowdSeats), Time: max(1, host.Mono()-long+int64(n*heldSamples+i)*1e5), Bits: uint64(n*7 + i*i%9)}
		}
		frame, err := enc.Encode(nil, point.Telemetry, table, batch)
		if err != nil {
			return err
		}
		if _, err := sp.Append(host.Mono(), frame, nil, false); err != nil {
			return err
		}
	}
	g.keeper = store.New(store.Options{Spool: sp, Mono: host.Mono})
	return nil
}

// connectTo prepares the way to the broker, with an identity of the gateway's own.
func (g *returning) connectTo(b *bench, broker string) error {
	end, err := b.ca.Add(identity.ID{TrustDomain: trustDomain, Role: identity.Gateway, Venue: loadgen.Venue, Name: g.id})
	if err != nil {
		return err
	}
	if g.source, err = identity.OpenFiles(identity.Options{TrustDomain: trustDomain, CertFile: end.CertFile, KeyFile: end.KeyFile, BundleFile: end.BundleFile, Poll: time.Hour}); err != nil {
		return err
	}
	dial := func(ctx context.Context, o mqtt.Options) (uplink.Session, error) {
		o.URL, o.ClientID, o.TLS = "mqtts://"+broker, loadgen.Venue+":"+string(g.id), g.source.ClientTLS(identity.Aggregator)
		return mqtt.Dial(ctx, o)
	}
	g.up, err = uplink.New(uplink.Options{Venue: loadgen.Venue, Gateway: g.id, Dial: dial, Spool: g.keeper, Status: func() wire.Status { return wire.Status{} }})
	return err
}

// come lets all return at once, and returns how long it took until nobody holds anything.
func come(ctx context.Context, all []*returning) (took time.Duration, err error) {
	ctx, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	failed := make(chan error, 3*len(all))
	for _, g := range all { // what is in RAM spills
		running.Go(func() { failed <- g.keeper.Run(ctx) })
	}
	defer func() {
		stop()
		running.Wait()
		for range len(failed) {
			err = errors.Join(err, <-failed)
		}
		for _, g := range all {
			err = errors.Join(err, g.source.Close())
		}
	}()
	if err := wait(ctx, time.Second); err != nil {
		return 0, err
	}
	begun := time.Now()
	for _, g := range all {
		running.Go(func() { failed <- g.up.Run(ctx) })
	}
	for {
		held := uint64(0)
		for _, g := range all {
			c := g.keeper.Counts(point.Telemetry)
			held += c.RAM.Batches + c.Stored.Batches
		}
		if held == 0 {
			return time.Since(begun), nil
		}
		if err := wait(ctx, 20*time.Millisecond); err != nil {
			return 0, fmt.Errorf("%d batches are still held: %w", held, err)
		}
	}
}
