package venue

import (
	"cmp"
	"slices"
	"time"
)

// forgivenSkew is how far the clocks of two gateways that read one register may lie apart.
const forgivenSkew = 2 * time.Second

// leg is the part of a run for which its gateway is the one that counts.
type leg struct {
	series   *series
	run      *run
	from, to int64 // Unix ns, both inclusive
}

// knot is where the count stands: on a mark of a run.
type knot struct {
	series *series
	run    *run
	mark   mark
}

// stand is the passages of a counter that several gateways read, up to a bucket.
type stand struct {
	passages uint64
	broken   bool // at some switch between gateways the passages in between are not known
	end      knot
}

// shared counts a register that several gateways read: for each span the best-ranked gateway that has a run there. At a switch the count goes
// on from both raw values, when the register can have gone round once at most in between; otherwise what lies between is a gap.
func (p *pointState) shared(bucket int64) stand {
	t := p.base
	for _, s := range p.series {
		t.broken = t.broken || s.summedRuns > 0 // what was added up cannot be told apart by time any more
	}
	for _, l := range p.legs(bucket) {
		marks := l.marks(bucket, t.end)
		if len(marks) == 0 {
			continue
		}
		last := marks[len(marks)-1]
		if t.enter(l, marks[0], last.total-marks[0].total) {
			t.end = knot{l.series, l.run, last}
		}
	}
	return t
}

// marks returns the leg's marks up to bucket that may tell more than what is counted already, with ascending totals. Marks are all that is kept of
// a bucket: a leg without one has the next one, if it is of the bucket in which the leg ends. One that lies before the leg may
// do so because of its gateway's clock.
func (l *leg) marks(bucket int64, end knot) (out []mark) {
	skew, inside := int64(forgivenSkew), false
	for _, m := range l.run.marks {
		late := m.wall > l.to
		if m.bucket > bucket || late && (inside || m.wall-l.to > l.series.gateway.bucket) {
			break
		}
		inside = inside || m.wall >= l.from
		switch {
		case m.wall < l.from-skew, len(out) > 0 && m.total < out[len(out)-1].total:
		case end.run == l.run && m.wall <= end.mark.wall:
		case end.run != nil && end.series != l.series && m.wall < end.mark.wall-skew:
		default:
			out = append(out, m)
		}
	}
	return out
}

// enter goes over to the leg at its mark m and adds what the leg counts from there on. It reports false, and does nothing, when the leg saw
// nothing that is not counted: its gateway's clock is ahead.
func (t *stand) enter(l leg, m mark, counts uint64) bool {
	end := t.end
	switch {
	case end.run == nil, end.series == l.series && end.run != l.run:
		t.passages += m.total // the run's own gateway decided that it is a new one: it counts from its first read
	case end.run == l.run:
		t.passages += m.total - min(m.total, end.mark.total)
	default:
		delta, ok := crossing(end, knot{l.series, l.run, m})
		switch {
		case ok && delta < 0 && counts <= uint64(-delta):
			return false
		case ok:
			t.passages += uint64(delta) // which may wrap around, and back with what is added below
		default:
			t.broken = true
			if l.run.begin > end.mark.wall {
				t.passages += m.total
			}
		}
	}
	t.passages += counts
	return true
}

// crossing returns how far the register moved from one gateway's mark to another's, and false when its going round cannot be told from
// a reset. It is negative by what the second gateway's clock is ahead.
func crossing(a, b knot) (int64, bool) {
	mask, rate := b.run.mask(), b.series.last.point.MaxRate
	if a.run.mask() != mask {
		return 0, false
	}
	most := rate*(time.Duration(b.mark.wall-a.mark.wall)+forgivenSkew).Seconds() + 1
	back := rate*forgivenSkew.Seconds() + 1
	if most+back > float64(mask) {
		return 0, false
	}
	from, to := a.run.raw(a.mark.total), b.run.raw(b.mark.total)
	if up := (to - from) & mask; float64(up) <= most {
		return int64(up), true
	}
	if down := (from - to) & mask; float64(down) <= back {
		return -int64(down), true
	}
	return 0, false
}

// legs returns, in order of time, which run of which gateway counts when, up to bucket and behind what was added up.
func (p *pointState) legs(bucket int64) []leg {
	var out, better []leg
	for _, s := range p.series {
		var own []leg
		for _, r := range s.runs {
			if m, ok := r.upTo(bucket); ok && m.wall > p.baseTo {
				own = append(own, leg{s, r, max(r.begin, p.baseTo+1), m.wall})
			}
		}
		for _, l := range own {
			out = append(out, uncovered(l, better)...)
		}
		better = append(better, own...)
	}
	slices.SortFunc(out, func(a, b leg) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to), cmp.Compare(a.run.id, b.run.id))
	})
	return out
}

// upTo returns the mark of the run with the latest time at or before the end of bucket.
func (r *run) upTo(bucket int64) (mark, bool) {
	for _, m := range slices.Backward(r.marks) {
		if m.bucket <= bucket {
			return m, true
		}
	}
	return mark{}, false
}

// uncovered returns the parts of l that no better leg covers.
func uncovered(l leg, better []leg) []leg {
	parts := []leg{l}
	for _, b := range better {
		var next []leg
		for _, p := range parts {
			if b.to < p.from || b.from > p.to {
				next = append(next, p)
				continue
			}
			if p.from < b.from {
				next = append(next, leg{p.series, p.run, p.from, b.from - 1})
			}
			if b.to < p.to {
				next = append(next, leg{p.series, p.run, b.to + 1, p.to})
			}
		}
		parts = next
	}
	return parts
}
