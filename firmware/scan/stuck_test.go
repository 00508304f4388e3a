package scan

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/sync/point"
)

const patience = 15 * time.Minute

// A worker that polls, waits for its slot, waits to try again or works its way through a slow bus moves; one whose driver never returns does not.
func TestADriverThatHangsIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hang atomic.Bool
		var blocks atomic.Int64
		release := make(chan struct{})
		r := start(t, []point.Point{statePoint("a")}, []drivers.ScanClass{{Name: "rare", Period: 24 * time.Hour}}, func(r *rig, n int) (drivers.Conn, error) {
			if n == 0 {
				return nil, errCable // tried again
			}
			conn := newConn(r.clock)
			conn.poll = func(_ context.Context, _ int, yield func(*drivers.Block)) error {
				if hang.Load() {
					<-release
				}
				for range blocks.Load() {
					time.Sleep(10 * time.Minute)
					yield(conn.good(0, 1))
				}
				return nil
			}
			return conn, nil
		})
		look := func(want bool, when string) {
			t.Helper()
			synctest.Wait()
			if err := r.worker.Stuck(patience); (err != nil) != want {
				t.Errorf("%s: %v, stuck is to be %t", when, err, want)
			}
		}
		for range 50 { // in its slots and between them
			look(false, "a healthy worker")
			time.Sleep(30 * time.Minute)
		}
		blocks.Store(12)
		for range 48 { // two hours of blocks among them
			look(false, "a slow bus")
			time.Sleep(time.Hour / 2)
		}
		blocks.Store(0)
		hang.Store(true)
		time.Sleep(48 * time.Hour)
		look(false, "the first look")
		time.Sleep(patience + time.Second)
		look(true, "a driver that hangs")
		hang.Store(false)
		close(release)
		look(false, "a driver that has come back")
	})
}

// A subscription may be silent for ever.
func TestASilentSubscriptionMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, []point.Point{statePoint("a")}, fast, func(r *rig, _ int) (drivers.Conn, error) {
			return &fakeSubscriber{fakeConn: newConn(r.clock), run: func(ctx context.Context, _ func(*drivers.Block)) error {
				<-ctx.Done()
				return ctx.Err()
			}}, nil
		})
		for range 10 {
			pass(time.Hour)
			if err := r.worker.Stuck(patience); err != nil {
				t.Error(err)
			}
		}
	})
}
