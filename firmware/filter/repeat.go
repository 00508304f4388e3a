package filter

import (
	"math"
	"time"

	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/point"
)

// Silence reports what a device that reports by itself does not repeat: at monotonic time mono, points silent for
// their MaxSilence, and changes held back by a reduction. The caller vouches that the connection is alive.
func (f *Filter) Silence(mono int64, now clock.Map) (telemetry, critical *Report) {
	f.begin()
	for k := range f.slots {
		s := &f.slots[k]
		switch {
		case s.held && mono-s.reported >= int64(f.reduced.MinInterval):
			f.report(uint32(k), value{time: s.heldAt, bits: s.heldBits, text: s.heldText, quality: f.cells[k].quality})
		case mono < s.next:
		case s.nature == counting:
			f.repeatCounter(uint32(k), mono, f.cells[k].quality, now)
		default:
			f.report(uint32(k), value{time: mono, bits: s.last, text: s.lastText, quality: f.cells[k].quality})
		}
	}
	return f.end()
}

// Fail reports every point that is not bad yet as bad with quality q, for a connection that ended at monotonic time mono.
func (f *Filter) Fail(q point.Quality, mono int64, now clock.Map) (telemetry, critical *Report) {
	f.begin()
	for k := range f.slots {
		s := &f.slots[k]
		if s.started && f.cells[k].quality.IsBad() {
			continue
		}
		switch s.nature {
		case counting:
			f.repeatCounter(uint32(k), mono, q, now)
		case event:
			f.sample(uint32(k), value{time: mono, quality: q})
		default:
			f.report(uint32(k), value{time: mono, bits: s.last, quality: q})
		}
	}
	return f.end()
}

// SetReduction makes telemetry coarser, to save space: deadbands are factor times as wide (at least 1), and a point
// reports a change at most every minInterval. Quality, seats that fill or empty, the critical lane and MaxSilence are never held back. It returns
// the note that declares it from monotonic time mono on; factor 1 and interval 0 end it.
func (f *Filter) SetReduction(factor float64, minInterval time.Duration, mono int64) point.Reduced {
	if !(factor >= 1) || math.IsInf(factor, 0) {
		factor = 1
	}
	f.reduced = point.Reduced{Since: mono, DeadbandFactor: factor, MinInterval: max(minInterval, 0)}
	for k := range f.slots {
		s := &f.slots[k]
		if s.nature != number || !s.telemetry {
			continue
		}
		s.step = rawStep(&f.table[s.index], factor)
		if s.started {
			f.bounds(s, &f.cells[k])
		}
	}
	return f.reduced
}
