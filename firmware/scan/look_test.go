package scan

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/firmware/filter"
	"github.com/courtside-edge/courtside/sync/point"
)

func TestATapSeesWhatTheFilterHoldsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, []point.Point{statePoint("a")}, fast, func(r *rig, _ int) (drivers.Conn, error) {
			conn := newConn(r.clock)
			conn.poll = func(_ context.Context, _ int, yield func(*drivers.Block)) error {
				yield(conn.good(0, 7))
				return nil
			}
			return conn, nil
		})
		pass(250 * time.Millisecond)
		seen := 0
		stop := r.worker.Tap(func(b *drivers.Block) { seen += len(b.Readings) })
		other := r.worker.Tap(func(*drivers.Block) {})
		pass(500 * time.Millisecond)
		stop()
		stop() // twice is harmless
		if seen != 5 {
			t.Errorf("%d readings seen in five scans", seen)
		}
		pass(500 * time.Millisecond)
		if seen != 5 {
			t.Errorf("%d readings seen, some after stop", seen)
		}
		other()
		st := r.worker.Look(nil, func(i uint32) bool { return i == 0 })
		if len(st) != 1 || !st[0].Started || st[0].Bits != 7 {
			t.Errorf("the filter holds %+v", st)
		}
	})
}

func TestHoldKeepsTheFilterStillAndRetireEndsItsPoints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, []point.Point{statePoint("a")}, fast, func(r *rig, _ int) (drivers.Conn, error) {
			conn := newConn(r.clock)
			n := uint64(0)
			conn.poll = func(_ context.Context, _ int, yield func(*drivers.Block)) error {
				n++
				yield(conn.good(0, n))
				return nil
			}
			return conn, nil
		})
		pass(time.Second)
		var f *filter.Filter
		f, release := r.worker.Hold()
		if f == nil {
			t.Fatal("no filter")
		}
		release()
		r.halt()
		before := len(r.batcher.samples(0))
		r.worker.Retire()
		after := r.batcher.samples(0)
		if len(after) != before+1 || after[len(after)-1].Quality != point.BadNotConnected {
			t.Errorf("retiring added %d samples, the last %+v", len(after)-before, after[len(after)-1])
		}
		r.worker.Retire()
		if again := len(r.batcher.samples(0)); again != len(after) {
			t.Errorf("retiring twice reported %d more", again-len(after))
		}
	})
}
