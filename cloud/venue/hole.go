package venue

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/courtside-edge/courtside/sync/interval"
	"github.com/courtside-edge/courtside/sync/point"
)

// always ends a span that has not ended yet.
const always = math.MaxInt64

// hole is batches that the state will never hold, as far as is known now. It never covers a seq that the state holds.
type hole struct {
	from, to    uint64 // to 0 for an open end
	reason      point.GapReason
	count       uint64 // samples; 0 when not known
	first, last int64  // Unix ns: the lost samples' own times, or else the neighbours'; first 0 for "from the beginning", last may be always
	exact       bool   // the lost samples' own times
	accused     bool   // an alarm was raised
	declared    time.Time
}

// end returns the seq behind the hole.
func (h *hole) end() uint64 {
	if h.to == 0 {
		return math.MaxUint64
	}
	return h.to
}

// compareDeclared is the one order in which declarations are looked at, whatever order they came in; 0 for the same loss.
func compareDeclared(a, b declared) int {
	return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to), cmp.Compare(a.reason, b.reason), cmp.Compare(a.first, b.first), cmp.Compare(a.last, b.last))
}

// findHoles works out the lane's holes from what is held, pending, declared and told by inventories.
func (g *gateway) findHoles(e *epoch, l int) []hole {
	ls := &e.lanes[l]
	if ls.cut == nil && len(ls.declared) == 0 && len(ls.told) == 0 && ls.held.covers(&ls.gone) {
		return nil
	}
	lost := ls.gone.Clone()
	known := ls.known()
	if ls.cut != nil {
		lost.Add(interval.Interval{From: ls.cut.from, To: known})
	}
	for _, p := range ls.pending {
		lost.Remove(interval.Interval{From: p.from, To: p.to})
	}
	for _, list := range [][]declared{ls.declared, ls.told} {
		for _, d := range list {
			lost.Add(interval.Interval{From: d.from, To: d.to})
		}
	}
	ls.takeKnown(&lost)
	holes := ls.reasons(&lost)
	if c := ls.cut; c != nil {
		holes = append(holes, hole{from: max(known, c.from), reason: c.reason, declared: c.at, accused: c.reason == point.GapUnaccounted})
	}
	holes = joinHoles(holes)
	for i := range holes {
		g.dateHole(e, l, &holes[i])
	}
	return holes
}

// reasons says of everything lost why, and takes it out of lost.
func (ls *laneState) reasons(lost *interval.Set) (holes []hole) {
	for _, list := range [][]declared{ls.declared, ls.told} {
		for _, d := range list {
			for _, iv := range slices.Collect(lost.Within(interval.Interval{From: d.from, To: d.to})) {
				h := hole{from: iv.From, to: iv.To, reason: d.reason, first: d.first, last: d.last, exact: d.last != 0, declared: d.at}
				if iv.Len() == d.to-d.from {
					h.count = d.count
				}
				holes = append(holes, h)
				lost.Remove(iv)
			}
		}
	}
	if c := ls.cut; c != nil {
		for _, iv := range slices.Collect(lost.Within(interval.Interval{From: c.from, To: math.MaxUint64})) {
			holes = append(holes, hole{from: iv.From, to: iv.To, reason: c.reason, declared: c.at, accused: c.reason == point.GapUnaccounted})
			lost.Remove(iv)
		}
	}
	for iv := range lost.All() {
		accused := interval.FromIntervals(iv)
		for clear := range ls.accused.Missing(iv) {
			accused.Remove(clear)
			holes = append(holes, hole{from: clear.From, to: clear.To, reason: point.GapUnaccounted, declared: ls.missed})
		}
		for a := range accused.All() {
			holes = append(holes, hole{from: a.From, to: a.To, reason: point.GapUnaccounted, declared: ls.missed, accused: true})
		}
	}
	return holes
}

// joinHoles sorts holes and makes one of those that touch and were lost for one reason.
func joinHoles(holes []hole) []hole {
	slices.SortFunc(holes, func(a, b hole) int { return cmp.Compare(a.from, b.from) })
	out := holes[:0]
	for _, h := range holes {
		if n := len(out); n > 0 {
			p := &out[n-1]
			if p.to == h.from && p.reason == h.reason && p.accused == h.accused && p.exact == h.exact {
				if p.to = h.to; p.count != 0 && h.count != 0 {
					p.count += h.count
				} else {
					p.count = 0
				}
				p.first, p.last = min(p.first, h.first), max(p.last, h.last)
				if h.declared.Before(p.declared) {
					p.declared = h.declared
				}
				continue
			}
		}
		out = append(out, h)
	}
	return out
}

// dateHole gives a hole whose own times are not known those of its neighbours: from the last held sample before it to
// the next held one, or to the first one of the epoch that followed.
func (g *gateway) dateHole(e *epoch, l int, h *hole) {
	if h.exact {
		return
	}
	h.first, h.last = e.lanes[l].held.around(h.from, h.end())
	if h.first == 0 && e.clock.Source.Dated() {
		h.first = e.clock.Wall(e.clock.From)
	}
	if h.last == 0 {
		h.last = g.beginAfter(e, l, h.first)
	}
	if h.last < h.first { // batches of one lane may overlap in time
		h.first, h.last = h.last, h.first
	}
}

// beginAfter returns the time of the first sample of the lane that later epochs hold, or always. after is that of the last one that e holds before the hole.
func (g *gateway) beginAfter(e *epoch, l int, after int64) int64 {
	id, carrier := e.id, point.Epoch{}
	if c := e.lanes[l].cut; c != nil {
		carrier = c.carrier
	}
	for range len(g.successor) + 1 {
		next, ok := g.successor[id]
		if !ok {
			next, carrier = carrier, point.Epoch{}
		}
		if next.IsZero() || next == e.id {
			break
		}
		if s := g.epochs[next]; s != nil {
			if at := s.lanes[l].held.begin(); at != 0 {
				return at
			}
		} else if t := g.tombs[next]; t != nil && t.first[l] != 0 {
			return t.first[l]
		}
		id = next
	}
	if end := g.epochs[id]; end != nil && end.open {
		return always
	}
	return g.beginOfAny(l, after)
}

// beginOfAny returns the time of the first sample of the lane behind after with which any epoch begins, or always. It ends the holes of an
// epoch that no other one follows by name: the gateway's storage was replaced. A gateway has one epoch at a time, and each begins with all
// points.
func (g *gateway) beginOfAny(l int, after int64) int64 {
	first := int64(always)
	if after == 0 { // nothing says when the epoch was
		return first
	}
	for _, s := range g.epochs {
		if at := s.lanes[l].held.begin(); at > after {
			first = min(first, at)
		}
	}
	for _, t := range g.tombs {
		if at := t.first[l]; at > after {
			first = min(first, at)
		}
	}
	return first
}
