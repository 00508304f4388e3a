package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/courtside-edge/courtside/tools/loadgen"
)

// sustained lets the generator go as fast as the spool takes it.
func sustained() measurement {
	m := measurement{name: "sustained", rows: []row{
		atLeast("sustained", "sustained events/s, generator to heatmap, both on two cores", 5e6, "events/s"),
		atMost("wire-bytes", "bytes on the wire a seat sample, batches of 1,000 and more", 1.6, "B"),
		info("sustained-cpu-gateway", "CPU of the gateway with its generator, per event", "ns"),
		info("sustained-cpu-aggregator", "CPU of the aggregator, per event", "ns"),
	}}
	m.run = func(ctx context.Context, b *bench) ([]row, error) { return b.sustained(ctx, m.rows) }
	return m
}

func (b *bench) sustained(ctx context.Context, rows []row) ([]row, error) {
	r, err := b.newLoadRig("sustained", loadgen.Site{NoProbes: true})
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
	before := l.figures()
	s, err := r.measure(ctx, []*program{l.program, agg}, func() error { return wait(ctx, b.seconds) })
	if err != nil {
		return nil, err
	}
	f := l.figures()
	applied := s.events()
	if applied == 0 || f.Batches == before.Batches {
		return nil, errors.New("the aggregator applied nothing")
	}
	batched := float64(f.Batched-before.Batched) / (f.Seconds - before.Seconds)
	note := fmt.Sprintf("gateway %.2f cores, aggregator %.2f; the gateway batched %s/s; %d lost, %d dropped%s", s.cpu(0), s.cpu(1), number(batched), f.Lost, f.Dropped, s.strangers())
	out := []row{rows[0].is(applied, "%s", note),
		rows[2].is(1e9*s.cpu(0)/batched, "generating it included"), rows[3].is(1e9*s.cpu(1)/applied, "broker, log, state")}
	perBatch := float64(f.Batched-before.Batched) / float64(f.Batches-before.Batches)
	frames := float64(f.Bytes-before.Bytes) / float64(f.Batched-before.Batched)
	wire, how := frames, "frames alone"
	if n := s.after[0].written - s.before[0].written; n > 0 && f.Spilled == before.Spilled {
		wire, how = float64(n)/s.seconds/batched, fmt.Sprintf("with MQTT and TLS; frames alone %.2f", frames)
	}
	if perBatch < 1000 {
		return append(out, rows[1].failed(fmt.Errorf("batches had %.0f samples only", perBatch))), nil
	}
	return append(out, rows[1].is(wire, "%s; %s samples a batch", how, number(perBatch))), nil
}
