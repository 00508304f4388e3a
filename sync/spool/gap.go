package spool

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/courtside-edge/courtside/sync/interval"
	"github.com/courtside-edge/courtside/sync/point"
)

const (
	gapPrefix = "gap/"
	// maxGaps bounds the gaps that wait for a batch to carry them. Beyond, a gap is merged with the last one of its
	// epoch, lane and reason although batches lie between: a gap never covers a seq that the cloud holds.
	maxGaps = 1024
	// maxRiding bounds the gaps that one batch carries; about 60 bytes each.
	maxRiding = 512
)

// pendingGap is a gap that no durable batch carries yet.
type pendingGap struct {
	id     uint64
	gap    point.Gap
	saved  bool            // its newest form is in the critical store's state
	stored bool            // some form of it is
	riding bool            // handed out by Gaps, or in a batch that is not durable
	places [2]interval.Set // offsets to release, by lane, once the gap is durable
}

// gapList is every gap that no durable batch carries yet. Gaps travel in critical batches, which are never dropped,
// one carrier at a time: while it is not acknowledged the others wait here and merge, so that a long outage costs one record a hole.
type gapList struct {
	pending []*pendingGap
	nextID  uint64
	carrier uint64 // seq of the critical batch of this epoch that carries gaps
	carried bool   // there is one, not acknowledged yet
	out     bool   // handed out by Gaps, not in a batch yet
}

func (g *gapList) add(gap point.Gap) *pendingGap {
	for i := len(g.pending) - 1; i >= 0; i-- {
		p := g.pending[i]
		if p.riding || !mergeable(p.gap, gap) {
			continue
		}
		if p.gap.To == gap.From || gap.To == p.gap.From || len(g.pending) >= maxGaps {
			p.gap.From, p.gap.To = min(p.gap.From, gap.From), max(p.gap.To, gap.To)
			p.gap.First, p.gap.Last = min(p.gap.First, gap.First), max(p.gap.Last, gap.Last)
			p.gap.Count += gap.Count
			p.saved = false
			return p
		}
	}
	p := &pendingGap{id: g.nextID, gap: gap}
	g.nextID++
	g.pending = append(g.pending, p)
	return p
}

// mergeable reports whether a and b are closed seq ranges of one epoch and lane, lost for one reason, with counts that add up or are unknown both.
func mergeable(a, b point.Gap) bool {
	return !a.PointKnown && !b.PointKnown && a.Epoch == b.Epoch && a.Lane == b.Lane && a.Reason == b.Reason &&
		a.To != 0 && b.To != 0 && (a.Count == 0) == (b.Count == 0)
}

// Declare adds a loss that did not happen here, such as samples that never became part of a batch.
func (s *Spool) Declare(g point.Gap) { s.gaps.add(g) }

// GapsWaiting reports whether Gaps has something to hand out.
func (s *Spool) GapsWaiting() bool {
	return len(s.gaps.pending) > 0 && !s.gaps.carried && !s.gaps.out && !s.closing
}

// Gaps hands out what the next critical batch shall carry; its Append says so. ReturnGaps takes it back instead.
func (s *Spool) Gaps() []point.Gap {
	if !s.GapsWaiting() {
		return nil
	}
	n := min(len(s.gaps.pending), maxRiding)
	out := make([]point.Gap, n)
	for i, p := range s.gaps.pending[:n] {
		p.riding = true
		out[i] = p.gap
	}
	s.gaps.out = true
	return out
}

// ReturnGaps takes back what Gaps handed out and no batch could carry.
func (s *Spool) ReturnGaps() {
	if !s.gaps.out {
		return
	}
	s.gaps.out = false
	for _, p := range s.gaps.pending {
		p.riding = false
	}
}

// ride notes that the batch of that seq carries what was handed out.
func (g *gapList) ride(seq uint64) { g.out, g.carried, g.carrier = false, true, seq }

// landed forgets the gaps that are in a durable batch now.
func (s *Spool) landed() {
	keep := s.gaps.pending[:0]
	for _, p := range s.gaps.pending {
		if !p.riding {
			keep = append(keep, p)
			continue
		}
		s.releasePlaces(p)
	}
	clear(s.gaps.pending[len(keep):])
	s.gaps.pending = keep
}

// releasePlaces lets the stores forget what the gap declares.
func (s *Spool) releasePlaces(p *pendingGap) {
	p.places = s.releaseAll(p.places)
}

func (s *Spool) releaseAll(places [2]interval.Set) (none [2]interval.Set) {
	for at := range places {
		for iv := range places[at].All() {
			s.lanes[at].release.Add(iv)
		}
	}
	return none
}

// savedGap is a gap whose record is being written, with the places that the record in this form lets go: what is
// merged into the gap meanwhile has to wait for the next.
type savedGap struct {
	gap    *pendingGap
	places [2]interval.Set
}

// unsaved takes back a record that was not written.
func (g savedGap) unsaved() {
	g.gap.saved = false
	for at := range g.places {
		for iv := range g.places[at].All() {
			g.gap.places[at].Add(iv)
		}
	}
}

// drop lets a held batch go with a gap.
func (s *Spool) drop(ep *epoch, l *lane, seq uint64, e *entry, why point.GapReason) {
	p := s.gaps.add(point.Gap{Epoch: ep.id, Lane: l.lane, From: seq, To: seq + 1, First: e.first, Last: e.last,
		Boot: ep.at.Boot, Count: uint64(e.count), Reason: why})
	if e.stored {
		p.places[laneAt(l.lane)].AddOne(e.offset)
		s.lane(point.Critical).urgent = true
	}
	s.remove(ep, l, seq, e)
}

// dropToWindow drops the oldest telemetry of RAM until it fits the window.
func (s *Spool) dropToWindow() {
	l := s.lane(point.Telemetry)
	if l.ram.Bytes <= s.opt.Window {
		return
	}
	why := point.GapDropped
	if l.err != nil && !isFull(l.err) {
		why = point.GapDiskFailed
	}
	hold := &s.open.hold[laneAt(point.Telemetry)]
	for l.ram.Bytes > s.opt.Window {
		seq, e := oldestIdle(hold)
		if e == nil {
			return // everything is in flight or on its way to the store, both of which are bounded
		}
		s.countDrop(e)
		s.drop(s.open, l, seq, e, why)
	}
}

func oldestIdle(hold *holding) (uint64, *entry) {
	for iv := range hold.unstored.All() {
		for seq := iv.From; seq < iv.To; seq++ {
			if e := hold.get(seq); !e.storing && e.state != taken && e.state != sent {
				return seq, e
			}
		}
	}
	return 0, nil
}

func (s *Spool) countDrop(e *entry) {
	s.stats.Dropped.add(e)
	s.stats.DroppedSamples += uint64(e.count)
}

// saveGaps puts the gaps that must survive a cut into l's state and returns them. All of them must when the spool closes;
// before, those alone whose batches were stored or belong to an earlier epoch: the others are covered by this epoch's open gap.
func (s *Spool) saveGaps(l *lane) (saved []savedGap) {
	for _, p := range s.gaps.pending {
		due := p.places[0].Len()+p.places[1].Len() > 0 || p.gap.Epoch != s.open.id || s.closing
		if p.saved || !due {
			continue
		}
		b, err := json.Marshal(p.gap)
		if err != nil {
			panic(err) // a struct of numbers always marshals
		}
		l.put(gapKey(p.id), b)
		p.saved, p.stored = true, true
		saved = append(saved, savedGap{p, p.places})
		p.places = [2]interval.Set{}
	}
	return saved
}

func gapKey(id uint64) string { return gapPrefix + strconv.FormatUint(id, 10) }

// loadGaps reads the gaps that no durable batch carries yet.
func (s *Spool) loadGaps() (faults int) {
	for key, b := range s.opt.Critical.States(gapPrefix) {
		p, err := decodeGap(key, b)
		if err != nil {
			faults++
			continue
		}
		s.gaps.pending = append(s.gaps.pending, p)
		s.gaps.nextID = max(s.gaps.nextID, p.id+1)
	}
	return faults
}

func decodeGap(key string, b []byte) (*pendingGap, error) {
	id, err := strconv.ParseUint(key[len(gapPrefix):], 10, 64)
	if err != nil {
		return nil, fmt.Errorf("state %q: %w", key, err)
	}
	p := &pendingGap{id: id, saved: true, stored: true}
	if err := json.Unmarshal(b, &p.gap); err != nil {
		return nil, fmt.Errorf("state %q: %w", key, err)
	}
	return p, nil
}

// Undeclared returns the gaps that no durable batch carries yet.
func (s *Spool) Undeclared() []point.Gap {
	out := make([]point.Gap, len(s.gaps.pending))
	for i, p := range s.gaps.pending {
		out[i] = p.gap
	}
	return out
}
