package main

import (
	"context"

	"github.com/courtside-edge/courtside/tools/loadgen"
)

// quietRate is a house at rest: a tenth of the seats report in a second.
const quietRate = 1000

// memory measures a gateway with 10,000 points that hardly do anything.
func memory() measurement {
	m := measurement{name: "memory", rows: []row{
		atMost("rss-gateway-idle", "gateway VmRSS at 10,000 points, 1,000 events/s", 40, "MB"),
		info("rss-aggregator-idle", "aggregator VmRSS at 10,000 points, 1,000 events/s", "MB"),
	}}
	m.run = func(ctx context.Context, b *bench) ([]row, error) { return b.memory(ctx, m.rows) }
	return m
}

func (b *bench) memory(ctx context.Context, rows []row) ([]row, error) {
	r, err := b.newLoadRig("memory", loadgen.Site{Rate: quietRate, Block: 100, NoProbes: true})
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
	s, err := r.measure(ctx, []*program{l.program, agg}, func() error { return wait(ctx, b.warmup+b.seconds/2) })
	if err != nil {
		return nil, err
	}
	return []row{rows[0].is(megabytes(s.after[0].rss), "peak %.0f; %.2f cores", megabytes(s.after[0].peak), s.cpu(0)),
		rows[1].is(megabytes(s.after[1].rss), "peak %.0f; %.2f cores", megabytes(s.after[1].peak), s.cpu(1))}, nil
}
