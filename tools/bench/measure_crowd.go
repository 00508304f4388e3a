package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/point"
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
	plan, err := b.away(r)
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
	all, err := b.gather(ctx, r, plan)
	if err != nil {
		return nil, err
	}
	defer all.end()
	if err := wait(ctx, b.warmup); err != nil {
		return nil, err
	}
	var came arrival
	var a *ages
	s, err := r.measure(ctx, []*program{agg, l.program}, func() (err error) {
		a, err = r.probe(ctx, replayEvery, 0, func() int64 { return l.figures().TotalBase }, func() (err error) {
			came, err = all.come()
			return err
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	u, took := s.after[0], came.Took.Seconds()
	events := float64(len(plan.Members) * heldBatches * heldSamples)
	return []row{
		rows[0].is(took, "%d gateways of %d batches of %d samples; %d attempts to connect, %d acks late", len(plan.Members), heldBatches, heldSamples, came.Connects, came.Late),
		rows[1].is(events/took, "beside %s live events/s", number(steadyRate/10)),
		rows[2].is(quantile(a.telemetry, 0.99), "P50 %.1f, max %.1f, %d answers", quantile(a.telemetry, 0.5), quantile(a.telemetry, 1), len(a.telemetry)),
		rows[3].is(megabytes(u.rss), "peak %.0f; %.2f cores%s", megabytes(u.peak), s.cpu(0), s.strangers()),
	}, nil
}

// away issues the identities of the gateways that will return, and has the aggregator know them.
func (b *bench) away(r *rig) (crowdPlan, error) {
	plan := crowdPlan{Broker: r.broker, Members: make([]member, b.gateways)}
	f, err := os.OpenFile(r.files.Aggregator, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return plan, err
	}
	for i := range plan.Members {
		m := &plan.Members[i]
		m.Gateway, m.Device = point.ID(fmt.Sprintf("gw-back-%d", i)), point.ID(fmt.Sprintf("seats-%d", i))
		fmt.Fprintf(f, "      - {id: %s, devices: [%s]}\n", m.Gateway, m.Device)
		end, err := b.ca.Add(identity.ID{TrustDomain: trustDomain, Role: identity.Gateway, Venue: loadgen.Venue, Name: m.Gateway})
		if err != nil {
			return plan, errors.Join(err, f.Close())
		}
		m.CertFile, m.KeyFile, m.BundleFile = end.CertFile, end.KeyFile, end.BundleFile
	}
	return plan, f.Close()
}
