package filter

import (
	"math"

	"github.com/courtside-edge/courtside/sync/point"
)

// value is one reading on its way.
type value struct {
	time       int64
	bits       uint64
	quality    point.Quality
	text       string
	deviceTime int64
}

// setText takes the text that bits names, and reports whether there is one. A bad reading needs none.
func (v *value) setText(texts []string) bool {
	if v.bits < uint64(len(texts)) && !v.quality.IsBad() {
		v.text = texts[v.bits]
		return true
	}
	return v.quality.IsBad()
}

// sign is the highest bit; flipping it makes signed order unsigned.
const sign = 1 << 63

// key maps bits to a number whose unsigned order is the order of the values, for Int, Bool and (float 1) Float.
// It has no branch: it runs for every reading.
func key(bits uint64, float uint8) uint64 {
	negative := uint64(int64(bits)>>63) & -uint64(float)
	return bits ^ (negative | sign)
}

// notANumber stands for every NaN, so that one is like another.
var notANumber = math.Float64bits(math.NaN())

// canonical returns the one form of values that have several: any NaN, any true.
func canonical(t point.Type, bits uint64) uint64 {
	switch {
	case t == point.Bool && bits != 0:
		return 1
	case t == point.Float && bits&^sign > math.Float64bits(math.Inf(1)):
		return notANumber
	}
	return bits
}

// rawStep returns the smallest change of an Int point's raw value that is news: deadband × factor in raw units,
// rounded up; rounding errors of the division do not make it one more.
func rawStep(p *point.Point, factor float64) uint64 {
	if p.Deadband <= 0 {
		return 1
	}
	d := p.Deadband * factor
	if p.Scale != 0 {
		d /= math.Abs(p.Scale)
	}
	d = math.Ceil(d - d*1e-12)
	switch {
	case !(d > 1):
		return 1
	case d >= 1<<62:
		return 1 << 62
	}
	return uint64(d)
}

// window follows a report: the seat's state, then what is no news from now on.
func (f *Filter) window(s *slot, c *cell) {
	if s.nature != number {
		return
	}
	if c.quality.IsBad() {
		s.seat = unknown // whoever reads on may have forgotten it too: report both ways
		c.lo, c.width = 0, math.MaxUint64
		return
	}
	s.seat = s.seat.next(s, key(s.last, c.float))
	f.bounds(s, c)
}

// bounds computes which keys are no news beside s.last.
func (f *Filter) bounds(s *slot, c *cell) {
	if c.quality.IsBad() {
		return
	}
	at := key(s.last, c.float)
	lo, hi := at, at
	if c.float == 1 {
		lo, hi = floatBounds(math.Float64frombits(s.last), f.table[s.index].Deadband*f.factor(s))
	} else if s.step > 1 {
		lo, hi = at-min(at, s.step-1), at+min(math.MaxUint64-at, s.step-1)
	}
	if s.seat != occupied {
		lo, hi = s.taken.clip(lo, at, hi)
	}
	if s.seat != vacant {
		lo, hi = s.free.clip(lo, at, hi)
	}
	c.lo, c.width = lo, hi-lo
}

func (f *Filter) factor(s *slot) float64 {
	if s.telemetry {
		return f.reduced.DeadbandFactor
	}
	return 1
}

// floatBounds returns the lowest and highest key that are less than deadband away from v. The two zeros are one.
func floatBounds(v, deadband float64) (lo, hi uint64) {
	at := key(math.Float64bits(v), 1)
	if math.IsNaN(v) {
		return at, at
	}
	lo, hi = at, at
	if deadband > 0 && !math.IsInf(v, 0) {
		lo = min(at, key(math.Float64bits(math.Nextafter(v-deadband, math.Inf(1))), 1))
		hi = max(at, key(math.Float64bits(math.Nextafter(v+deadband, math.Inf(-1))), 1))
	}
	minusZero, plusZero := uint64(sign-1), uint64(sign)
	if lo == plusZero {
		lo = minusZero
	}
	if hi == minusZero {
		hi = plusZero
	}
	return lo, hi
}
