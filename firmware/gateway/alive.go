package gateway

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/courtside-edge/courtside/firmware/scan"
	"github.com/courtside-edge/courtside/sync/notify"
	"github.com/courtside-edge/courtside/sync/point"
)

// How long a part may be at one step before it counts as stuck.
const (
	// loopPatience is for the store and the batcher. A disk that takes nothing for so long is as dead as a loop.
	loopPatience = 45 * time.Second
	// linkPatience is for the uplink: a step is one connection, one probe of a broker, one publish, each with its own timeout.
	linkPatience = 2 * time.Minute
	// devicePatience is for a call into a driver that yields nothing: the bounds of a driver's own timeouts, on a bus that many share, stay far below.
	devicePatience = 15 * time.Minute
)

// Parts returns what has to move for the gateway to be alive, for the watchdog. They hold no more once the gateway is told to stop.
func (g *Gateway) Parts() []notify.Part {
	held := false // the batcher waited for the spool at the look before
	return []notify.Part{
		{Name: "store", Alive: func(context.Context) error { return g.keeper.Stuck(loopPatience) }},
		{Name: "batcher", Alive: func(context.Context) error { return g.batcher.Stuck(loopPatience) }},
		{Name: "uplink", Alive: func(context.Context) error { return g.uplink.Stuck(linkPatience) }},
		{Name: "devices", Alive: func(context.Context) error {
			was := held
			held = g.batcher.Backlogged()
			if err := g.workersStuck(); !was && !held { // they wait with it
				return err
			}
			return nil
		}},
		// Every lock that the status takes is given back.
		{Name: "status", Alive: func(context.Context) error { g.Status(); return nil }},
	}
}

func (g *Gateway) workersStuck() error {
	var errs []error
	for _, m := range g.crew.list() {
		errs = append(errs, m.worker.Stuck(devicePatience))
	}
	return errors.Join(errs...)
}

// Summary says in one line how the gateway stands.
func (g *Gateway) Summary() string {
	c, _ := g.configured()
	up, all := 0, g.crew.list()
	for _, m := range all {
		if m.worker.Status().State == scan.Up {
			up++
		}
	}
	link, _ := g.uplink.State()
	waiting := g.keeper.Counts(point.Telemetry).Backlog.Batches + g.keeper.Counts(point.Critical).Backlog.Batches
	return fmt.Sprintf("%s of %s: %d of %d devices answer, link %s, %d batches wait", c.Gateway, c.Venue, up, len(all), link, waiting)
}
