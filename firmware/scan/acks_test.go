package scan

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/sync/point"
)

// gatePLC counts up at each poll and remembers what it was told, and whether ever during a Poll.
type gatePLC struct {
	mu      sync.Mutex
	count   uint64
	polling bool
	told    []string
	during  bool
	fail    int // refuse this many first
}

func (g *gatePLC) conn(r *rig) drivers.Conn {
	conn := newConn(r.clock)
	conn.poll = func(_ context.Context, _ int, yield func(*drivers.Block)) error {
		g.set(true)
		defer g.set(false)
		time.Sleep(10 * time.Millisecond)
		g.mu.Lock()
		g.count++
		n := g.count
		g.mu.Unlock()
		yield(conn.good(0, n))
		return nil
	}
	return &fakeAcknowledger{conn, g.acknowledge}
}

func (g *gatePLC) set(polling bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.polling = polling
}

func (g *gatePLC) acknowledge(c point.Cursor) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.during = g.during || g.polling
	if g.fail > 0 {
		g.fail--
		return errCable
	}
	g.told = append(g.told, string(c.Bytes))
	return nil
}

// heard returns what the device was told so far.
func (g *gatePLC) heard() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.told)
}

// disturbed reports whether the device was ever told something during a poll.
func (g *gatePLC) disturbed() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.during
}

func TestTheDeviceIsToldWhatIsDurable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plc := &gatePLC{}
		r := start(t, []point.Point{counterPoint("c")}, fast, func(r *rig, _ int) (drivers.Conn, error) { return plc.conn(r), nil })
		pass(205 * time.Millisecond) // during the third poll, which yields at 210
		list := r.batcher.all()
		if len(list) != 2 || list[0].durable == nil || list[1].durable == nil {
			t.Fatalf("%d reports", len(list))
		}
		list[0].durable()
		synctest.Wait()
		if len(plc.heard()) != 0 {
			t.Error("told during a poll")
		}
		pass(10 * time.Millisecond)
		synctest.Wait()
		if len(plc.heard()) != 1 {
			t.Errorf("told %d times after the poll, want 1", len(plc.heard()))
		}
		list[1].durable() // while the worker waits for its slot
		synctest.Wait()
		if len(plc.heard()) != 2 || plc.heard()[0] == plc.heard()[1] || plc.disturbed() {
			t.Errorf("told %d cursors, during a poll %t", len(plc.heard()), plc.disturbed())
		}
	})
}

func TestAcknowledgementsOutliveTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plc := &gatePLC{fail: 2}
		r := start(t, []point.Point{counterPoint("c")}, fast, func(r *rig, _ int) (drivers.Conn, error) { return plc.conn(r), nil })
		pass(50 * time.Millisecond)
		r.batcher.all()[0].durable()
		pass(time.Minute)
		if len(plc.heard()) != 1 || r.worker.Status().Failures != 2 {
			t.Errorf("told %d times over %d failures, want 1 over 2", len(plc.heard()), r.worker.Status().Failures)
		}
	})
}

func TestOnlyAcknowledgersCostACallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, []point.Point{counterPoint("c")}, fast, func(r *rig, _ int) (drivers.Conn, error) { return newConn(r.clock), nil })
		pass(time.Second)
		for _, a := range r.batcher.all() {
			if a.durable != nil {
				t.Error("a device that does not want to know has a durable callback")
			}
		}
	})
}

// fakeRing reports by itself and wants to know.
type fakeRing struct {
	*fakeSubscriber
	ack func(point.Cursor) error
}

func (f *fakeRing) Acknowledge(_ context.Context, c point.Cursor) error { return f.ack(c) }

func TestASubscriptionIsToldBetweenItsBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plc, next := &gatePLC{}, make(chan uint64)
		r := start(t, []point.Point{counterPoint("c")}, fast, func(r *rig, n int) (drivers.Conn, error) {
			conn := newConn(r.clock)
			return &fakeRing{&fakeSubscriber{conn, func(ctx context.Context, yield func(*drivers.Block)) error {
				for {
					select {
					case bits := <-next:
						yield(conn.good(0, bits))
					case <-ctx.Done():
						return nil
					}
				}
			}}, plc.acknowledge}, nil
		})
		next <- 1
		synctest.Wait()
		r.batcher.all()[0].durable()
		next <- 2
		synctest.Wait()
		if len(plc.heard()) != 1 {
			t.Errorf("told %d times, want 1", len(plc.heard()))
		}
		plc.mu.Lock()
		plc.fail = 1
		plc.mu.Unlock()
		r.batcher.all()[1].durable()
		next <- 3
		pass(time.Minute)
		next <- 4
		synctest.Wait()
		if s := r.worker.Status(); len(plc.heard()) != 2 || s.Failures != 1 || s.State != Up {
			t.Errorf("a refused acknowledgement: told %d, status %+v", len(plc.heard()), s)
		}
	})
}

func TestAcksKeepTheNewestCursorOfEachPoint(t *testing.T) {
	a := acks{signal: make(chan struct{}, 1)}
	cursor := func(n point.Name, b string) point.Cursor { return point.Cursor{Name: n, Bytes: []byte(b)} }
	a.post([]point.Cursor{cursor("x", "1"), cursor("y", "1")})
	a.post([]point.Cursor{cursor("x", "2")})
	var got []string
	for {
		c, some := a.take()
		if !some {
			break
		}
		if len(got) == 0 {
			a.post([]point.Cursor{cursor("x", "3")}) // overtaken while the device is being told
		}
		a.told(c)
		got = append(got, string(c.Name)+string(c.Bytes))
	}
	if !slices.Equal(got, []string{"x2", "x3", "y1"}) {
		t.Errorf("told %v", got)
	}
	a.told(cursor("x", "3"))
}
