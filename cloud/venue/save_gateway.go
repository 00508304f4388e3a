package venue

import (
	"encoding/json"

	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

func (s *saver) shelf(f *shelf) {
	s.uint(uint64(len(f.frames)))
	for i := range f.frames {
		a := &f.frames[i]
		s.uint(a.Offset)
		s.text(string(a.Gateway))
		s.time(a.Received)
		s.uint(uint64(a.Bytes))
		s.text(a.Reason)
		s.text(a.Detail)
		s.batch(a.batch)
	}
}

func (s *saver) batch(id point.BatchID) {
	s.raw(id.Epoch[:])
	s.uint(uint64(id.Lane))
	s.uint(id.Seq)
}

func (s *saver) gateway(g *gateway) {
	s.uint(uint64(len(g.epochs)))
	for _, e := range g.epochs {
		s.epoch(e)
	}
	s.uint(uint64(len(g.buriedIDs)))
	for _, id := range g.buriedIDs {
		t := g.tombs[id]
		s.raw(id[:])
		for l := range t.next {
			s.uint(t.next[l])
			s.int(t.first[l])
		}
	}
	for _, at := range g.buried {
		s.int(at)
	}
	s.uint(g.settled)
	s.uint(uint64(len(g.successor)))
	for from, to := range g.successor {
		s.raw(from[:])
		s.raw(to[:])
	}
	s.time(g.day)
	s.uint(uint64(g.drawn))
	s.uint(uint64(g.prints.Len()))
	for id, p := range g.prints.All() {
		s.batch(id)
		s.uint(uint64(p))
	}
	s.pointGaps(g)
	s.uint(uint64(len(g.boots)))
	for _, m := range g.boots {
		s.clock(m)
	}
	s.frames(g)
	s.told(g)
}

// frames writes which records of the log the gateway's state waits for or keeps.
func (s *saver) frames(g *gateway) {
	s.uint(uint64(len(g.parts)))
	for _, off := range g.parts {
		s.uint(off)
	}
	s.uint(uint64(len(g.waiting)))
	for hash, list := range g.waiting {
		s.raw(hash[:])
		s.uint(uint64(len(list)))
		for _, w := range list {
			s.uint(w.offset)
			s.batch(w.id)
			s.int(w.received)
		}
	}
	s.shelf(&g.aside)
}

// told writes what the gateway said of itself.
func (s *saver) told(g *gateway) {
	s.bytes(wire.EncodeInventory(g.inventory))
	s.time(g.invAt)
	status, err := json.Marshal(g.status)
	if err != nil {
		status = []byte("{}") // it was JSON when it came
	}
	s.bytes(status)
	s.time(g.statusAt)
	s.time(g.applied)
	s.int(g.newest)
	s.text(g.clock)
}

func (s *saver) pointGaps(g *gateway) {
	s.uint(uint64(len(g.pointGaps)))
	for i := range g.pointGaps {
		p := &g.pointGaps[i]
		s.key(p.series.point.key)
		s.uint(uint64(p.reason))
		s.uint(p.count)
		s.int(p.first)
		s.int(p.last)
		s.time(p.declared)
	}
}

func (s *saver) key(k pointKey) {
	s.text(string(k.device))
	s.text(string(k.name))
}

func (s *saver) epoch(e *epoch) {
	s.raw(e.id[:])
	s.raw(e.predecessor[:])
	s.bool(e.open)
	s.bool(e.seen)
	s.bool(e.closed)
	s.time(e.born)
	s.time(e.applied)
	s.clock(e.clock)
	for l := range e.lanes {
		s.lane(&e.lanes[l])
	}
}

func (s *saver) lane(ls *laneState) {
	s.uint(uint64(len(ls.held.stretches)))
	for _, t := range ls.held.stretches {
		s.uint(t.from)
		s.uint(t.to - t.from)
		s.int(t.first)
		s.int(t.last)
	}
	s.set(&ls.logged)
	s.uint(ls.next)
	s.set(&ls.gone)
	s.uint(uint64(len(ls.pending)))
	for _, p := range ls.pending {
		s.uint(p.from)
		s.uint(p.to - p.from)
		s.int(p.first)
		s.int(p.last)
	}
	for _, list := range [][]declared{ls.declared, ls.told} {
		s.uint(uint64(len(list)))
		for _, d := range list {
			s.uint(d.from)
			s.uint(d.to - d.from)
			s.uint(d.count)
			s.uint(uint64(d.reason))
			s.int(d.first)
			s.int(d.last)
			s.time(d.at)
		}
	}
	s.bool(ls.cut != nil)
	if c := ls.cut; c != nil {
		s.uint(c.from)
		s.uint(uint64(c.reason))
		s.time(c.at)
		s.raw(c.carrier[:])
	}
	s.set(&ls.accused)
	s.time(ls.missed)
}
