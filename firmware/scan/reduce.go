package scan

import "time"

// reduction is what the filter is asked to leave out.
type reduction struct {
	factor   float64
	interval time.Duration
}

// Reduce makes the device's telemetry coarser from the next block on; see filter.Filter.SetReduction. Factor 1 and interval 0 end it. It is safe for
// concurrent use, does not wait for the device, and costs nothing when nothing changes.
func (w *Worker) Reduce(factor float64, minInterval time.Duration) {
	wanted := reduction{factor, minInterval}
	if is := w.reduction.Load(); is != nil && *is == wanted || is == nil && wanted == (reduction{1, 0}) {
		return
	}
	w.reduction.Store(&wanted)
}

// economise passes a wish for less on to the filter, once. The caller holds feed.
func (w *Worker) economise() {
	if wanted := w.reduction.Load(); wanted != w.reduced {
		w.reduced = wanted
		w.o.Filter.SetReduction(wanted.factor, wanted.interval, w.o.Clock.Mono())
	}
}
