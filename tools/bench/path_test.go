package main

import (
	"context"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/cloud/aggregator"
	cloudconfig "github.com/courtside-edge/courtside/cloud/config"
	"github.com/courtside-edge/courtside/firmware/config"
	"github.com/courtside-edge/courtside/tools/loadgen"
)

// site returns a bench without programs, and a rig of it.
func site(tb testing.TB, s loadgen.Site) *rig {
	tb.Helper()
	b := &bench{dir: tb.TempDir(), seconds: time.Second, warmup: time.Second, say: io.Discard}
	if err := b.authority(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := b.ca.Close(); err != nil {
			tb.Error(err)
		}
	})
	r, err := b.newLoadRig("path", s)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(r.close)
	return r
}

// inProcess runs aggregator and generator in this process until do returns.
func inProcess(tb testing.TB, r *rig, do func(l *loadgen.Control)) loadgen.Figures {
	tb.Helper()
	c, err := cloudconfig.Load(r.files.Aggregator)
	if err != nil {
		tb.Fatal(err)
	}
	agg, err := aggregator.Start(context.Background(), c, aggregator.Deps{Version: "bench"})
	if err != nil {
		tb.Fatal(err)
	}
	control := loadgen.NewControl(0)
	cfg, err := config.Load(r.files.Gateway, loadgen.Registry(control))
	if err != nil {
		tb.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	type end struct {
		f   loadgen.Figures
		err error
	}
	ended := make(chan end, 1)
	go func() {
		f, err := loadgen.Run(ctx, loadgen.Options{Config: cfg, Control: control})
		ended <- end{f, err}
	}()
	do(control)
	stop()
	last := <-ended
	if last.err != nil {
		tb.Error(last.err)
	}
	if err := agg.Close(); err != nil {
		tb.Error(err)
	}
	return last.f
}

// BenchmarkPath runs gateway and aggregator in one process, so that one CPU profile shows the whole path of a
// sample (go test -bench Path/max -cpuprofile FILE). An op is an event that the aggregator's state shows.
func BenchmarkPath(b *testing.B) {
	for _, rate := range []float64{0, steadyRate} {
		name := "max"
		if rate > 0 {
			name = fmt.Sprintf("rate=%g", rate)
		}
		b.Run(name, func(b *testing.B) {
			r := site(b, loadgen.Site{Rate: rate, NoProbes: rate == 0})
			var cpu time.Duration
			inProcess(b, r, func(*loadgen.Control) {
				events := func() float64 {
					m, err := r.metrics(b.Context())
					if err != nil {
						return 0 // it is starting
					}
					return m.sum(eventsMetric)
				}
				for events() == 0 {
					time.Sleep(10 * time.Millisecond)
				}
				first, before := events(), ownCPU()
				b.ResetTimer()
				for events()-first < float64(b.N) {
					time.Sleep(10 * time.Millisecond)
				}
				b.StopTimer()
				cpu = ownCPU() - before
			})
			b.ReportMetric(float64(cpu)/float64(b.N), "cpu-ns/event")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
