package scan

import (
	"context"
	"slices"
	"sync"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/firmware/filter"
	"github.com/courtside-edge/courtside/sync/point"
)

// acks holds what became durable until the connection's goroutine tells the device: the newest
// cursor of each point, in the order in which the points came. It cannot outgrow the points.
type acks struct {
	mu     sync.Mutex
	names  []point.Name
	latest map[point.Name]point.Cursor
	signal chan struct{} // holds one token while something waits
}

// post adds cursors, which became durable in this order.
func (a *acks) post(cursors []point.Cursor) {
	a.mu.Lock()
	if a.latest == nil {
		a.latest = make(map[point.Name]point.Cursor)
	}
	for _, c := range cursors {
		if _, have := a.latest[c.Name]; !have {
			a.names = append(a.names, c.Name)
		}
		a.latest[c.Name] = c
	}
	a.mu.Unlock()
	select {
	case a.signal <- struct{}{}:
	default:
	}
}

// take returns the oldest that waits, which stays until it is told.
func (a *acks) take() (point.Cursor, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.names) == 0 {
		return point.Cursor{}, false
	}
	return a.latest[a.names[0]], true
}

// told removes c, unless a newer one has taken its place.
func (a *acks) told(c point.Cursor) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now, have := a.latest[c.Name]; !have || string(now.Bytes) != string(c.Bytes) {
		return
	}
	delete(a.latest, c.Name)
	a.names = slices.DeleteFunc(a.names, func(n point.Name) bool { return n == c.Name })
}

// durable returns what the batcher calls once r is durable: nil unless the device wants to know. The caller holds feed.
func (w *Worker) durable(r *filter.Report) func() {
	if !w.acking || len(r.Cursors) == 0 {
		return nil
	}
	cursors := slices.Clone(r.Cursors) // their bytes are never written again
	return func() { w.acks.post(cursors) }
}

// acknowledge tells the device everything that waits. What it did not take stays for the next connection.
func (w *Worker) acknowledge(ctx context.Context, conn drivers.Conn) error {
	a, ok := conn.(drivers.Acknowledger)
	if !ok {
		return nil
	}
	for {
		c, some := w.acks.take()
		if !some {
			return nil
		}
		if err := w.guard("acknowledge", func() error { return a.Acknowledge(ctx, c) }); err != nil {
			return err
		}
		w.acks.told(c)
	}
}
