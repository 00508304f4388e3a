package batch

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/spool"
)

const patience = 45 * time.Second

// hanging is a sink that returns when it is let.
type hanging struct {
	*sink
	until chan struct{}
}

func (h *hanging) Append(frame []byte, cursors []point.Cursor, carries bool, durable []func()) (point.BatchID, error) {
	h.mu.Lock()
	until := h.until
	h.mu.Unlock()
	if until != nil {
		<-until
	}
	return h.sink.Append(frame, cursors, carries, durable)
}

// A backlogged spool is waited for, for hours if need be; a sink that does not return is a hang.
func TestASinkThatHangsIsSeenAndABackloggedOneIsNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSink()
		h := &hanging{sink: s}
		o := options(t, s)
		o.Sink = h
		b, stop := start(t, o)
		stuck := func() bool { synctest.Wait(); return b.Stuck(patience) != nil }
		s.set(func() { s.refuse = spool.ErrBacklogged })
		b.Add(point.Critical, gate(1, "c"), nil)
		for range 10 {
			time.Sleep(time.Hour)
			if stuck() || !b.Backlogged() {
				t.Fatalf("backlogged: stuck %t, backlogged %t", stuck(), b.Backlogged())
			}
		}
		s.set(func() { s.refuse = nil })
		s.room <- struct{}{}
		if stuck() || b.Backlogged() || len(s.sent()) != 1 {
			t.Fatalf("after the backlog: backlogged %t, %d batches", b.Backlogged(), len(s.sent()))
		}
		hang := make(chan struct{})
		h.set(func() { h.until = hang })
		b.Add(point.Critical, gate(2, "c"), nil)
		time.Sleep(time.Second)
		first := stuck()
		time.Sleep(patience + time.Second)
		second := stuck()
		close(hang)
		time.Sleep(time.Second)
		if third := stuck(); first || !second || third {
			t.Errorf("stuck %t, %t, %t; want false, true, false", first, second, third)
		}
		stop()
	})
}
