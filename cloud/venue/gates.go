package venue

import (
	"slices"
	"strings"
	"time"

	"github.com/courtside-edge/courtside/sync/point"
)

// LaneCount is one counter or event point of a gate.
type LaneCount struct {
	Point     string   `json:"point" doc:"device/name"`
	Direction string   `json:"direction" enum:"in,out,none"`
	Passages  uint64   `json:"passages"`
	Runs      int      `json:"runs" doc:"uninterrupted stretches of the counter; more than one after a reset"`
	Unknown   string   `json:"unknown,omitempty" enum:"never-reported,bad-quality,silent,gap" doc:"why the present count may be behind; empty when it is up to date"`
	Gateway   point.ID `json:"gateway" doc:"that speaks for the point now"`
}

// GateCount is one gate.
type GateCount struct {
	Gate      string      `json:"gate"`
	Name      string      `json:"name,omitempty"`
	In        uint64      `json:"in" doc:"passages inwards since the counters' first reads"`
	Out       uint64      `json:"out"`
	InRate    float64     `json:"in_per_minute" doc:"over the flow window"`
	OutRate   float64     `json:"out_per_minute"`
	Uncertain bool        `json:"uncertain" doc:"some lane's present count is not known, or was lost between two gateways that share a device"`
	RateKnown bool        `json:"rate_known" doc:"nothing was lost within the flow window; otherwise the rates are lower bounds"`
	Lanes     []LaneCount `json:"lanes"`
}

// GatesAnswer is the passages of every gate.
type GatesAnswer struct {
	Basis
	In        uint64      `json:"in"`
	Out       uint64      `json:"out"`
	Inside    int64       `json:"inside" doc:"in minus out"`
	Declared  uint64      `json:"declared_lost" doc:"passages that gaps declare as lost, where their number is known"`
	FlowSince time.Time   `json:"flow_since" doc:"the rates are over the time from here to as_of"`
	Gates     []GateCount `json:"gates"`
}

// Gates counts passages by gate and direction.
func (v *Venue) Gates() GatesAnswer {
	v.mu.RLock()
	defer v.mu.RUnlock()
	now := v.o.Now()
	a := GatesAnswer{Basis: v.basis(now), Gates: make([]GateCount, 0, len(v.gateIDs))}
	_, a.FlowSince = v.flowStart(now)
	for _, id := range v.gateIDs {
		g := v.gateCount(v.gates[id], now)
		a.In += g.In
		a.Out += g.Out
		a.Gates = append(a.Gates, g)
	}
	a.Inside = int64(a.In) - int64(a.Out)
	for _, g := range v.order {
		for i := range g.pointGaps {
			a.Declared += g.pointGaps[i].count
		}
	}
	return a
}

// flowStart returns where the window of the rates begins: the end of the last but one bucket,
// so that a rate covers one to two buckets and is never empty just after an edge.
func (v *Venue) flowStart(now time.Time) (bucket int64, at time.Time) {
	bucket = v.bucketOf(now.UnixNano()) - 2
	return bucket, time.Unix(0, (bucket+1)*int64(v.o.Bucket))
}

func (v *Venue) gateCount(g *gate, now time.Time) GateCount {
	out := GateCount{Gate: g.place, Name: g.name, RateKnown: true, Lanes: []LaneCount{}}
	start, from := v.flowStart(now)
	minutes := now.Sub(from).Minutes()
	for _, ps := range g.points {
		s := ps.chosen(now.UnixNano())
		if s == nil {
			continue
		}
		p := s.last.point
		n, broken := ps.passages()
		l := LaneCount{Point: p.Qualified(), Direction: p.Direction.String(), Passages: n, Runs: ps.runs(), Unknown: s.unknown(now.UnixNano()), Gateway: s.gateway.id}
		rate := float64(int64(n-ps.passagesAt(start, from.UnixNano()))) / minutes
		switch p.Direction {
		case point.In:
			out.In += n
			out.InRate += rate
		case point.Out:
			out.Out += n
			out.OutRate += rate
		}
		out.Uncertain = out.Uncertain || l.Unknown != "" || broken
		out.RateKnown = out.RateKnown && !ps.lostIn(from.UnixNano(), now.UnixNano())
		out.Lanes = append(out.Lanes, l)
	}
	slices.SortFunc(out.Lanes, func(a, b LaneCount) int { return strings.Compare(a.Point, b.Point) })
	return out
}

// lostIn reports whether every gateway of the point lost something of its lane, or of the point itself, between from and to.
func (p *pointState) lostIn(from, to int64) bool {
	for _, s := range p.series {
		if s.last.wall != 0 && !s.interrupted(from, to) && !s.gateway.laneLostIn(s.last.lane, from, to) {
			return false
		}
	}
	return true
}

// PanelState is one panel.
type PanelState struct {
	Panel  string       `json:"panel"`
	Name   string       `json:"name,omitempty"`
	Points []PointValue `json:"points"`
}

// PanelsAnswer is the state of every panel.
type PanelsAnswer struct {
	Basis
	Panels []PanelState `json:"panels"`
}

// Panels returns what the panels' points say.
func (v *Venue) Panels() PanelsAnswer {
	v.mu.RLock()
	defer v.mu.RUnlock()
	now := v.o.Now()
	a := PanelsAnswer{Basis: v.basis(now), Panels: make([]PanelState, 0, len(v.panelIDs))}
	for _, id := range v.panelIDs {
		p := v.panels[id]
		st := PanelState{Panel: p.place, Name: p.name, Points: []PointValue{}}
		for _, ps := range p.points {
			if s := ps.chosen(now.UnixNano()); s != nil {
				st.Points = append(st.Points, s.value(now))
			}
		}
		a.Panels = append(a.Panels, st)
	}
	return a
}
