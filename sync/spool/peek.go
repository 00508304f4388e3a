package spool

import (
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// Held returns what is held, as ranges, in the order in which it was numbered.
func (s *Spool) Held() (all []wire.Range) {
	for _, ep := range s.epochs {
		for _, l := range []point.Lane{point.Critical, point.Telemetry} {
			for iv := range ep.hold[laneAt(l)].held.All() {
				all = append(all, wire.Range{Epoch: ep.id, Lane: l, From: iv.From, To: iv.To})
			}
		}
	}
	return all
}

// Peek returns a batch for a way to the cloud other than the uplink, and leaves it where it stands: it is neither taken nor in flight, and
// leaves by an ack as if it had been offered, which it counts as from here on. It reports false for what is not held, and for a critical batch that
// is not durable yet: nobody may see that one. Load brings the frame.
func (s *Spool) Peek(id point.BatchID) (Taken, bool) {
	ep, l, e := s.find(id)
	if ep == nil {
		return Taken{}, false
	}
	hold := &ep.hold[laneAt(id.Lane)]
	t := Taken{ID: id, Backlog: true, store: l.store, limits: s.opt.Limits}
	switch p := hold.page(id.Seq); {
	case e != nil && id.Lane == point.Critical && !e.stored, !hold.held.Has(id.Seq):
		return Taken{}, false
	case e != nil:
		t.Frame, t.offset, t.Table, t.Size = e.frame, e.offset, e.table.hash, int(e.size)
	case p != nil:
		t.offset, _ = p.offset(id.Seq)
		t.Table = p.hash
	default:
		return Taken{}, false
	}
	if t.Channel = wire.Replay; id.Lane == point.Critical {
		t.Channel = wire.Critical
	}
	hold.offered.AddOne(id.Seq)
	return t, true
}
