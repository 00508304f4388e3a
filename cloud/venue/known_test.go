package venue_test

import (
	"testing"
	"time"

	"github.com/courtside-edge/courtside/cloud/log"
	"github.com/courtside-edge/courtside/cloud/venue/venuetest"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// TestKnownPointsAreCountedAgainSoon says how old the count may be: less than 100 ms, and never of another time than now's past.
func TestKnownPointsAreCountedAgainSoon(t *testing.T) {
	r := venuetest.New(t)
	r.DeliverTable()
	if n := r.V.Basis().Completeness.Known; n != 0 {
		t.Fatalf("%d points are known before any sample", n)
	}
	report := func(seq uint64, index uint32) {
		r.Deliver(log.Batch, r.Frame(telemetry(seq), wire.Batch{Samples: []point.Sample{{Index: index, Time: at(55 * time.Minute), Bits: kg(50)}}}))
	}
	report(0, 0)
	start := r.Now
	for i, step := range []struct {
		after time.Duration
		want  int
	}{{0, 1}, {50 * time.Millisecond, 1}, {99 * time.Millisecond, 1}, {100 * time.Millisecond, 2}, {-time.Hour, 2}} {
		r.Now = start.Add(step.after)
		if got := r.V.Basis().Completeness.Known; got != step.want {
			t.Errorf("%v later: %d points are known, want %d", step.after, got, step.want)
		}
		if i == 0 {
			report(1, 1) // seen by the answers that count again
		}
	}
}
