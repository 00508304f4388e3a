package venue

import (
	"sort"

	"github.com/courtside-edge/courtside/sync/interval"
)

// stretch is applied batches without a hole between them, with the times at its two ends.
type stretch struct {
	from, to    uint64
	first, last int64 // Unix ns: the first sample of the lowest batch that has any, the last one of the highest; 0 for none
}

// ledger is which seqs of a lane the state holds. The zero value holds none.
type ledger struct{ stretches []stretch }

// at returns the position of the first stretch that ends behind seq.
func (l *ledger) at(seq uint64) int {
	if n := len(l.stretches); n > 0 && l.stretches[n-1].from <= seq {
		if l.stretches[n-1].to > seq {
			return n - 1
		}
		return n
	}
	return sort.Search(len(l.stretches), func(k int) bool { return l.stretches[k].to > seq })
}

// has reports whether seq is held.
func (l *ledger) has(seq uint64) bool {
	k := l.at(seq)
	return k < len(l.stretches) && l.stretches[k].from <= seq
}

// joins reports whether seq touches a stretch, so that adding it makes none.
func (l *ledger) joins(seq uint64) bool {
	k := l.at(seq)
	return k > 0 && l.stretches[k-1].to == seq || k < len(l.stretches) && l.stretches[k].from <= seq+1
}

// next returns the number behind the highest one that is held.
func (l *ledger) next() uint64 {
	if n := len(l.stretches); n > 0 {
		return l.stretches[n-1].to
	}
	return 0
}

// add holds seq, whose samples lie between first and last, both 0 for a batch without samples. It reports whether seq went behind all
// others without a hole; nothing but such batches come while all is well.
func (l *ledger) add(seq uint64, first, last int64) (behind bool) {
	k := l.at(seq)
	if k < len(l.stretches) && l.stretches[k].from <= seq {
		return false // held already
	}
	below := k > 0 && l.stretches[k-1].to == seq
	above := k < len(l.stretches) && l.stretches[k].from == seq+1
	switch {
	case below && above:
		a, b := &l.stretches[k-1], l.stretches[k]
		a.extend(first, last)
		a.extend(b.first, b.last)
		a.to = b.to
		l.stretches = append(l.stretches[:k], l.stretches[k+1:]...)
	case below:
		l.stretches[k-1].to++
		l.stretches[k-1].extend(first, last)
		return k == len(l.stretches)
	case above:
		b := &l.stretches[k]
		b.from--
		if first != 0 || last != 0 {
			b.first = first
			if b.last == 0 {
				b.last = last
			}
		}
	default:
		l.stretches = append(l.stretches, stretch{})
		copy(l.stretches[k+1:], l.stretches[k:])
		l.stretches[k] = stretch{seq, seq + 1, first, last}
	}
	return false
}

// extend moves the upper end to a later batch's.
func (s *stretch) extend(first, last int64) {
	if first == 0 && last == 0 {
		return
	}
	if s.first == 0 && s.last == 0 {
		s.first = first
	}
	s.last = last
}

// count returns how many batches are held.
func (l *ledger) count() (n uint64) {
	for i := range l.stretches {
		n += l.stretches[i].to - l.stretches[i].from
	}
	return n
}

// takeFrom removes from s what is held.
func (l *ledger) takeFrom(s *interval.Set) {
	bounds, ok := s.First()
	if !ok {
		return
	}
	for k := l.at(bounds.From); k < len(l.stretches); k++ {
		s.Remove(interval.Interval{From: l.stretches[k].from, To: l.stretches[k].to})
	}
}

// covers reports whether everything of s is held, in the plain case of one stretch from the lane's beginning.
func (l *ledger) covers(s *interval.Set) bool {
	last, ok := s.Last()
	return !ok || len(l.stretches) > 0 && l.stretches[0].from == 0 && last.To <= l.stretches[0].to
}

// around returns when the batches ended below from and began again at or above to; 0 when none with samples is held there.
func (l *ledger) around(from, to uint64) (before, after int64) {
	k := l.at(from)
	for b := k - 1; b >= 0 && before == 0; b-- {
		before = l.stretches[b].last
	}
	for ; k < len(l.stretches) && after == 0; k++ {
		if l.stretches[k].from >= to {
			after = l.stretches[k].first
		}
	}
	return before, after
}

// begin returns the time of the first sample that is held, 0 for none.
func (l *ledger) begin() int64 {
	for i := range l.stretches {
		if l.stretches[i].first != 0 {
			return l.stretches[i].first
		}
	}
	return 0
}
