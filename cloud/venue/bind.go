package venue

import (
	"fmt"
	"slices"

	"github.com/courtside-edge/courtside/cloud/log"
	"github.com/courtside-edge/courtside/cloud/venuemap"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// seat, gate and panel are places; what reports on them is bound when a table names them.
type seat struct {
	place, section string
	points         []*pointState
}

type gate struct {
	place, name string
	points      []*pointState
}

type panel struct {
	place, name string
	points      []*pointState
}

// placeMap makes the map's places known before anything reports on them.
func (v *Venue) placeMap(m *venuemap.Map) {
	for i := range m.Seats {
		v.seatAt[m.Seats[i].Place] = len(v.seats)
		v.seats = append(v.seats, seat{place: m.Seats[i].Place, section: m.Seats[i].Section})
	}
	for _, g := range m.Gates {
		v.gates[g.Place] = &gate{place: g.Place, name: g.Name}
		v.gateIDs = append(v.gateIDs, g.Place)
	}
	for _, p := range m.Panels {
		v.panels[p.Place] = &panel{place: p.Place, name: p.Name}
		v.panelIDs = append(v.panelIDs, p.Place)
	}
}

func (v *Venue) applyTable(g *gateway, r log.Record) []Effect {
	points, hash, done, err := g.assembler.Add(r.Payload)
	if err != nil {
		v.setAside(g, r, wire.Reason(err), err.Error())
		return nil
	}
	v.mu.Lock()
	if !done {
		g.parts = append(g.parts, r.Offset)
		g.parts = g.parts[max(0, len(g.parts)-maxParts):]
		v.mu.Unlock()
		return nil
	}
	if g.tables[hash] != nil {
		v.mu.Unlock()
		return nil
	}
	if len(g.tables) >= maxTables {
		v.mu.Unlock()
		v.setAside(g, r, "too-many-tables", fmt.Sprintf("gateway %s has %d tables, its limit", g.id, maxTables))
		return nil
	}
	refused := v.addTable(g, hash, points)
	if g.assembler.Waiting() == 0 {
		g.parts = nil
	}
	waited := g.waiting[hash]
	delete(g.waiting, hash)
	g.waitCount -= len(waited)
	v.touch()
	v.mu.Unlock()
	if refused != "" {
		v.o.Log.Error("point table refused", "gateway", g.id, "err", refused)
	}
	return v.resume(g, waited)
}

// maxParts is how many parts of incomplete tables are remembered by offset: all that an assembler can hold.
const maxParts = 4 * wire.MaxTableParts

// addTable makes a table known, and returns why its frames will be set aside, or "". The caller holds the lock.
func (v *Venue) addTable(g *gateway, hash point.TableHash, points []point.Point) string {
	v.tables++
	t := &table{points: points, order: v.tables}
	if d := g.ungranted(points); d != "" {
		t.refused = fmt.Sprintf("point table %s names device %s, which gateway %s may not report", hash, d, g.id)
	} else {
		t.series = v.bind(g, points)
	}
	g.tables[hash] = t
	return t.refused
}

// resume applies the frames that waited for a table.
func (v *Venue) resume(g *gateway, waited []waiting) []Effect {
	var effects []Effect
	for _, w := range waited {
		r, err := v.o.Fetch(w.offset)
		if err != nil {
			v.unreadable(g, w, err)
			continue
		}
		effects = append(effects, v.applyBatch(g, r, true)...)
	}
	return effects
}

// unreadable gives up a frame that waited for its table and that the log does not have any more: its batch counts as lost.
func (v *Venue) unreadable(g *gateway, w waiting, err error) {
	v.setAside(g, log.Record{Offset: w.offset, Gateway: g.id}, "unreadable", err.Error())
	v.mu.Lock()
	defer v.mu.Unlock()
	if e := g.epochs[w.id.Epoch]; e != nil {
		e.lanes[w.id.Lane-1].logged.Remove(intervalOf(w.id.Seq, w.id.Seq+1))
		g.touched(e)
		g.recount(v.limit())
	}
}

// bind gives every point of a table its series, making those that are new. The caller holds the lock.
func (v *Venue) bind(g *gateway, points []point.Point) []*series {
	out := make([]*series, len(points))
	for i := range points {
		p := &points[i]
		s := v.seriesOf(g, pointKey{p.Device, p.Name})
		v.bindPlace(p, s)
		out[i] = s
	}
	return out
}

// seriesOf returns what a gateway reports of a point, making it. The caller holds the lock.
func (v *Venue) seriesOf(g *gateway, key pointKey) *series {
	s := v.series[seriesKey{g, key}]
	if s != nil {
		return s
	}
	ps := v.byPoint[key]
	if ps == nil {
		ps = &pointState{key: key}
		v.byPoint[key] = ps
		v.points = append(v.points, ps)
	}
	s = &series{gateway: g, point: ps}
	v.series[seriesKey{g, key}] = s
	ps.include(s)
	return s
}

func (v *Venue) bindPlace(p *point.Point, of *series) {
	s := of.point
	switch p.Kind {
	case point.Position:
		v.tracks.bind(p, of)
	case point.Seat:
		at, ok := v.seatAt[p.Place]
		if !ok {
			v.count.Unplaced++
			return
		}
		v.seats[at].points = include(v.seats[at].points, s)
	case point.Gate:
		if v.gates[p.Place] == nil {
			v.gates[p.Place] = &gate{place: p.Place}
			v.gateIDs = append(v.gateIDs, p.Place)
		}
		v.gates[p.Place].points = include(v.gates[p.Place].points, s)
	case point.Panel:
		if v.panels[p.Place] == nil {
			v.panels[p.Place] = &panel{place: p.Place}
			v.panelIDs = append(v.panelIDs, p.Place)
		}
		v.panels[p.Place].points = include(v.panels[p.Place].points, s)
	}
}

func include(list []*pointState, s *pointState) []*pointState {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}
