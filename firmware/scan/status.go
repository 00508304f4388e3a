package scan

import (
	"slices"
	"time"

	"github.com/courtside-edge/courtside/sync/point"
)

// State is how a device's connection stands.
type State uint8

// The states of a connection.
const (
	Connecting State = iota // neither answered nor failed since the start
	Up                      // it answers
	Down                    // a transient failure; retried soon
	Failed                  // a permanent failure; needs a person, retried slowly
)

// String returns the state as the gateway's status writes it.
func (s State) String() string {
	switch s {
	case Connecting:
		return "connecting"
	case Up:
		return "up"
	case Down:
		return "down"
	case Failed:
		return "failed"
	}
	return "unknown"
}

// Status is a device's health. Times are monotonic ns.
type Status struct {
	State      State
	Cause      string // of Down and Failed
	Err        error  // what Cause is the text of; nil otherwise
	Since      int64  // when State was entered
	LastAnswer int64  // when something that was not bad came last; 0 for never
	Values     uint64 // readings that the device gave
	Bad        int    // points that were last reported as bad
	Passed     uint64 // samples that passed the filter
	Failures   uint64 // connections that could not be made or that ended
	Lost       uint64 // of them, those that ended while the device was up
	Panics     uint64 // of the driver, counted in Failures too
	Classes    []ClassStatus
}

// Overruns returns the slots missed by all classes.
func (s Status) Overruns() (n uint64) {
	for _, c := range s.Classes {
		n += c.Overruns
	}
	return n
}

// ClassStatus is how one scan class fares.
type ClassStatus struct {
	Name        string
	Scans       uint64
	Overruns    uint64        // slots that no scan was begun in
	Latency     time.Duration // of the last scan, from its slot to its end
	MaxLatency  time.Duration
	LatencySum  time.Duration // over Scans; for the mean
	LastStarted int64
}

// Observer learns of changes of state. It is called by the worker's goroutine and must not block.
type Observer interface {
	DeviceChanged(device point.ID, s Status)
}

// Status returns the device's health now. It is safe for concurrent use.
func (w *Worker) Status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.status
	s.Classes = slices.Clone(s.Classes)
	return s
}

// enter moves to a state and tells the observer, unless nothing changes.
func (w *Worker) enter(state State, err error) {
	cause := cause(err)
	w.mu.Lock()
	w.status.Err = err
	changed := w.status.State != state || w.status.Cause != cause
	if changed {
		if w.status.State != state {
			w.status.Since = w.o.Clock.Mono()
		}
		w.status.State, w.status.Cause = state, cause
	}
	s := w.status
	s.Classes = slices.Clone(s.Classes)
	w.mu.Unlock()
	if changed && w.o.Observer != nil {
		w.o.Observer.DeviceChanged(w.o.Device, s)
	}
}
