package spool

import (
	"math"
	"slices"
	"sort"

	"github.com/courtside-edge/courtside/sync/interval"
	"github.com/courtside-edge/courtside/sync/point"
)

// mark is n stored batches of one epoch whose numbers are known and dense, as their offsets are.
type mark struct {
	offset, n uint64
	epoch     int // position in Spool.epochs
	seq       uint64
}

// declareBlind declares stored batches of which opening could read neither the content nor the number. Batches of a lane lie in the order of
// their numbers: what the neighbours and the epochs' ends leave over are the numbers that were there, and some that were acknowledged and
// released between them, which a gap never covers because the cloud holds them. An epoch that ended uncleanly has its open gap.
func (s *Spool) declareBlind() {
	for at, l := range s.lanes {
		if l.blind.Len() == 0 {
			continue
		}
		lost := make([]interval.Set, len(s.epochs))
		marks := s.marks(at)
		for bad := range l.blind.All() {
			s.between(at, marks, bad, lost)
		}
		l.blind = interval.Set{}
		for i, ep := range s.epochs {
			for _, p := range s.gaps.pending { // a number that could be read, or that dropped before
				if p.gap.Epoch == ep.id && p.gap.Lane == l.lane && p.gap.To > 0 {
					lost[i].Remove(interval.Interval{From: p.gap.From, To: p.gap.To})
				}
			}
			for iv := range lost[i].All() {
				s.gaps.add(point.Gap{Epoch: ep.id, Lane: l.lane, From: iv.From, To: iv.To, Boot: ep.at.Boot, Reason: point.GapCorrupt})
			}
		}
	}
}

// marks returns what is known of a lane's stored batches, by offset.
func (s *Spool) marks(at int) (marks []mark) {
	for i, ep := range s.epochs {
		hold := &ep.hold[at]
		for _, p := range hold.pages {
			for _, sp := range p.spans {
				marks = append(marks, mark{sp.offset, sp.n, i, sp.seq})
			}
		}
		hold.each(interval.Interval{To: math.MaxUint64}, func(seq uint64, e *entry) {
			if e.stored {
				marks = append(marks, mark{e.offset, 1, i, seq})
			}
		})
	}
	slices.SortFunc(marks, func(a, b mark) int {
		if a.offset < b.offset {
			return -1
		}
		return 1
	})
	return marks
}

// between adds to lost the numbers of clean epochs that are not held and lie between those of the batches around bad.
func (s *Spool) between(at int, marks []mark, bad interval.Interval, lost []interval.Set) {
	right := sort.Search(len(marks), func(i int) bool { return marks[i].offset >= bad.To })
	for i, ep := range s.epochs {
		hold := &ep.hold[at]
		from, to := uint64(0), hold.next
		if right > 0 {
			switch m := marks[right-1]; {
			case i < m.epoch:
				continue
			case i == m.epoch:
				from = m.seq + min(m.n, bad.From-m.offset)
			}
		}
		if right < len(marks) {
			switch m := marks[right]; {
			case i > m.epoch:
				continue
			case i == m.epoch:
				to = min(to, m.seq)
			}
		}
		if !ep.clean || ep.settled || from >= to {
			continue
		}
		for iv := range hold.held.Missing(interval.Interval{From: from, To: to}) {
			lost[i].Add(iv)
		}
	}
}
