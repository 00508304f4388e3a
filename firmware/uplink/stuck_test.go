package uplink

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/courtside-edge/courtside/sync/mqtt"
	"github.com/courtside-edge/courtside/sync/point"
)

const patience = 2 * time.Minute

// No broker, no acks, nothing to send: the uplink moves. A connection that is never made and a publish that never returns are hangs.
func TestAnUplinkThatHangsIsSeen(t *testing.T) {
	look := func(t *testing.T, r *rig, when string) {
		t.Helper()
		for range 4 {
			time.Sleep(patience)
			if err := r.u.Stuck(patience); err != nil {
				t.Fatalf("%s: %v", when, err)
			}
		}
	}
	synctest.Test(t, func(t *testing.T) {
		c := newCloud()
		r := start(t, c, nil)
		look(t, r, "idle")
		c.set(func() { c.silent = true })
		r.add(point.Telemetry, 3)
		look(t, r, "without acks")
		c.set(func() { c.refuse = errCut })
		c.cut()
		look(t, r, "without a broker")
		c.set(func() { c.refuse, c.silent = nil, false })
		look(t, r, "back again")
		r.stop()
		time.Sleep(patience)
		look(t, r, "after the end")
	})
	synctest.Test(t, func(t *testing.T) {
		c, hang := newCloud(), make(chan struct{})
		r := start(t, c, func(o *Options) {
			o.Dial = func(ctx context.Context, m mqtt.Options) (Session, error) {
				<-hang
				return c.dial(ctx, m)
			}
		})
		time.Sleep(time.Second)
		first := r.u.Stuck(patience)
		time.Sleep(patience + time.Second)
		second := r.u.Stuck(patience)
		close(hang)
		time.Sleep(time.Second)
		if third := r.u.Stuck(patience); first != nil || second == nil || third != nil {
			t.Errorf("a connection that hangs: %v, then %v, then %v", first, second, third)
		}
		r.stop()
	})
	synctest.Test(t, func(t *testing.T) {
		c := newCloud()
		r := start(t, c, nil)
		time.Sleep(time.Second)
		c.set(func() { c.write = 10 * time.Minute })
		r.add(point.Telemetry, 1)
		time.Sleep(time.Second)
		first := r.u.Stuck(patience)
		time.Sleep(patience + time.Second)
		if second := r.u.Stuck(patience); first != nil || second == nil {
			t.Errorf("a publish that hangs: %v, then %v", first, second)
		}
		c.set(func() { c.write = 0 })
		r.stop()
	})
}
