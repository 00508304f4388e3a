// Package interval holds sets of sequence numbers as sorted half-open intervals.
//
// A set of n intervals takes 16n bytes; dense sequences with few holes stay at one or two. It
// has no goroutine, no lock and no dependency beyond the standard library.
package interval

import (
	"iter"
	"sort"
)

// Interval is the half-open range From ≤ n < To.
type Interval struct{ From, To uint64 }

// Len returns how many numbers i holds.
func (i Interval) Len() uint64 { return i.To - i.From }

// Set is a set of numbers. The zero value is empty and ready. It is not safe for concurrent use.
type Set struct{ ivs []Interval }

// FromIntervals returns the union of ivs, which may overlap and come in any order. Empty ones are dropped.
func FromIntervals(ivs ...Interval) Set {
	var s Set
	for _, i := range ivs {
		s.Add(i)
	}
	return s
}

// Add inserts i and reports how many of its numbers were new.
func (s *Set) Add(i Interval) uint64 {
	if i.From >= i.To {
		return 0
	}
	// The common case: the next number of a dense sequence.
	if n := len(s.ivs); n > 0 && s.ivs[n-1].To == i.From {
		s.ivs[n-1].To = i.To
		return i.Len()
	}
	lo := sort.Search(len(s.ivs), func(k int) bool { return s.ivs[k].To >= i.From })
	hi := sort.Search(len(s.ivs), func(k int) bool { return s.ivs[k].From > i.To })
	if lo == hi {
		s.ivs = append(s.ivs, Interval{})
		copy(s.ivs[lo+1:], s.ivs[lo:])
		s.ivs[lo] = i
		return i.Len()
	}
	held := uint64(0)
	merged := Interval{min(i.From, s.ivs[lo].From), max(i.To, s.ivs[hi-1].To)}
	for _, k := range s.ivs[lo:hi] {
		held += k.Len()
	}
	s.ivs[lo] = merged
	s.ivs = append(s.ivs[:lo+1], s.ivs[hi:]...)
	return merged.Len() - held
}

// AddOne inserts n and reports whether it was new.
func (s *Set) AddOne(n uint64) bool { return s.Add(Interval{n, n + 1}) == 1 }

// Remove takes i out of the set and reports how many numbers it took.
func (s *Set) Remove(i Interval) uint64 {
	if i.From >= i.To {
		return 0
	}
	lo := sort.Search(len(s.ivs), func(k int) bool { return s.ivs[k].To > i.From })
	hi := sort.Search(len(s.ivs), func(k int) bool { return s.ivs[k].From >= i.To })
	if lo >= hi {
		return 0
	}
	var keep []Interval
	taken := uint64(0)
	for _, k := range s.ivs[lo:hi] {
		cut := Interval{max(k.From, i.From), min(k.To, i.To)}
		taken += cut.Len()
		if k.From < cut.From {
			keep = append(keep, Interval{k.From, cut.From})
		}
		if cut.To < k.To {
			keep = append(keep, Interval{cut.To, k.To})
		}
	}
	tail := append(keep, s.ivs[hi:]...)
	s.ivs = append(s.ivs[:lo], tail...)
	return taken
}

// Has reports whether n is in the set.
func (s *Set) Has(n uint64) bool {
	k := sort.Search(len(s.ivs), func(k int) bool { return s.ivs[k].To > n })
	return k < len(s.ivs) && s.ivs[k].From <= n
}

// Covers reports whether every number of i is in the set.
func (s *Set) Covers(i Interval) bool {
	if i.From >= i.To {
		return true
	}
	k := sort.Search(len(s.ivs), func(k int) bool { return s.ivs[k].To > i.From })
	return k < len(s.ivs) && s.ivs[k].From <= i.From && s.ivs[k].To >= i.To
}

// Count returns how many numbers the set holds.
func (s *Set) Count() uint64 {
	n := uint64(0)
	for _, i := range s.ivs {
		n += i.Len()
	}
	return n
}

// Len returns how many intervals the set needs.
func (s *Set) Len() int { return len(s.ivs) }

// First returns the smallest interval, and false when the set is empty.
func (s *Set) First() (Interval, bool) {
	if len(s.ivs) == 0 {
		return Interval{}, false
	}
	return s.ivs[0], true
}

// All yields the intervals in ascending order; they neither overlap nor touch.
func (s *Set) All() iter.Seq[Interval] {
	return func(yield func(Interval) bool) {
		for _, i := range s.ivs {
			if !yield(i) {
				return
			}
		}
	}
}

// Missing yields, in ascending order, the intervals of within that the set does not hold.
func (s *Set) Missing(within Interval) iter.Seq[Interval] {
	return func(yield func(Interval) bool) {
		at := within.From
		for _, i := range s.ivs {
			if i.To <= at {
				continue
			}
			if i.From >= within.To {
				break
			}
			if i.From > at && !yield(Interval{at, i.From}) {
				return
			}
			at = i.To
		}
		if at < within.To {
			yield(Interval{at, within.To})
		}
	}
}

// Clone returns a copy that shares nothing with s.
func (s *Set) Clone() Set { return Set{ivs: append([]Interval(nil), s.ivs...)} }

// Last returns the largest interval, and false when the set is empty.
func (s *Set) Last() (Interval, bool) {
	if len(s.ivs) == 0 {
		return Interval{}, false
	}
	return s.ivs[len(s.ivs)-1], true
}

// Within yields, in ascending order, the parts of the set that lie in bounds. The set must not change meanwhile.
func (s *Set) Within(bounds Interval) iter.Seq[Interval] {
	return func(yield func(Interval) bool) {
		lo := sort.Search(len(s.ivs), func(k int) bool { return s.ivs[k].To > bounds.From })
		for _, i := range s.ivs[lo:] {
			if i.From >= bounds.To {
				return
			}
			if !yield(Interval{max(i.From, bounds.From), min(i.To, bounds.To)}) {
				return
			}
		}
	}
}
