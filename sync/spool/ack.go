package spool

import (
	"slices"

	"github.com/courtside-edge/courtside/sync/interval"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// Released is what an ack let go.
type Released struct {
	Batches  Count
	Landed   []point.BatchID // those of them that were in flight, and those that were refused
	Tables   []Table         // point tables that nobody needs any more; clear their retained topics
	Answered bool            // it answered an inventory of this opening
}

// Ack lets go of what a names, and of nothing else. Ranges for foreign epochs, for seqs that were never given and for batches that
// were never offered are ignored and counted.
func (s *Spool) Ack(a wire.Ack) Released {
	var out Released
	for _, r := range a.Durable {
		s.ackRange(r, &out)
	}
	for _, r := range a.Refused {
		s.refuse(r.BatchID, &out)
	}
	s.ackTables(a.Tables)
	if settled, ok := s.inventories[a.Inventory]; ok {
		out.Answered = true
		s.settle(settled)
	}
	out.Tables = s.sweepTables()
	return out
}

func (s *Spool) ackRange(r wire.Range, out *Released) {
	if !r.Lane.Valid() || r.From >= r.To {
		s.stats.ImpossibleAcks++
		return
	}
	ep := s.epochOf(r.Epoch)
	if ep == nil {
		s.stats.ForeignAcks++
		return
	}
	hold := &ep.hold[laneAt(r.Lane)]
	if r.To > hold.next && (ep.open || ep.clean) { // of an unclean epoch more may have been given than is known here
		s.stats.ImpossibleAcks++
		return
	}
	// What was offered bounds the work, whatever the range claims.
	bounds := interval.Interval{From: r.From, To: r.To}
	offered := slices.Collect(hold.offered.Within(bounds))
	if held := slices.Collect(hold.held.Within(bounds)); !slices.Equal(offered, held) {
		s.stats.ImpossibleAcks++
	}
	l := s.lane(r.Lane)
	for _, iv := range offered {
		for seq := iv.From; seq < iv.To; seq++ {
			s.acked(ep, l, seq, s.touch(hold, seq), out)
		}
	}
}

func (s *Spool) acked(ep *epoch, l *lane, seq uint64, e *entry, out *Released) {
	if e.state == taken || e.state == sent {
		out.Landed = append(out.Landed, point.BatchID{Epoch: ep.id, Lane: l.lane, Seq: seq})
	}
	out.Batches.add(e)
	s.stats.Acked.add(e)
	if e.stored {
		l.release.AddOne(e.offset)
	}
	s.remove(ep, l, seq, e)
}

// refuse sets a batch aside that the cloud will not have: it is kept and shown as pending, and offered again at the next opening.
func (s *Spool) refuse(id point.BatchID, out *Released) {
	ep, l, e := s.find(id)
	if ep == nil {
		s.stats.ForeignAcks++
		return
	}
	hold := &ep.hold[laneAt(id.Lane)]
	if e == nil && !hold.offered.Has(id.Seq) && hold.held.Has(id.Seq) {
		s.stats.ImpossibleAcks++ // before it costs an entry
		return
	}
	switch e = s.touch(hold, id.Seq); {
	case e == nil:
		return // acknowledged before, or a lie about what was never given: nothing to do either way
	case !hold.offered.Has(id.Seq):
		s.stats.ImpossibleAcks++
		return
	case e.state == refused:
		s.cool(hold, id.Seq, e)
		return
	}
	if e.state == taken || e.state == sent {
		out.Landed = append(out.Landed, id)
	}
	s.land(id, e)
	s.unqueue(hold, id.Seq)
	if e.stored {
		e.frame = nil
	}
	e.state = refused
	l.refused.add(e)
	s.stats.Refused++
	s.cool(hold, id.Seq, e)
}
