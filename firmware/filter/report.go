package filter

import "github.com/courtside-edge/courtside/sync/point"

// Report is what passed the filter, of one lane. The filter reuses its slices: a Report is valid until the filter's
// next call, and who keeps it copies it. Only the bytes of Cursors are never written again.
type Report struct {
	Samples     []point.Sample
	Texts       []string           // what Bits of Text samples index
	DeviceTimes []point.DeviceTime // Position counts in Samples
	Runs        []point.CounterRun // of each counter point that Samples names; a sample belongs to the last one of its point with Start ≤ Time
	Events      []point.EventKey   // Position counts in Samples
	Gaps        []point.Gap
	Cursors     []point.Cursor // how far each counter in Samples, and each event source, was read; commits with them
}

// Empty reports whether r holds nothing; a nil Report is empty.
func (r *Report) Empty() bool {
	return r == nil || len(r.Samples) == 0 && len(r.Gaps) == 0 && len(r.Cursors) == 0
}

func (r *Report) reset() {
	clear(r.Texts) // lets go of the strings
	clear(r.Cursors)
	r.Samples, r.Texts, r.DeviceTimes = r.Samples[:0], r.Texts[:0], r.DeviceTimes[:0]
	r.Runs, r.Events, r.Gaps, r.Cursors = r.Runs[:0], r.Events[:0], r.Gaps[:0], r.Cursors[:0]
}
