package venue

import (
	"time"

	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// pointGap is a declared loss of samples of one point that never became part of a batch.
type pointGap struct {
	series      *series
	reason      point.GapReason
	count       uint64 // 0 when not known
	first, last int64  // Unix ns; first 0 when not known
	declared    time.Time
}

// same reports whether two batches declared one loss.
func (p *pointGap) same(o *pointGap) bool {
	return p.series == o.series && p.reason == o.reason && p.count == o.count && p.first == o.first && p.last == o.last
}

// addGaps takes over the losses that a batch declares. The caller holds the lock.
func (v *Venue) addGaps(g *gateway, t *table, b *wire.Batch, h wire.Header, received time.Time) {
	for i := range b.Gaps {
		if gap := &b.Gaps[i]; gap.PointKnown {
			v.addPointGap(g, t.series[gap.Index], gap, b, h, received)
		} else {
			v.addGap(g, gap, b, h.Epoch, received)
		}
	}
}

func (v *Venue) addPointGap(g *gateway, s *series, gap *point.Gap, b *wire.Batch, h wire.Header, received time.Time) {
	p := pointGap{series: s, reason: gap.Reason, count: gap.Count, declared: received}
	if m, ok := g.mapOf(gap.Boot, b); ok && gap.First != 0 {
		p.first = m.Wall(gap.First)
	}
	switch {
	case gap.Last != 0 && gap.Boot == b.Map.Boot:
		p.last = b.Map.Wall(gap.Last)
	case h.Count > 0: // until the point's next sample, which is in this batch or comes soon
		p.last = b.Map.Wall(h.First)
		for i := range b.Samples {
			if b.Samples[i].Index == gap.Index {
				p.last = b.Map.Wall(b.Samples[i].Time)
				break
			}
		}
	default:
		p.last = received.UnixNano()
	}
	if p.first == 0 || p.first > p.last {
		p.first = p.last
	}
	for i := range g.pointGaps {
		if g.pointGaps[i].same(&p) {
			return
		}
	}
	g.pointGaps = append(g.pointGaps, p)
	if len(g.pointGaps) > maxPointGaps {
		g.pointGaps = append(g.pointGaps[:0], g.pointGaps[1:]...)
		v.count.GapsDropped++
	}
	s.holed = true
}

// mapOf returns the time map of a boot, best the batch's own.
func (g *gateway) mapOf(boot clock.BootID, b *wire.Batch) (clock.Map, bool) {
	if boot == b.Map.Boot {
		return b.Map, true
	}
	m, ok := g.boots[boot]
	return m, ok
}

// interrupted reports whether a declared loss of the point touches the time from from to to.
func (s *series) interrupted(from, to int64) bool {
	if !s.holed {
		return false
	}
	for i := range s.gateway.pointGaps {
		if p := &s.gateway.pointGaps[i]; p.series == s && p.last >= from && p.first < to {
			return true
		}
	}
	return false
}
