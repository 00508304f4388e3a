package main

import (
	"context"
	"fmt"
	"time"
)

// The workload of the memory measurements: a house at rest, and a large one.
const (
	quietPLCs   = 10 // of 1,000 registers each
	manyPLCs    = 100
	quietPeriod = time.Second
)

// largeMemory measures the same with 100,000 points.
func largeMemory() measurement {
	m := measurement{name: "memory-large", rows: []row{
		info("rss-gateway-large", "gateway VmRSS at 100,000 points, polled each second, 1 % changing", "MB"),
		info("rss-aggregator-large", "aggregator VmRSS beside it", "MB"),
	}}
	m.run = func(ctx context.Context, b *bench) ([]row, error) { return b.memory(ctx, m.rows, manyPLCs) }
	return m
}

// memory measures the real gateway with 10,000 points that hardly change.
func memory() measurement {
	m := measurement{name: "memory", rows: []row{
		atMost("rss-gateway-idle", "gateway VmRSS at 10,000 points, polled each second, 1 % changing", 40, "MB"),
		info("rss-aggregator-idle", "aggregator VmRSS beside it", "MB"),
	}}
	m.run = func(ctx context.Context, b *bench) ([]row, error) { return b.memory(ctx, m.rows, quietPLCs) }
	return m
}

func (b *bench) memory(ctx context.Context, rows []row, plcs int) ([]row, error) {
	r, err := b.newRig("memory")
	if err != nil {
		return nil, err
	}
	defer r.close()
	f, err := startServers(plcs, quietPeriod)
	if err != nil {
		return nil, err
	}
	defer f.close()
	if err := r.writePolling(f.addresses, quietPeriod); err != nil {
		return nil, err
	}
	agg, err := r.startAggregator(ctx)
	if err != nil {
		return nil, err
	}
	gw, err := r.startGateway()
	if err != nil {
		return nil, err
	}
	s, err := r.measure(ctx, []*program{gw, agg}, func() error { return wait(ctx, b.warmup+b.seconds/2) })
	if err != nil {
		return nil, err
	}
	st, err := r.gatewayStatus(ctx)
	if err != nil {
		return nil, err
	}
	if st.Link.State != "up" {
		return nil, fmt.Errorf("the gateway's link is %s: %s", st.Link.State, tail(gw.log))
	}
	return []row{rows[0].is(megabytes(s.after[0].rss), "peak %.0f; %d points, %.2f cores", megabytes(s.after[0].peak), st.Points, s.cpu(0)),
		rows[1].is(megabytes(s.after[1].rss), "peak %.0f; %.2f cores", megabytes(s.after[1].peak), s.cpu(1))}, nil
}
