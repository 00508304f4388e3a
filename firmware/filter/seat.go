package filter

import (
	"math"

	"github.com/courtside-edge/courtside/sync/point"
)

// occupancy is what the hysteresis of a numeric seat says.
type occupancy uint8

const (
	unknown occupancy = iota // no value since the start or a bad spell was clearly one or the other
	occupied
	vacant
)

// region is the keys from lo to hi; none when it has none.
type region struct {
	lo, hi uint64
	some   bool
}

func (r region) has(k uint64) bool { return r.some && k >= r.lo && k <= r.hi }

// clip cuts r off lo … hi, on the side of at where r lies.
func (r region) clip(lo, at, hi uint64) (uint64, uint64) {
	switch {
	case !r.some:
	case r.lo > at:
		hi = min(hi, r.lo-1)
	case r.hi < at:
		lo = max(lo, r.hi+1)
	}
	return lo, hi
}

// next returns the state after a value with key k.
func (o occupancy) next(s *slot, k uint64) occupancy {
	switch {
	case s.taken.has(k):
		return occupied
	case s.free.has(k):
		return vacant
	}
	return o
}

// seatRegions returns the keys at which a numeric seat is taken and free, exactly as point.Number computes values.
func seatRegions(p *point.Point) (taken, free region) {
	if p.Kind != point.Seat || p.OccupiedAbove == 0 && p.OccupiedBelow == 0 {
		return region{}, region{}
	}
	switch p.Type {
	case point.Float:
		top, bottom := key(math.Float64bits(math.Inf(1)), 1), key(math.Float64bits(math.Inf(-1)), 1)
		taken = region{lo: floatKey(p.OccupiedAbove), hi: top, some: true}
		free = region{lo: bottom, hi: floatKey(p.OccupiedBelow) - 1, some: true}
	case point.Int:
		number := func(k uint64) float64 { return p.Number(k ^ sign) }
		if p.Scale >= 0 {
			taken = from(func(k uint64) bool { return number(k) >= p.OccupiedAbove })
			free = below(func(k uint64) bool { return number(k) >= p.OccupiedBelow })
		} else {
			taken = below(func(k uint64) bool { return number(k) < p.OccupiedAbove })
			free = from(func(k uint64) bool { return number(k) < p.OccupiedBelow })
		}
	}
	return taken, free
}

// floatKey returns the lowest key of a value equal to v: of zeros the negative one.
func floatKey(v float64) uint64 {
	if v == 0 {
		v = math.Copysign(0, -1)
	}
	return key(math.Float64bits(v), 1)
}

// from returns the keys from the first for which is is true; is stays true once it is.
func from(is func(uint64) bool) region {
	k, ok := first(is)
	return region{lo: k, hi: math.MaxUint64, some: ok}
}

// below returns the keys before the first for which is is true.
func below(is func(uint64) bool) region {
	k, ok := first(is)
	if !ok {
		return region{hi: math.MaxUint64, some: true}
	}
	return region{hi: k - 1, some: k > 0}
}

// first finds the lowest key for which is is true.
func first(is func(uint64) bool) (uint64, bool) {
	if !is(math.MaxUint64) {
		return 0, false
	}
	lo, hi := uint64(0), uint64(math.MaxUint64)
	for lo < hi {
		mid := lo + (hi-lo)/2
		if is(mid) {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo, true
}
