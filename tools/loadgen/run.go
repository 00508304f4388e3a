package loadgen

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/courtside-edge/courtside/firmware/config"
	"github.com/courtside-edge/courtside/firmware/gateway"
	"github.com/courtside-edge/courtside/firmware/uplink"
)

// holdTick is how often the spool is asked what it holds, for generators at "max".
const holdTick = 5 * time.Millisecond

// figuresTick is how often Report is called.
const figuresTick = time.Second

// Options describe a run. Config and Control are required.
type Options struct {
	Config  *config.Config // loaded with Registry(Control)
	Control *Control
	Version string
	Log     *slog.Logger
	// Warmup is how long round trips are not counted after the start.
	Warmup time.Duration
	// Report is called once a second with the figures so far and those of the call before; nil for nobody.
	Report func(now, before Figures)
	// Dial is used instead of MQTT as configured; nil for that.
	Dial uplink.Dialer
}

// Run runs the gateway until ctx ends, and returns the final figures after its graceful stop.
func Run(ctx context.Context, o Options) (f Figures, err error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Dial == nil {
		source, err := openIdentity(ctx, o.Config.Identity, o.Log)
		if err != nil {
			return f, err
		}
		defer func() { err = errors.Join(err, source.Close()) }()
		o.Dial = dialer(source, o.Config.Uplink.Broker)
	}
	t := newTrips()
	begun := time.Now()
	g, err := gateway.Start(ctx, o.Config, gateway.Deps{Version: o.Version, Log: o.Log, Dial: t.watch(o.Dial)})
	if err != nil {
		return f, fmt.Errorf("starting the gateway: %w", err)
	}
	r := &run{o: o, g: g, trips: t, begun: begun}
	r.watch(ctx)
	err = g.Wait()
	r.figures(true)
	return r.now, err
}

// run is a gateway under load.
type run struct {
	o     Options
	g     *gateway.Gateway
	trips *trips
	begun time.Time
	now   Figures
}

// watch closes the loop and reports until ctx ends.
func (r *run) watch(ctx context.Context) {
	hold, report := time.NewTicker(holdTick), time.NewTicker(figuresTick)
	defer hold.Stop()
	defer report.Stop()
	warm := time.After(r.o.Warmup)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hold.C:
			if r.o.Control.Closed() {
				r.o.Control.SetHeld(r.held())
			}
		case <-warm:
			r.trips.forget()
		case <-report.C:
			before := r.now
			r.figures(false)
			if r.o.Report != nil {
				r.o.Report(r.now, before)
			}
		}
	}
}

// held returns how many bytes of telemetry the spool holds.
func (r *run) held() int64 {
	for _, l := range r.g.Status().Lanes {
		if l.Lane == "telemetry" {
			return l.RAM.Bytes + l.Stored.Bytes
		}
	}
	return 0
}

// figures brings r.now up to date.
func (r *run) figures(final bool) {
	f := &r.now
	f.take(r.g.Status())
	f.trips(r.trips.snapshot())
	c := r.o.Control
	f.Produced, f.Skipped = c.Produced()
	f.TotalBase, f.WaitedSeconds = c.Base(), c.Waited().Seconds()
	f.Seconds, f.CPUSeconds, f.Final = time.Since(r.begun).Seconds(), processCPU().Seconds(), final
}
