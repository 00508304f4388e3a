package venue

import (
	"sort"
	"time"

	"github.com/courtside-edge/courtside/sync/point"
)

// LaneCount is one counter or event point of a gate.
type LaneCount struct {
	Point     string `json:"point" doc:"device/name"`
	Direction string `json:"direction" enum:"in,out,none"`
	Passages  uint64 `json:"passages"`
	Runs      int    `json:"runs" doc:"uninterrupted stretches of the counter; more than one after a reset"`
	Unknown   string `json:"unknown,omitempty" enum:"never-reported,bad-quality,silent,gap" doc:"why the present count may be behind; empty when it is up to date"`
}

// GateCount is one gate.
type GateCount struct {
	Gate      string      `json:"gate"`
	Name      string      `json:"name,omitempty"`
	In        uint64      `json:"in" doc:"passages inwards since the counters' first reads"`
	Out       uint64      `json:"out"`
	InRate    float64     `json:"in_per_minute" doc:"over the flow window"`
	OutRate   float64     `json:"out_per_minute"`
	Uncertain bool        `json:"uncertain" doc:"some lane's present count is not known"`
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
		for i := range g.gaps {
			if g.gaps[i].gap.PointKnown {
				a.Declared += g.gaps[i].gap.Count
			}
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
	out := GateCount{Gate: g.place, Name: g.name, Lanes: []LaneCount{}}
	start, from := v.flowStart(now)
	minutes := now.Sub(from).Minutes()
	for _, s := range g.series {
		if s.last.wall == 0 {
			continue
		}
		p := s.last.point
		l := LaneCount{Point: p.Qualified(), Direction: p.Direction.String(), Passages: s.passages(), Runs: len(s.runs), Unknown: s.unknown(now.UnixNano())}
		rate := float64(l.Passages-s.totalAtEnd(start, from.UnixNano())) / minutes
		switch p.Direction {
		case point.In:
			out.In += l.Passages
			out.InRate += rate
		case point.Out:
			out.Out += l.Passages
			out.OutRate += rate
		}
		out.Uncertain = out.Uncertain || l.Unknown != ""
		out.Lanes = append(out.Lanes, l)
	}
	sort.Slice(out.Lanes, func(i, j int) bool { return out.Lanes[i].Point < out.Lanes[j].Point })
	return out
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
		for _, s := range p.series {
			if s.last.wall != 0 {
				st.Points = append(st.Points, s.value(now))
			}
		}
		a.Panels = append(a.Panels, st)
	}
	return a
}
