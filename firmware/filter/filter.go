// Package filter decides which readings of one device are reported.
package filter

import (
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/point"
)

// Filter is the report by exception of one device. It is not safe for concurrent use.
type Filter struct {
	telemetry, critical Report
}

// New returns the filter of the device whose points are table[own[0]], table[own[1]], …
// cursors returns the durable cursor of a point, if there is one; nil stands for none at all.
func New(table []point.Point, own []uint32, cursors func(point.Name) ([]byte, bool)) *Filter {
	return &Filter{}
}

// Apply passes on what b brings that is worth a report, by lane; nil for nothing. now is the time map in force.
func (f *Filter) Apply(b *drivers.Block, now clock.Map) (telemetry, critical *Report) { return nil, nil }

// Silence reports again what has been silent for its MaxSilence at monotonic time mono.
func (f *Filter) Silence(mono int64, now clock.Map) (telemetry, critical *Report) { return nil, nil }

// Fail reports every point that is not bad yet as bad with quality q.
func (f *Filter) Fail(q point.Quality, mono int64, now clock.Map) (telemetry, critical *Report) {
	return nil, nil
}

// SetReduction widens what is left out of telemetry and returns the note of it.
func (f *Filter) SetReduction(factor float64, minInterval time.Duration, mono int64) point.Reduced {
	return point.Reduced{}
}
