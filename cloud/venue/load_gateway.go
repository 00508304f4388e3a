package venue

import (
	"encoding/json"

	"github.com/courtside-edge/courtside/cloud/fingerprint"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

func (l *loader) shelf(s *shelf) {
	for range l.count(8) {
		var f asideFrame
		f.Offset, f.Gateway, f.Received, f.Bytes = l.uint(), point.ID(l.text()), l.time(), int(l.uint())
		f.Reason, f.Detail, f.batch = l.text(), l.text(), l.batch()
		s.frames = append(s.frames, f)
		s.bytes += f.Bytes
	}
}

func (l *loader) batch() (id point.BatchID) {
	l.raw(id.Epoch[:])
	id.Lane, id.Seq = point.Lane(l.uint()), l.uint()
	if !id.Epoch.IsZero() && !id.Lane.Valid() {
		l.fail("a batch is of no lane")
	}
	return id
}

func (l *loader) gateway(g *gateway) {
	for range l.count(40) {
		l.epoch(g)
	}
	for range l.count(20) {
		t := &tomb{}
		l.raw(t.id[:])
		for i := range t.next {
			t.next[i], t.first[i] = l.uint(), l.int()
		}
		g.tombs[t.id] = t
		g.buriedIDs = append(g.buriedIDs, t.id)
	}
	for i := range g.buried {
		g.buried[i] = l.int()
	}
	g.settled = l.uint()
	for range l.count(32) {
		var from, to point.Epoch
		l.raw(from[:])
		l.raw(to[:])
		g.successor[from] = to
	}
	g.day, g.drawn = l.time(), int(l.uint())
	for range l.count(19) {
		id := l.batch()
		g.prints.Put(id, fingerprint.Print(l.uint()))
	}
	for range l.count(7) {
		p := gapOf{gateway: g, key: l.key()}
		p.gap = pointGap{reason: point.GapReason(l.uint()), count: l.uint(), first: l.int(), last: l.int(), declared: l.time()}
		l.gaps = append(l.gaps, p)
	}
	for range l.count(20) {
		m := l.clock()
		g.boots[m.Boot] = m
	}
	l.frames(g)
	l.told(g)
}

func (l *loader) frames(g *gateway) {
	for range l.count(1) {
		g.parts = append(g.parts, l.uint())
	}
	for range l.count(17) {
		var hash point.TableHash
		l.raw(hash[:])
		for range l.count(20) {
			w := waiting{l.uint(), l.batch(), l.int()}
			if w.id.Epoch.IsZero() {
				l.fail("a frame that waits is no batch")
				return
			}
			g.waiting[hash] = append(g.waiting[hash], w)
			g.waitCount++
		}
	}
	l.shelf(&g.aside)
}

func (l *loader) told(g *gateway) {
	inv := l.bytes()
	if l.err == nil {
		var err error
		if g.inventory, err = wire.DecodeInventory(inv); err != nil {
			l.fail(err.Error())
		}
	}
	g.invAt = l.time()
	status := l.bytes()
	if l.err == nil {
		if err := json.Unmarshal(status, &g.status); err != nil {
			l.fail(err.Error())
		}
	}
	g.statusAt, g.applied, g.newest, g.clock = l.time(), l.time(), l.int(), l.text()
}

func (l *loader) key() pointKey { return pointKey{point.ID(l.text()), point.Name(l.text())} }

func (l *loader) epoch(g *gateway) {
	e := &epoch{}
	l.raw(e.id[:])
	l.raw(e.predecessor[:])
	e.open, e.seen, e.closed = l.bool(), l.bool(), l.bool()
	e.born, e.applied, e.clock = l.time(), l.time(), l.clock()
	for i := range e.lanes {
		l.lane(&e.lanes[i])
	}
	e.name = g.nameOf(e.id)
	g.epochs[e.id] = e
	g.touched(e)
}

// span reads a range of seqs.
func (l *loader) span() (from, to uint64) {
	from = l.uint()
	to = from + l.uint()
	if to < from {
		l.fail("a range of seqs ends before it begins")
	}
	return from, to
}

func (l *loader) lane(ls *laneState) {
	at := uint64(0)
	for range l.count(4) {
		var t stretch
		t.from, t.to = l.span()
		t.first, t.last = l.int(), l.int()
		if t.from < at || t.from == t.to {
			l.fail("what is held is out of order")
		}
		at = t.to
		ls.held.stretches = append(ls.held.stretches, t)
	}
	ls.logged, ls.next, ls.gone = l.set(), l.uint(), l.set()
	for range l.count(4) {
		var p pendingSpan
		p.from, p.to = l.span()
		p.first, p.last = l.int(), l.int()
		ls.pending = append(ls.pending, p)
	}
	ls.awaited = len(ls.pending) > 0
	for _, list := range []*[]declared{&ls.declared, &ls.told} {
		for range l.count(7) {
			var d declared
			d.from, d.to = l.span()
			d.count, d.reason, d.first, d.last, d.at = l.uint(), point.GapReason(l.uint()), l.int(), l.int(), l.time()
			*list = append(*list, d)
		}
	}
	if l.bool() {
		ls.cut = &cut{from: l.uint(), reason: point.GapReason(l.uint()), at: l.time()}
		l.raw(ls.cut.carrier[:])
	}
	ls.accused, ls.missed = l.set(), l.time()
}
