package venue

import (
	"fmt"

	"github.com/courtside-edge/courtside/cloud/log"
	"github.com/courtside-edge/courtside/cloud/venuemap"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// seat, gate and panel are places; what reports on them is bound when a table names them.
type seat struct {
	place, section string
	series         []*series
}

type gate struct {
	place, name string
	series      []*series
}

type panel struct {
	place, name string
	series      []*series
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
		v.setAside(r, wire.Reason(err), err.Error())
		return nil
	}
	if !done {
		return nil
	}
	v.mu.Lock()
	if g.tables[hash] != nil {
		v.mu.Unlock()
		return nil
	}
	if len(g.tables) >= maxTables {
		v.mu.Unlock()
		v.setAside(r, "too-many-tables", fmt.Sprintf("gateway %s has %d tables, its limit", g.id, maxTables))
		return nil
	}
	t := &table{points: points}
	if d := g.ungranted(points); d != "" {
		t.refused = fmt.Sprintf("point table %s names device %s, which gateway %s may not report", hash, d, g.id)
	} else {
		t.series = v.bind(g, points)
	}
	g.tables[hash] = t
	waiting := g.waiting[hash]
	delete(g.waiting, hash)
	g.waitCount -= len(waiting)
	v.touch()
	v.mu.Unlock()
	if t.refused != "" {
		v.o.Log.Error("point table refused", "gateway", g.id, "err", t.refused)
	}
	return v.resume(g, waiting)
}

// resume applies the frames that waited for a table.
func (v *Venue) resume(g *gateway, offsets []uint64) []Effect {
	var effects []Effect
	for _, off := range offsets {
		r, err := v.o.Fetch(off)
		if err != nil {
			v.setAside(log.Record{Offset: off, Gateway: g.id}, "unreadable", err.Error())
			continue
		}
		effects = append(effects, v.applyBatch(g, r)...)
	}
	return effects
}

// bind gives every point of a table its series, making those that are new. The caller holds the lock.
func (v *Venue) bind(g *gateway, points []point.Point) []*series {
	out := make([]*series, len(points))
	for i := range points {
		p := &points[i]
		key := seriesKey{g, pointKey{p.Device, p.Name}}
		s := v.series[key]
		if s == nil {
			s = &series{gateway: g}
			v.series[key] = s
			if v.byPoint[key.pointKey] == nil {
				v.points = append(v.points, key.pointKey)
			}
			v.byPoint[key.pointKey] = append(v.byPoint[key.pointKey], s)
		}
		v.bindPlace(p, s)
		out[i] = s
	}
	return out
}

func (v *Venue) bindPlace(p *point.Point, s *series) {
	switch p.Kind {
	case point.Seat:
		at, ok := v.seatAt[p.Place]
		if !ok {
			v.count.Unplaced++
			return
		}
		v.seats[at].series = include(v.seats[at].series, s)
	case point.Position:
		v.tracks.bind(p, s)
	case point.Gate:
		if v.gates[p.Place] == nil {
			v.gates[p.Place] = &gate{place: p.Place}
			v.gateIDs = append(v.gateIDs, p.Place)
		}
		v.gates[p.Place].series = include(v.gates[p.Place].series, s)
	case point.Panel:
		if v.panels[p.Place] == nil {
			v.panels[p.Place] = &panel{place: p.Place}
			v.panelIDs = append(v.panelIDs, p.Place)
		}
		v.panels[p.Place].series = include(v.panels[p.Place].series, s)
	}
}

func include(list []*series, s *series) []*series {
	for _, have := range list {
		if have == s {
			return list
		}
	}
	return append(list, s)
}
