package venue

import (
	"time"

	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/interval"
	"github.com/courtside-edge/courtside/sync/point"
)

// epoch is what a venue knows of one opening of a gateway's spool.
type epoch struct {
	id          point.Epoch
	name        *point.Epoch // id, by the one pointer that stamps compare
	predecessor point.Epoch
	open        bool      // by the newest inventory
	seen        bool      // some inventory listed it
	closed      bool      // some inventory listed it as ended, so that it is known how far it went
	born        time.Time // received time of the first record that named it
	applied     time.Time // received time of the newest batch
	clock       clock.Map // of its boot, by the newest inventory that listed it
	stale       bool      // stands in its gateway's list of those whose holes have to be found again
	lanes       [2]laneState
}

// laneState is one lane of an epoch: what the state holds, what lies in the log beside it, what the gateway says.
type laneState struct {
	held     ledger
	logged   interval.Set  // in the log under a good header, but not in the state: waits for its table, or is set aside
	next     uint64        // every seq below was given, by the inventories
	gone     interval.Set  // given, and by some inventory not held by the gateway any more
	pending  []pendingSpan // held by the gateway, by the newest inventory; what is known here is left out
	awaited  bool          // something was pending when the holes were found last
	declared []declared    // losses that batches carried, by seq
	told     []declared    // losses that the newest inventory told ahead of a batch
	cut      *cut          // of an epoch that was not closed cleanly
	accused  interval.Set  // neither durable, nor pending, nor declared: an alarm was raised
	missed   time.Time     // received time of the inventory that showed such seqs first
	holes    []hole        // what all that comes to
}

// pendingSpan is batches that a gateway still holds.
type pendingSpan struct {
	from, to    uint64
	first, last int64 // Unix ns
}

// declared is a declared loss of batches.
type declared struct {
	from, to    uint64
	count       uint64 // samples; 0 when not known
	reason      point.GapReason
	first, last int64 // Unix ns, of the lost samples themselves; both 0 when not known
	at          time.Time
}

// cut is the open gap of an epoch: everything from a seq on that is neither held nor pending.
type cut struct {
	from   uint64
	reason point.GapReason
	at     time.Time
	// carrier is the later epoch whose batch declared it; zero when an inventory did.
	carrier point.Epoch
}

// tomb is what is remembered of an epoch that has been settled for longer than the horizon.
type tomb struct {
	id    point.Epoch
	next  [2]uint64 // every seq below was accounted for
	first [2]int64  // Unix ns of the first sample, 0 for none
}

// opened adds an open gap; of several the earliest in seqs counts.
func (ls *laneState) opened(c cut) {
	switch {
	case ls.cut == nil:
		ls.cut = &c
		return
	case c.from < ls.cut.from:
		ls.cut.from = c.from
	}
	if c.at.Before(ls.cut.at) {
		ls.cut.at = c.at
	}
	if ls.cut.carrier.IsZero() {
		ls.cut.carrier = c.carrier
	}
	if ls.cut.reason == point.GapUnaccounted { // whoever declares knows more than who misses
		ls.cut.reason = c.reason
	}
}

// known returns the number behind the highest one that the lane is known to have.
func (ls *laneState) known() uint64 {
	n := max(ls.next, ls.held.next())
	if iv, ok := ls.logged.Last(); ok {
		n = max(n, iv.To)
	}
	return n
}

// left returns the pending spans without what is held or logged here.
func (ls *laneState) left(spans []pendingSpan) []pendingSpan {
	var out []pendingSpan
	for _, p := range spans {
		s := interval.FromIntervals(interval.Interval{From: p.from, To: p.to})
		ls.takeKnown(&s)
		for iv := range s.All() {
			out = append(out, pendingSpan{iv.From, iv.To, p.first, p.last})
		}
	}
	return out
}

// takeKnown removes from s what is in the state or in the log.
func (ls *laneState) takeKnown(s *interval.Set) {
	ls.held.takeFrom(s)
	if ls.logged.Len() > 0 {
		for iv := range ls.logged.All() {
			s.Remove(iv)
		}
	}
}

// settled reports whether nothing more can be expected of the epoch and no end of its holes is open.
func (e *epoch) settled() bool {
	if e.open || !e.seen {
		return false
	}
	for i := range e.lanes {
		ls := &e.lanes[i]
		if len(ls.pending) > 0 || ls.logged.Len() > 0 || len(ls.told) > 0 {
			return false
		}
		for _, h := range ls.holes {
			if h.last == always {
				return false
			}
		}
	}
	return true
}
