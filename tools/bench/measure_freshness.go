package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/courtside-edge/courtside/tools/loadgen"
)

// steadyRate is the load at which freshness is promised.
const steadyRate = 120_000

// freshness measures how late things are seen at 120,000 events/s, and what that costs.
func freshness() measurement {
	m := measurement{name: "freshness", rows: []row{
		atMost("visible-p50", "sample to readable over REST at 120,000 events/s, P50", 5, "ms"),
		atMost("visible-p99", "the same, P99", 12, "ms"),
		info("critical-p50", "the same for critical (a gate's counter), P50; aim: plus two fsyncs", "ms"),
		info("critical-p99", "the same, P99", "ms"),
		info("applied-p50", "heatmap_update_latency_seconds at 120,000 events/s, P50", "ms"),
		info("applied-p99", "the same, P99", "ms"),
		info("ack-p50", "publish of a batch to its durable ack, P50", "ms"),
		info("ack-p99", "the same, P99", "ms"),
		atMost("rss-gateway-steady", "gateway VmRSS at 120,000 events/s", 56, "MB"),
		info("rss-aggregator-steady", "aggregator VmRSS at 120,000 events/s", "MB"),
		atMost("flash-spilled", "flash written for telemetry while online: bytes spilled", 0, "B"),
		atMost("flash-growth", "the same: growth of the telemetry store on disk", 0, "B"),
		info("steady-cpu", "CPU at 120,000 events/s, gateway and aggregator", "cores"),
	}}
	m.run = func(ctx context.Context, b *bench) ([]row, error) { return b.freshness(ctx, m.rows) }
	return m
}

func (b *bench) freshness(ctx context.Context, rows []row) ([]row, error) {
	r, err := b.newLoadRig("freshness", loadgen.Site{Rate: steadyRate})
	if err != nil {
		return nil, err
	}
	defer r.close()
	agg, err := r.startAggregator(ctx)
	if err != nil {
		return nil, err
	}
	l, err := r.startLoad(ctx, "--warmup", b.warmup.String())
	if err != nil {
		return nil, err
	}
	if err := wait(ctx, b.warmup); err != nil {
		return nil, err
	}
	store := filepath.Join(r.dir, "data", "gateway", "spool", "telemetry")
	size, err := diskBytes(store)
	if err != nil {
		return nil, err
	}
	before := l.figures()
	var a *ages
	s, err := r.measure(ctx, []*program{l.program, agg}, func() (err error) {
		a, err = r.probe(ctx, probeEvery, 0, func() int64 { return l.figures().TotalBase }, func() error { return wait(ctx, b.seconds) })
		return err
	})
	if err != nil {
		return nil, err
	}
	grown, err := diskBytes(store)
	if err != nil {
		return nil, err
	}
	f := l.figures()
	rate := float64(f.Batched-before.Batched) / (f.Seconds - before.Seconds)
	at := fmt.Sprintf("%s events/s applied, %d answers, %d without a value%s", number(s.events()), len(a.telemetry), a.missing, s.strangers())
	return []row{
		rows[0].is(quantile(a.telemetry, 0.5), "%s", at), rows[1].is(quantile(a.telemetry, 0.99), "max %.1f; the answers alone took P50 %.1f, P99 %.1f", quantile(a.telemetry, 1), quantile(a.took, 0.5), quantile(a.took, 0.99)),
		rows[2].is(quantile(a.critical, 0.5), "%d critical samples in %.0f s", f.CriticalEvents-before.CriticalEvents, f.Seconds-before.Seconds), rows[3].is(quantile(a.critical, 0.99), "max %.1f", quantile(a.critical, 1)),
		rows[4].is(1e3*s.scrapes[1].histogramQuantile(s.scrapes[0], latencyMetric, 0.5), "of the newest sample of each batch"),
		rows[5].is(1e3*s.scrapes[1].histogramQuantile(s.scrapes[0], latencyMetric, 0.99), ""),
		rows[6].is(f.AckP50, "%d batches", f.AckTrips), rows[7].is(f.AckP99, ""),
		rows[8].is(megabytes(s.after[0].rss), "peak %.0f; the generator included", megabytes(s.after[0].peak)),
		rows[9].is(megabytes(s.after[1].rss), "peak %.0f", megabytes(s.after[1].peak)),
		rows[10].is(float64(f.Spilled-before.Spilled), "in %.0f s at %s events/s", s.seconds, number(rate)),
		rows[11].is(float64(grown-size), "blocks below spool/telemetry"),
		rows[12].is(s.cpu(0)+s.cpu(1), "gateway with generator %.2f, aggregator with the prober's questions %.2f", s.cpu(0), s.cpu(1)),
	}, nil
}
