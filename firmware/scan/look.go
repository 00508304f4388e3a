package scan

import (
	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/firmware/filter"
	"github.com/courtside-edge/courtside/sync/point"
)

// tap is someone who looks at what the device gives, before the filter.
type tap struct{ see func(*drivers.Block) }

// Tap shows see each block that the device gives until stop is called; nothing is shown after stop has returned. The block is valid
// during the call alone, which must not block: it holds up the connection. Without a tap a block costs one look at a pointer.
func (w *Worker) Tap(see func(*drivers.Block)) (stop func()) {
	t := &tap{see}
	w.feed.Lock()
	w.taps = append(w.taps, t)
	w.feed.Unlock()
	return func() {
		w.feed.Lock()
		defer w.feed.Unlock()
		for i := range w.taps {
			if w.taps[i] == t {
				w.taps = append(w.taps[:i:i], w.taps[i+1:]...)
				return
			}
		}
	}
}

// Look appends what the filter holds of the points that pick takes; see filter.Filter.States.
func (w *Worker) Look(into []filter.State, pick func(index uint32) bool) []filter.State {
	w.feed.Lock()
	defer w.feed.Unlock()
	return w.o.Filter.States(into, pick)
}

// Peek is Look for a tap: it is called while a tap sees a block, and before the filter does.
func (w *Worker) Peek(pick func(index uint32) bool) []filter.State {
	return w.o.Filter.States(nil, pick)
}

// Hold keeps the worker from handing anything to its batcher until release is called. Meanwhile its filter may be moved to another
// table. A worker is not held for longer than that takes: its device waits.
func (w *Worker) Hold() (f *filter.Filter, release func()) {
	w.feed.Lock()
	return w.o.Filter, w.feed.Unlock
}

// Retire reports every point that is not bad yet as bad, for a device that the gateway does not know any more. It is called once Run has returned.
func (w *Worker) Retire() {
	w.feed.Lock()
	defer w.feed.Unlock()
	now := w.o.Clock.Mono()
	telemetry, critical := w.o.Filter.Fail(point.BadNotConnected, now, w.mapAt(now))
	w.deliver(telemetry, critical)
}
