package venue

import (
	"fmt"
	"math"
	"time"

	"github.com/courtside-edge/courtside/cloud/fingerprint"
	"github.com/courtside-edge/courtside/sync/interval"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// loader reads one snapshot into a new venue.
type loader struct {
	unpacker
	v         *Venue
	strangers map[point.ID]*gateway // gateways that the configuration does not name any more
	pending   []reference
	gaps      []gapOf
}

// reference is a place that wants a point of a table, which stands at the end of the snapshot.
type reference struct {
	gateway *gateway
	hash    point.TableHash
	index   uint64
	give    func(p *point.Point)
}

// gapOf is a gap of a point that is not read yet.
type gapOf struct {
	gateway *gateway
	key     pointKey
	gap     pointGap
}

// Load returns a venue in the state that Save wrote. The records of the log from its Offset on are still to be applied.
func Load(o Options, snapshot []byte) (*Venue, error) {
	v, err := New(o)
	if err != nil {
		return nil, err
	}
	l := &loader{unpacker: unpacker{in: snapshot}, v: v, strangers: map[point.ID]*gateway{}}
	l.accounts()
	for l.points() {
	}
	l.future()
	l.tables()
	l.settle()
	if l.err == nil && len(l.in) > 0 {
		l.fail("something follows its end")
	}
	if l.err != nil {
		return nil, fmt.Errorf("reading a snapshot of venue %s: %w", o.ID, l.err)
	}
	l.resume()
	return v, nil
}

func (l *loader) accounts() {
	v := l.v
	if n := l.uint(); n != snapshotVersion && l.err == nil {
		l.fail(fmt.Sprintf("its form is %d, this program reads %d", n, snapshotVersion))
	}
	if id := l.text(); id != string(v.o.ID) && l.err == nil {
		l.fail(fmt.Sprintf("it is of venue %q", id))
	}
	if b := l.int(); b != int64(v.o.Bucket) && l.err == nil {
		l.fail(fmt.Sprintf("its buckets are of %v, not of %v", time.Duration(b), v.o.Bucket))
	}
	v.offset = l.uint()
	l.shelf(&v.strangers)
	for range l.count(2) {
		g := l.gatewayOf(l.text())
		l.gateway(g)
	}
}

// gatewayOf returns a gateway, or a stranger of which nothing is kept.
func (l *loader) gatewayOf(id string) *gateway {
	if g := l.v.gateways[point.ID(id)]; g != nil {
		return g
	}
	g := l.strangers[point.ID(id)]
	if g == nil {
		g = newGateway(len(l.v.order), l.v.o.Bucket, &Gateway{ID: point.ID(id)})
		l.strangers[g.id] = g
	}
	return g
}

func (l *loader) isStranger(g *gateway) bool { return l.v.gateways[g.id] != g }

// points reads some points and reports whether there were any.
func (l *loader) points() bool {
	n := l.count(8)
	for range n {
		l.point()
	}
	return n > 0 && l.err == nil
}

func (l *loader) point() {
	key := l.key()
	settled, eventsFrom := l.uint(), l.int()
	events := make(map[[16]byte]int64)
	for range l.count(17) {
		var k [16]byte
		l.raw(k[:])
		events[k] = l.int()
	}
	var read []*series
	for range l.count(10) {
		g := l.gatewayOf(l.text())
		s := &series{gateway: g}
		if !l.isStranger(g) {
			s = l.v.seriesOf(g, key)
		}
		l.series(s)
		read = append(read, s)
	}
	base, baseTo := l.base(read)
	p := l.v.byPoint[key]
	if p == nil {
		return // only gateways that are gone reported it
	}
	p.settledEvents, p.eventsFrom, p.base, p.baseTo = settled, eventsFrom, base, baseTo
	if len(events) > 0 {
		p.events = events
	}
}

func (l *loader) base(read []*series) (st stand, to int64) {
	to = l.int()
	st.passages, st.broken = l.uint(), l.bool()
	if !l.bool() {
		return st, to
	}
	at, id := l.uint(), l.uint()
	st.end.mark = l.mark()
	if at >= uint64(len(read)) {
		l.fail("a count stands on no gateway's series")
		return stand{}, to
	}
	st.end.series = read[at]
	for _, r := range read[at].runs {
		if r.id == id {
			st.end.run = r
		}
	}
	if st.end.run == nil {
		st.end = knot{}
	}
	return st, to
}

func (l *loader) mark() mark { return mark{l.int(), l.uint(), l.int()} }

// stampOf reads a stamp of a gateway's sample.
func (l *loader) stampOf(g *gateway, base int64) stamp { return l.stamp(base, g.nameOf) }

func (l *loader) series(s *series) {
	g := s.gateway
	s.last.stamp = l.stampOf(g, 0)
	if s.last.epoch != nil {
		s.last.quality, s.last.bits, s.last.text = point.Quality(l.uint()), l.uint(), l.text()
		l.ref(g, func(p *point.Point) { s.last.point = p })
	}
	base := s.last.wall
	s.definite.stamp = l.stampOf(g, base)
	if s.definite.occupancy = l.occupancy(); s.definite.occupancy != Unknown && s.definite.epoch == nil {
		l.fail("a seat's state rests on no sample")
	}
	for range l.count(6) {
		e := edge{bucket: l.int(), bad: l.bool(), last: l.stampOf(g, base)}
		e.definite.occupancy = l.occupancy()
		if l.bool() {
			e.definite.stamp = e.last
		} else {
			e.definite.stamp = l.stampOf(g, base)
		}
		if e.last.epoch == nil || e.definite.occupancy != Unknown && e.definite.epoch == nil {
			l.fail("an edge without a sample")
			return
		}
		base = e.last.wall
		s.edges = append(s.edges, e)
	}
	for range l.count(7) {
		s.runs = append(s.runs, l.run())
	}
	s.summed, s.summedRuns, s.summedTo = l.uint(), int(l.uint()), l.int()
	for range l.count(4) {
		f := fix{stamp: l.stampOf(g, base), bad: l.bool()}
		f.value = math.Float64frombits(l.uint())
		base = f.wall
		s.fixes = append(s.fixes, f)
	}
	if s.last.epoch == nil && (len(s.edges) > 0 || len(s.fixes) > 0 || len(s.runs) > 0 || s.definite.epoch != nil) {
		l.fail("a point without a last sample has a past")
	}
}

func (l *loader) occupancy() Occupancy {
	o := l.uint()
	if o > uint64(Occupied) {
		l.fail("a seat is in no state")
		return Unknown
	}
	return Occupancy(o)
}

func (l *loader) run() *run {
	r := &run{id: l.uint(), total: l.uint(), first: l.uint(), bits: uint8(l.uint()), begin: l.int(), last: l.int()}
	for range l.count(3) {
		r.marks = append(r.marks, l.mark())
	}
	return r
}

// ref reads where a point stands, and has it given once the tables are there.
func (l *loader) ref(g *gateway, give func(*point.Point)) {
	r := reference{gateway: g, give: give}
	l.raw(r.hash[:])
	r.index = l.uint()
	l.pending = append(l.pending, r)
}

// future reads the samples that wait for their time.
func (l *loader) future() {
	for range l.count(40) {
		g := l.gatewayOf(l.text())
		s := l.v.series[seriesKey{g, l.key()}]
		f := &folded{stamp: l.stampOf(g, 0), series: s}
		f.sample.Quality, f.sample.Bits = point.Quality(l.uint()), l.uint()
		l.raw(f.key[:])
		f.text = l.text()
		l.ref(g, func(p *point.Point) {
			if f.point = p; s != nil {
				l.v.future.push(*f)
			}
		})
		if l.bool() {
			f.run = &point.CounterRun{Run: l.uint(), First: l.uint(), Bits: uint8(l.uint())}
		}
		if f.epoch == nil {
			l.fail("a sample that waits has no time")
			return
		}
	}
}

// tables reads the point tables and binds them, in the order in which they came.
func (l *loader) tables() {
	for range l.count(18) {
		g := l.gatewayOf(l.text())
		var hash point.TableHash
		l.raw(hash[:])
		var parts wire.TableAssembler
		var points []point.Point
		for range l.count(1) {
			part := l.bytes()
			if l.err != nil {
				return
			}
			got, _, done, err := parts.Add(part)
			if err != nil {
				l.fail(err.Error())
				return
			}
			if done {
				points = got
			}
		}
		switch {
		case len(points) == 0 || l.err != nil:
		case l.isStranger(g):
			g.tables[hash] = &table{points: points}
		default:
			l.v.addTable(g, hash, points)
		}
	}
}

// settle puts together what was read apart.
func (l *loader) settle() {
	if l.err != nil {
		return
	}
	for _, r := range l.pending {
		t := r.gateway.tables[r.hash]
		if t == nil || r.index >= uint64(len(t.points)) {
			l.fail("a sample is of a point that no table names")
			return
		}
		r.give(&t.points[r.index])
	}
	for _, g := range l.gaps {
		if s := l.v.series[seriesKey{g.gateway, g.key}]; s != nil {
			g.gap.series, s.holed = s, true
			g.gateway.pointGaps = append(g.gateway.pointGaps, g.gap)
		}
	}
	for _, g := range l.v.order {
		for _, off := range g.parts {
			if r, err := l.v.o.Fetch(off); err == nil {
				_, _, _, _ = g.assembler.Add(r.Payload) // it was added before without an error
			}
		}
		g.recount(l.v.limit())
		g.inquiry = g.inquire()
	}
}

// resume applies the frames whose table came while the snapshot was written: the log will not yield it again.
func (l *loader) resume() {
	for _, g := range l.v.order {
		for hash, waited := range g.waiting {
			if g.tables[hash] == nil {
				continue
			}
			delete(g.waiting, hash)
			g.waitCount -= len(waited)
			l.v.resume(g, waited)
		}
	}
}

// Held tells of what the state knows to be in the log: the batches of each lane of each gateway, with the contents of the newest, and the point
// tables. It is how an ingest learns what is durable without reading the log from its beginning.
func (v *Venue) Held(lane func(gateway point.ID, epoch point.Epoch, lane point.Lane, held interval.Set), print func(gateway point.ID, batch point.BatchID, print fingerprint.Print), table func(gateway point.ID, hash point.TableHash)) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	for _, g := range v.order {
		for id, e := range g.epochs {
			for l := range e.lanes {
				set := e.lanes[l].logged.Clone()
				for _, t := range e.lanes[l].held.stretches {
					set.Add(interval.Interval{From: t.from, To: t.to})
				}
				lane(g.id, id, point.Lane(l+1), set)
			}
		}
		for id, p := range g.prints.All() {
			print(g.id, id, p)
		}
		for hash := range g.tables {
			table(g.id, hash)
		}
	}
}
