package scan

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/sync/point"
)

// A value that moves by one with each scan is reported less often while a reduction is in force, and as before afterwards. Asking again
// for what is in force changes nothing; a device that waits is not waited for.
func TestReduce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := statePoint("a")
		p.Deadband = 2
		r := start(t, []point.Point{p}, fast, func(r *rig, _ int) (drivers.Conn, error) {
			conn := newConn(r.clock)
			conn.poll = func(_ context.Context, _ int, yield func(*drivers.Block)) error {
				yield(conn.good(0, uint64(len(conn.calls()))))
				return nil
			}
			return conn, nil
		})
		seen := 0
		count := func() int {
			pass(10 * time.Second)
			n := len(r.batcher.samples(0)) - seen
			seen += n
			return n
		}
		if n := count(); n < 49 || n > 51 {
			t.Fatalf("%d samples of 100 readings with a deadband of 2", n)
		}
		for range 3 {
			r.worker.Reduce(5, 0)
			if n := count(); n < 9 || n > 11 {
				t.Fatalf("%d samples of 100 readings with a deadband of 2 × 5", n)
			}
		}
		r.worker.Reduce(1, 5*time.Second)
		if n := count(); n < 2 || n > 4 {
			t.Fatalf("%d samples in 10 s with an interval of 5 s", n)
		}
		r.worker.Reduce(1, 0)
		if n := count(); n < 49 || n > 51 {
			t.Fatalf("%d samples of 100 readings after the end", n)
		}
	})
}

func TestReduceDoesNotWaitForTheDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, []point.Point{statePoint("a")}, fast, func(r *rig, _ int) (drivers.Conn, error) {
			conn := newConn(r.clock)
			conn.poll = func(ctx context.Context, _ int, _ func(*drivers.Block)) error { <-ctx.Done(); return ctx.Err() }
			return conn, nil
		})
		pass(time.Second)
		r.worker.feed.Lock() // its batcher does not take what it has
		defer r.worker.feed.Unlock()
		r.worker.Reduce(4, time.Second)
	})
}
