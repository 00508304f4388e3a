package gateway

import (
	"context"
	"log/slog"
	"time"

	"github.com/courtside-edge/courtside/firmware/config"
	"github.com/courtside-edge/courtside/sync/point"
)

// economyEvery is how often the space for telemetry is looked at.
const economyEvery = time.Second

// economy makes telemetry coarser while the space for it is short: it asks every worker for less, and declares it. Stored samples are
// never thinned: without the newest of its changes a seat would stay taken for ever.
type economy struct {
	short   func() bool // has the hysteresis
	workers func() []reducer
	declare func(point.Reduced)
	mono    func() int64
	reduce  config.Reduce
	log     *slog.Logger
}

// reducer is a worker of which less can be asked.
type reducer interface {
	Reduce(factor float64, minInterval time.Duration)
}

// run looks after the space until ctx ends.
func (e *economy) run(ctx context.Context) {
	if e.reduce.DeadbandFactor <= 1 && e.reduce.MinInterval <= 0 {
		return
	}
	ticker := time.NewTicker(economyEvery)
	defer ticker.Stop()
	saving := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		factor, interval := 1.0, time.Duration(0)
		short := e.short()
		if short {
			factor, interval = e.reduce.DeadbandFactor, e.reduce.MinInterval
		}
		if short != saving {
			saving = short
			e.declare(point.Reduced{Since: e.mono(), DeadbandFactor: factor, MinInterval: interval})
			e.say(saving)
		}
		for _, w := range e.workers() { // each time: a reload brings workers that know nothing of it
			w.Reduce(factor, interval)
		}
	}
}

func (e *economy) say(saving bool) {
	if !saving {
		e.log.Info("there is space for telemetry again: it is sampled as configured")
		return
	}
	e.log.Warn("the space for telemetry is short: it is reduced, and then the oldest drops",
		"deadband_factor", e.reduce.DeadbandFactor, "min_interval", e.reduce.MinInterval)
}

// economy returns the gateway's.
func (g *Gateway) economy() *economy {
	c, _ := g.configured()
	return &economy{short: g.keeper.Short, declare: g.batcher.Note, mono: g.clock.Mono, reduce: c.Spool.Reduce, log: g.log,
		workers: func() (all []reducer) {
			for _, m := range g.crew.list() {
				all = append(all, m.worker)
			}
			return all
		}}
}
