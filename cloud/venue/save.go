package venue

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// snapshotVersion is the form that Save writes and Load reads. A snapshot of another form is no use: the log is replayed instead.
const snapshotVersion = 1

// pointsAtATime is how many points are written under one lock: about a millisecond of them.
const pointsAtATime = 128

// saver writes one snapshot.
type saver struct {
	packer
	v      *Venue
	w      io.Writer
	tables map[*point.Point]tableRef // where the points of samples stand
	known  int                       // tables that are in tables
}

// tableRef is a position in a gateway's table.
type tableRef struct {
	gateway *gateway
	hash    point.TableHash
	index   int
}

// Save writes the state while it goes on changing. What it writes holds every record below from, and perhaps some of those below upTo: all of
// it may be used only once those are durable. The joins make up for what is applied twice: a venue that loads it and then gets
// the records from from on is in the same state as one that got all of them.
func (v *Venue) Save(w io.Writer) (from, upTo uint64, err error) {
	s := &saver{packer: packer{epochs: map[*point.Epoch]uint64{}}, v: v, w: w, tables: map[*point.Point]tableRef{}}
	from = s.accounts()
	if err = s.flush(); err != nil {
		return 0, 0, err
	}
	for at, more := 0, true; more; {
		at, more = s.points(at)
		if err = s.flush(); err != nil {
			return 0, 0, err
		}
	}
	upTo = s.rest()
	return from, upTo, s.flush()
}

func (s *saver) flush() error {
	_, err := s.w.Write(s.out)
	s.out = s.out[:0]
	if err != nil {
		return fmt.Errorf("writing a snapshot of venue %s: %w", s.v.o.ID, err)
	}
	return nil
}

// accounts writes what is not a join, gateway by gateway, and returns the offset that the first of them belongs to.
func (s *saver) accounts() uint64 {
	from := s.begin()
	for _, g := range s.v.order {
		s.account(g)
	}
	return from
}

func (s *saver) begin() uint64 {
	v := s.v
	v.applying.Lock()
	defer v.applying.Unlock()
	v.mu.RLock()
	defer v.mu.RUnlock()
	s.uint(snapshotVersion)
	s.text(string(v.o.ID))
	s.int(int64(v.o.Bucket))
	s.uint(v.offset)
	s.shelf(&v.strangers)
	s.uint(uint64(len(v.order)))
	return v.offset
}

func (s *saver) account(g *gateway) {
	s.v.applying.Lock()
	defer s.v.applying.Unlock()
	s.v.mu.RLock()
	defer s.v.mu.RUnlock()
	s.text(string(g.id))
	s.gateway(g)
}

// points writes some points from the at-th on, and returns where to go on and whether there is more.
func (s *saver) points(at int) (int, bool) {
	s.v.mu.RLock()
	defer s.v.mu.RUnlock()
	s.meet()
	to := min(at+pointsAtATime, len(s.v.points))
	s.uint(uint64(to - at))
	for _, p := range s.v.points[at:to] {
		s.point(p)
	}
	return to, to > at
}

// meet takes in the tables that came since the last time.
func (s *saver) meet() {
	total := 0
	for _, g := range s.v.order {
		total += len(g.tables)
	}
	if total == s.known {
		return
	}
	s.known = total
	for _, g := range s.v.order {
		for hash, t := range g.tables {
			for i := range t.points {
				s.tables[&t.points[i]] = tableRef{g, hash, i}
			}
		}
	}
}

func (s *saver) point(p *pointState) {
	s.key(p.key)
	s.uint(p.settledEvents)
	s.int(p.eventsFrom)
	s.uint(uint64(len(p.events)))
	for key, at := range p.events {
		s.raw(key[:])
		s.int(at)
	}
	s.uint(uint64(len(p.series)))
	for _, r := range p.series {
		s.text(string(r.gateway.id))
		s.series(r)
	}
	s.int(p.baseTo)
	s.uint(p.base.passages)
	s.bool(p.base.broken)
	s.bool(p.base.end.run != nil)
	if k := p.base.end; k.run != nil {
		s.uint(uint64(slices.Index(p.series, k.series)))
		s.uint(k.run.id)
		s.mark(k.mark)
	}
}

func (s *saver) mark(m mark) {
	s.int(m.bucket)
	s.uint(m.total)
	s.int(m.wall)
}

func (s *saver) series(r *series) {
	s.stamp(&r.last.stamp, 0)
	if r.last.epoch != nil {
		s.observation(&r.last)
	}
	base := r.last.wall
	s.stamp(&r.definite.stamp, base)
	s.uint(uint64(r.definite.occupancy))
	s.uint(uint64(len(r.edges)))
	for i := range r.edges {
		e := &r.edges[i]
		s.int(e.bucket)
		s.bool(e.bad)
		s.stamp(&e.last, base)
		s.uint(uint64(e.definite.occupancy))
		same := e.definite.stamp == e.last
		s.bool(same)
		if !same {
			s.stamp(&e.definite.stamp, base)
		}
		base = e.last.wall
	}
	s.uint(uint64(len(r.runs)))
	for _, run := range r.runs {
		s.run(run)
	}
	s.uint(r.summed)
	s.uint(uint64(r.summedRuns))
	s.int(r.summedTo)
	s.uint(uint64(len(r.fixes)))
	for i := range r.fixes {
		f := &r.fixes[i]
		s.stamp(&f.stamp, base)
		s.bool(f.bad)
		s.uint(point.FloatBits(f.value))
		base = f.wall
	}
}

func (s *saver) observation(o *observation) {
	s.uint(uint64(o.quality))
	s.uint(o.bits)
	s.text(o.text)
	s.ref(o.point)
}

func (s *saver) ref(p *point.Point) {
	ref := s.tables[p]
	s.raw(ref.hash[:])
	s.uint(uint64(ref.index))
}

func (s *saver) run(r *run) {
	s.uint(r.id)
	s.uint(r.total)
	s.uint(r.first)
	s.uint(uint64(r.bits))
	s.int(r.begin)
	s.int(r.last)
	s.uint(uint64(len(r.marks)))
	for _, m := range r.marks {
		s.mark(m)
	}
}

// rest writes the samples that wait for their time and the tables, and returns the offset of the next record.
func (s *saver) rest() uint64 {
	v := s.v
	v.applying.Lock()
	defer v.applying.Unlock()
	v.mu.RLock()
	defer v.mu.RUnlock()
	s.meet()
	s.uint(uint64(len(v.future.items)))
	for i := range v.future.items {
		f := &v.future.items[i]
		s.text(string(f.series.gateway.id))
		s.key(f.series.point.key)
		s.stamp(&f.stamp, 0)
		s.uint(uint64(f.sample.Quality))
		s.uint(f.sample.Bits)
		s.raw(f.key[:])
		s.text(f.text)
		s.ref(f.point)
		s.bool(f.run != nil)
		if r := f.run; r != nil {
			s.uint(r.Run)
			s.uint(r.First)
			s.uint(uint64(r.Bits))
		}
	}
	type named struct {
		gateway *gateway
		hash    point.TableHash
		table   *table
	}
	var tables []named
	for _, g := range v.order {
		for hash := range maps.Keys(g.tables) {
			tables = append(tables, named{g, hash, g.tables[hash]})
		}
	}
	slices.SortFunc(tables, func(a, b named) int { return cmp.Compare(a.table.order, b.table.order) })
	s.uint(uint64(len(tables)))
	for _, t := range tables {
		s.text(string(t.gateway.id))
		s.raw(t.hash[:])
		parts, _, err := wire.EncodeTable(t.table.points, 0)
		if err != nil {
			parts = nil // it was decoded from valid parts
		}
		s.uint(uint64(len(parts)))
		for _, p := range parts {
			s.bytes(p)
		}
	}
	return v.offset
}
