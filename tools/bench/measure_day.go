package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/courtside-edge/courtside/firmware/config"
	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/segment"
	"github.com/courtside-edge/courtside/sync/spool"
	"github.com/courtside-edge/courtside/sync/wire"
	"github.com/courtside-edge/courtside/tools/loadgen"
)

// The outage of a day: a venue's 10,000 events/s, in batches of a tenth of a second.
const (
	dayRate    = 10_000
	dayLength  = 24 * time.Hour
	dayBatch   = dayRate / 10
	dayPause   = time.Second / 10
	daySamples = dayRate * int64(dayLength/time.Second)
)

// day spills a share of a day's outage into a gateway's own stores, with the times of that day, and starts the real gateway over them.
func day(share float64) measurement {
	m := measurement{name: "day", rows: []row{
		info("day-spill", "an outage at 10,000 events/s is stored", "events/s"),
		info("day-flash", "flash written an event", "B"),
		info("day-start", "start of the gateway over the backlog, until it answers", "s"),
		info("day-drain", "from the aggregator's start until every batch of the outage is acknowledged", "s"),
		info("day-rate", "the same: events of the outage", "events/s"),
		atMost("day-live-p99", "live sample to readable over REST meanwhile, P99", 47, "ms"),
		atMost("day-rss", "gateway VmRSS after the drain", 80, "MB"),
		atMost("day-missing", "events of the outage that the aggregator did not apply", 0, "events"),
	}}
	m.patience = func(*bench) time.Duration { return 10*time.Minute + time.Duration(share*float64(2*time.Hour)) }
	m.run = func(ctx context.Context, b *bench) ([]row, error) { return b.day(ctx, m.rows, share) }
	return m
}

func (b *bench) day(ctx context.Context, rows []row, share float64) ([]row, error) {
	r, err := b.newLoadRig("day", loadgen.Site{Rate: dayRate})
	if err != nil {
		return nil, err
	}
	defer r.close()
	batches := max(1, int64(share*float64(daySamples))/dayBatch)
	begun := time.Now()
	written, err := r.outage(ctx, batches)
	if err != nil {
		return nil, err
	}
	spilled := time.Since(begun)
	events := float64(batches * dayBatch)
	begun = time.Now()
	l, err := r.startQuietly(ctx)
	if err != nil {
		return nil, err
	}
	started := time.Since(begun)
	begun = time.Now()
	if _, err := r.startAggregator(ctx); err != nil {
		return nil, err
	}
	var took time.Duration
	a, err := r.probe(ctx, probeEvery, begun.UnixNano(), func() int64 { return 0 }, func() error {
		err := r.drainedOf(ctx, l)
		took = time.Since(begun)
		return err
	})
	if err != nil {
		return nil, err
	}
	u, err := l.usage()
	if err != nil {
		return nil, err
	}
	if err := wait(ctx, b.warmup); err != nil {
		return nil, err
	}
	missing, applied, err := r.missing(ctx, events, l)
	if err != nil {
		return nil, err
	}
	note := fmt.Sprintf("%s events, %.4g of a day, %s batches", number(events), share, number(float64(batches)))
	return []row{
		rows[0].is(events/spilled.Seconds(), "%s; generated and encoded meanwhile", note),
		rows[1].is(float64(written)/events, "%.1f MB", megabytes(int64(written))),
		rows[2].is(started.Seconds(), ""),
		rows[3].is(took.Seconds(), "the aggregator's start included"),
		rows[4].is(events/took.Seconds(), "beside %s live events/s", number(dayRate)),
		rows[5].is(quantile(a.telemetry, 0.99), "P50 %.1f, max %.1f, %d answers", quantile(a.telemetry, 0.5), quantile(a.telemetry, 1), len(a.telemetry)),
		rows[6].is(megabytes(u.rss), "peak %.0f; the generator included", megabytes(u.peak)),
		rows[7].is(missing, "%s applied in all, %d dropped", number(applied), l.figures().Dropped),
	}, nil
}

// outage fills the stores of the rig's gateway as a boot that ended a second ago would have, and closes them cleanly. It
// returns the bytes written.
func (r *rig) outage(ctx context.Context, batches int64) (written uint64, err error) {
	c, err := config.Load(r.files.Gateway, loadgen.Registry(loadgen.NewControl(0)))
	if err != nil {
		return 0, err
	}
	length := time.Duration(batches) * dayPause
	boot := clock.Map{Boot: clock.BootID{0xDA}, Source: clock.NTP, Uncertainty: time.Millisecond, Offset: time.Duration(time.Now().Add(-length - time.Second).UnixNano())}
	dir := filepath.Join(c.DataDir, "spool")
	critical, err := segment.Open(filepath.Join(dir, "critical"), segment.Options{})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, critical.Close()) }()
	telemetry, err := segment.Open(filepath.Join(dir, "telemetry"), segment.Options{})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, telemetry.Close()) }()
	sp, err := spool.Open(spool.Options{Critical: critical, Telemetry: telemetry, Window: c.Spool.Window, SpillAfter: c.Spool.SpillAfter, Limit: c.Spool.Limit, Map: boot})
	if err != nil {
		return 0, err
	}
	if err := spillDay(ctx, sp, c.Table, boot, batches); err != nil {
		return 0, err
	}
	if n := sp.Counts(point.Telemetry); n.Stored.Batches+n.RAM.Batches != uint64(batches) {
		return 0, fmt.Errorf("%d of %d batches are held", n.Stored.Batches+n.RAM.Batches, batches)
	}
	if err := sp.CloseClean(int64(length) + int64(time.Second)); err != nil {
		return 0, err
	}
	return critical.Stats().WrittenBytes + telemetry.Stats().WrittenBytes, nil
}

// spillDay appends the batches, at their times of that day, and does the disk's work.
func spillDay(ctx context.Context, sp *spool.Spool, table []point.Point, boot clock.Map, batches int64) error {
	parts, hash, err := wire.EncodeTable(table, 0)
	if err != nil {
		return err
	}
	sp.UseTable(hash, parts)
	enc, err := wire.NewEncoder(wire.Limits{})
	if err != nil {
		return err
	}
	seats := len(table) - 2 // the probes stand behind them
	batch := &wire.Batch{Venue: loadgen.Venue, Gateway: loadgen.Gateway, Table: hash, Map: boot, Samples: make([]point.Sample, dayBatch)}
	state, next := uint64(1), 0
	for n := range batches {
		at := 1 + n*int64(dayPause)
		for i := range batch.Samples {
			state ^= state << 13
			state ^= state >> 7
			state ^= state << 17
			batch.Samples[i] = point.Sample{Index: uint32(next), Time: at + int64(i/100)*int64(dayPause/10), Bits: 600 + state>>40&63 + state>>50&63}
			next = (next + 1) % seats
		}
		frame, err := enc.Encode(nil, point.Telemetry, table, batch)
		if err != nil {
			return err
		}
		now := at + int64(dayPause)
		if _, err := sp.Append(now, frame, nil, false); err != nil {
			return err
		}
		for j := sp.Next(now, point.Telemetry); j != nil; j = sp.Next(now, point.Telemetry) {
			j.Run()
			if fx := sp.Finish(now, j); fx.Err != nil {
				return fx.Err
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// startQuietly starts loadgen and waits until its gateway answers; there is no aggregator yet.
func (r *rig) startQuietly(ctx context.Context) (*load, error) {
	l, err := r.launchLoad()
	if err != nil {
		return nil, err
	}
	for {
		if err := l.ended(); err != nil {
			return l, err
		}
		_, err := r.gatewayStatus(ctx)
		if err == nil {
			return l, nil
		}
		if wait(ctx, 5*time.Millisecond) != nil {
			return l, fmt.Errorf("the gateway did not answer in time: %w: %s", err, tail(l.log))
		}
	}
}

// drainedOf waits until no backlog is left.
func (r *rig) drainedOf(ctx context.Context, l *load) error {
	for {
		if err := l.ended(); err != nil {
			return err
		}
		st, err := r.gatewayStatus(ctx)
		if err != nil {
			return err
		}
		backlog := uint64(0)
		for _, lane := range st.Lanes {
			backlog += lane.Backlog.Batches
		}
		if backlog == 0 && st.Link.State == "up" {
			return nil
		}
		if err := wait(ctx, 50*time.Millisecond); err != nil {
			return fmt.Errorf("%d batches are still held: %w", backlog, err)
		}
	}
}

// missing compares what the aggregator applied with the outage and what was batched since. What is on its way yet is none of both.
func (r *rig) missing(ctx context.Context, events float64, l *load) (missing, applied float64, err error) {
	st, err := r.gatewayStatus(ctx)
	if err != nil {
		return 0, 0, err
	}
	since, way := float64(0), float64(0)
	for _, lane := range st.Lanes {
		since += float64(lane.Samples)
		way += float64(lane.RAM.Batches + lane.Stored.Batches)
	}
	m, err := r.metrics(ctx)
	if err != nil {
		return 0, 0, err
	}
	applied = m.sum(eventsMetric)
	return max(0, events+since-way*dayBatch-applied), applied, nil
}
