package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/courtside-edge/courtside/firmware/store"
	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/segment"
	"github.com/courtside-edge/courtside/sync/spool"
	"github.com/courtside-edge/courtside/sync/wire"
)

// appendEvery is the pace of critical batches: a busy gate hall.
const appendEvery = 10 * time.Millisecond

// criticalAppend measures what stands between a passage and telling its turnstile: the store's transaction and fsync.
func criticalAppend() measurement {
	m := measurement{name: "append", rows: []row{
		info("fsync-p50", "fsync of 4 KiB on the disk at hand, P50", "ms"),
		info("fsync-p99", "the same, P99", "ms"),
		info("append-p50", "critical append to durable (batch, cursor, fsync), P50", "ms"),
		info("append-p99", "the same, P99; seen in a prototype: 2.2", "ms"),
	}}
	m.run = func(ctx context.Context, b *bench) ([]row, error) {
		fsyncs, err := b.fsyncs(ctx)
		if err != nil {
			return nil, err
		}
		took, err := b.appends(ctx)
		if err != nil {
			return nil, err
		}
		return []row{m.rows[0].is(quantile(fsyncs, 0.5), "%d", len(fsyncs)), m.rows[1].is(quantile(fsyncs, 0.99), ""),
			m.rows[2].is(quantile(took, 0.5), "%d appends, one each %s", len(took), appendEvery), m.rows[3].is(quantile(took, 0.99), "max %.1f", quantile(took, 1))}, nil
	}
	return m
}

// fsyncs measures the disk alone.
func (b *bench) fsyncs(ctx context.Context) (took []time.Duration, err error) {
	f, err := os.Create(filepath.Join(b.dir, "fsync"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	page := make([]byte, 4096)
	for begun := time.Now(); time.Since(begun) < b.seconds/4; {
		if err := wait(ctx, appendEvery/2); err != nil {
			return nil, err
		}
		at := time.Now()
		if _, err := f.Write(page); err != nil {
			return nil, err
		}
		if err := f.Sync(); err != nil {
			return nil, err
		}
		took = append(took, time.Since(at))
	}
	return took, nil
}

// appends measures the gateway's critical lane, in this process: keeper, spool and segmented store as they are assembled.
func (b *bench) appends(ctx context.Context) (took []time.Duration, err error) {
	host, err := clock.OpenHost()
	if err != nil {
		return nil, err
	}
	st, err := segment.Open(filepath.Join(b.dir, "append"), segment.Options{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	sp, err := spool.Open(spool.Options{Critical: st, Map: host.Map()})
	if err != nil {
		return nil, err
	}
	k := store.New(store.Options{Spool: sp, Mono: host.Mono})
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- k.Run(running) }()
	defer func() { stop(); err = errors.Join(err, <-ended) }()
	table := []point.Point{{Device: "plc-gates", Name: "gate/1/in", Type: point.Int, Kind: point.Gate, Class: point.Counter, Lane: point.Critical, Direction: point.In, Bits: 16, MaxRate: 5}}
	parts, hash, err := wire.EncodeTable(table, 0)
	if err != nil {
		return nil, err
	}
	k.UseTable(hash, parts)
	enc, err := wire.NewEncoder(wire.Limits{})
	if err != nil {
		return nil, err
	}
	durable := make(chan struct{}, 1)
	for begun, n := time.Now(), uint64(0); time.Since(begun) < b.seconds/2; n++ {
		if err := wait(ctx, appendEvery); err != nil {
			return nil, err
		}
		now := host.Mono()
		batch := &wire.Batch{Venue: "dal-001", Gateway: "gw-load", Table: hash, Map: host.Map(), Samples: []point.Sample{{Time: now, Bits: n}},
			Runs: []point.CounterRun{{Run: 1, First: 1, Bits: 16, Reason: point.RunFirst, Start: now}}}
		frame, err := enc.Encode(nil, point.Critical, table, batch)
		if err != nil {
			return nil, err
		}
		at := time.Now()
		cursor := []point.Cursor{{Device: "plc-gates", Name: "gate/1/in", Bytes: fmt.Appendf(nil, "%d", n)}}
		if _, err := k.Append(frame, cursor, false, []func(){func() { durable <- struct{}{} }}); err != nil {
			return nil, err
		}
		select {
		case <-durable:
			took = append(took, time.Since(at))
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return took, nil
}
