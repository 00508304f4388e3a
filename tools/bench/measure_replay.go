package main

import (
	"context"
	"fmt"
	"time"

	"github.com/courtside-edge/courtside/tools/loadgen"
)

// The bounds of how long the aggregator is away.
const leastOutage, mostOutage = 10 * time.Second, 20 * time.Second

// replay stops the aggregator, lets a backlog grow, and starts it again.
func replay() measurement {
	m := measurement{name: "replay", rows: []row{
		atLeast("replay-rate", "replay of a backlog beside 120,000 live events/s", 5e6, "events/s"),
		atMost("replay-live-p99", "live sample to readable over REST during the replay, P99", 47, "ms"),
		info("replay-first-live", "from the link's return to the first live batch sent", "ms"),
		info("replay-first-visible", "from the link's return to the first answer that shows a live sample", "ms"),
		info("flash-offline", "flash written an event while the link is down, both stores", "B"),
		atMost("replay-rss", "gateway VmRSS while spilling and draining (aim: of 8 GiB)", 80, "MB"),
	}}
	m.run = func(ctx context.Context, b *bench) ([]row, error) { return b.replay(ctx, m.rows) }
	return m
}

func (b *bench) replay(ctx context.Context, rows []row) ([]row, error) {
	r, err := b.newLoadRig("replay", loadgen.Site{Rate: steadyRate, TotalEvery: 100 * time.Millisecond})
	if err != nil {
		return nil, err
	}
	defer r.close()
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
	agg.stop()
	r.programs = r.programs[1:]
	if err := wait(ctx, b.warmup/2); err != nil { // what was in flight is stored, too
		return nil, err
	}
	before, written, err := r.written(ctx)
	if err != nil {
		return nil, err
	}
	if err := wait(ctx, min(max(b.seconds, leastOutage), mostOutage)); err != nil {
		return nil, err
	}
	after, more, err := r.written(ctx)
	if err != nil {
		return nil, err
	}
	full, err := r.gatewayStatus(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := r.startAggregator(ctx); err != nil {
		return nil, err
	}
	d, a, err := r.drain(ctx, l)
	if err != nil {
		return nil, err
	}
	u, err := l.usage()
	if err != nil {
		return nil, err
	}
	f := l.figures()
	backlog, batches := int64(0), uint64(0)
	for _, lane := range full.Lanes {
		backlog += lane.RAM.Bytes + lane.Stored.Bytes
		batches += lane.RAM.Batches + lane.Stored.Batches
	}
	return []row{
		rows[0].is(d.rate(), "%s events in %.2f s; %d batches of %.1f MB were held, %.1f MB went to flash", number(d.events), d.seconds, batches, megabytes(backlog), megabytes(f.Spilled)),
		rows[1].is(quantile(a.telemetry, 0.99), "P50 %.1f, max %.1f, %d answers", quantile(a.telemetry, 0.5), quantile(a.telemetry, 1), len(a.telemetry)),
		rows[2].is(f.FirstLive, "%d dropped", f.Dropped),
		rows[3].is(milliseconds(a.fresh), "%d answers before it", a.stale),
		rows[4].is(float64(more-written)/float64(after-before), "%s events in the outage, %.1f MB", number(float64(after-before)), megabytes(int64(more-written))),
		rows[5].is(megabytes(u.rss), "peak %.0f; of %.1f MB here", megabytes(u.peak), megabytes(backlog)),
	}, nil
}

// written returns how many events were batched, and what the gateway's stores wrote.
func (r *rig) written(ctx context.Context) (events, bytes uint64, err error) {
	s, err := r.gateway.Storage(ctx)
	if err != nil {
		return 0, 0, err
	}
	st, err := r.gateway.Status(ctx)
	if err != nil {
		return 0, 0, err
	}
	for _, lane := range st.Lanes {
		events += lane.Samples
	}
	return events, s.WrittenBytes, nil
}

// drained is what a replay brought.
type drained struct{ events, seconds float64 }

func (d drained) rate() float64 { return d.events / d.seconds }

// drain watches the backlog arrive, from the session's return to the application of the last old batch, with the prober at work.
func (r *rig) drain(ctx context.Context, l *load) (d drained, a *ages, err error) {
	for {
		st, err := r.gatewayStatus(ctx)
		if err != nil {
			return d, nil, err
		}
		if st.Link.Connects > 1 && st.Link.State == "up" {
			break
		}
		if err := wait(ctx, 2*time.Millisecond); err != nil {
			return d, nil, fmt.Errorf("the link did not return: %w", err)
		}
	}
	a, err = r.probe(ctx, replayEvery, time.Now().UnixNano(), func() int64 { return l.figures().TotalBase }, func() (err error) {
		d, err = r.settle(ctx)
		return err
	})
	return d, a, err
}

// settled is how many looks in a row have to show nothing but live events before a backlog counts as drained.
const settled = 10

// settle watches until the aggregator's events come no faster than they are made, and returns what came beyond that.
func (r *rig) settle(ctx context.Context) (drained, error) {
	const look = 50 * time.Millisecond
	begun := time.Now()
	first, err := r.metrics(ctx)
	if err != nil {
		return drained{}, err
	}
	var seen []drained
	for quiet := 0; quiet < settled; {
		if err := wait(ctx, look); err != nil {
			return drained{}, fmt.Errorf("the backlog was not drained in time: %w", err)
		}
		m, err := r.metrics(ctx)
		if err != nil {
			return drained{}, err
		}
		at := time.Since(begun).Seconds()
		st, err := r.gatewayStatus(ctx)
		if err != nil {
			return drained{}, err
		}
		old := uint64(0)
		for _, lane := range st.Lanes {
			old += lane.Backlog.Batches
		}
		now := drained{m.sum(eventsMetric) - first.sum(eventsMetric) - steadyRate*at, at}
		quiet++
		if n := len(seen); old > 0 || n == 0 || now.events-seen[n-1].events > steadyRate/2*(at-seen[n-1].seconds) {
			quiet = 0
		}
		seen = append(seen, now)
	}
	return most(seen), nil
}

// most returns the first of seen at which nearly everything had come: the rest of the time is the looking, not the drain.
func most(seen []drained) drained {
	const nearly = 0.95
	top := 0.0
	for _, d := range seen {
		top = max(top, d.events)
	}
	for _, d := range seen {
		if d.events >= nearly*top {
			return d
		}
	}
	return drained{}
}
