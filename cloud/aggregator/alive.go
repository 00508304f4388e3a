package aggregator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/courtside-edge/courtside/sync/notify"
)

// partPatience is how long a part may be at one step before it counts as stuck: one record, one tick of a venue, one round of acks. A disk that takes
// nothing for so long is as dead as a loop.
const partPatience = 45 * time.Second

// Parts returns what has to move for the aggregator to be alive, for the watchdog. A replay moves: each record is a step.
func (a *Aggregator) Parts() []notify.Part {
	return []notify.Part{
		{Name: "ingest", Alive: func(context.Context) error { return a.ingest.Stuck(partPatience) }},
		{Name: "log", Alive: func(context.Context) error { return a.following.Stuck("the log's reader", partPatience) }},
		{Name: "venues", Alive: func(context.Context) error {
			var errs []error
			for i := range a.ticking {
				errs = append(errs, a.ticking[i].Stuck("the clock of venue "+string(a.houses[i].Venue.ID()), partPatience))
			}
			return errors.Join(errs...)
		}},
	}
}

// Summary says in one line how the aggregator stands.
func (a *Aggregator) Summary() string {
	if err := a.ready(); err != nil {
		return "not ready: " + err.Error()
	}
	_, next := a.log.Bounds()
	return fmt.Sprintf("%d venues, %d clients of the broker, %d records in the log so far", len(a.houses), a.broker.Stats().Clients, next)
}
