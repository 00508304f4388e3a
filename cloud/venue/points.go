package venue

import (
	"math"
	"time"

	"github.com/courtside-edge/courtside/sync/point"
)

// PointValue is one point's value with everything needed to trust it.
type PointValue struct {
	Point   string    `json:"point" doc:"device/name"`
	Kind    string    `json:"kind"`
	Place   string    `json:"place,omitempty"`
	Unit    string    `json:"unit,omitempty"`
	Value   any       `json:"value" doc:"number, boolean or text; null when it is not known"`
	Last    any       `json:"last,omitempty" doc:"the last usable value, when the present one is not known"`
	Quality string    `json:"quality"`
	At      time.Time `json:"at" doc:"of the sample that the value rests on, on the gateway's clock"`
	Age     float64   `json:"age_seconds"`
	Unknown string    `json:"unknown,omitempty" enum:"never-reported,bad-quality,silent,gap"`
	Pending bool      `json:"pending,omitempty" doc:"the gateway still holds batches that may be newer"`
	Gateway point.ID  `json:"gateway" doc:"that speaks for the point now"`
}

// PointsAnswer is the present values of points.
type PointsAnswer struct {
	Basis
	Points []PointValue `json:"points"`
}

// PointFilter chooses points; a zero field chooses all.
type PointFilter struct {
	Device point.ID
	Kind   point.Kind
	Limit  int
}

// Points returns the present values of the points that f chooses, in the order in which tables first named them.
func (v *Venue) Points(f PointFilter) PointsAnswer {
	v.mu.RLock()
	defer v.mu.RUnlock()
	now := v.o.Now()
	a := PointsAnswer{Basis: v.basis(now), Points: []PointValue{}}
	for _, p := range v.points {
		if f.Device != "" && p.key.device != f.Device {
			continue
		}
		s := p.chosen(now.UnixNano())
		if s == nil || (f.Kind != 0 && s.last.point.Kind != f.Kind) {
			continue
		}
		if f.Limit > 0 && len(a.Points) == f.Limit {
			break
		}
		a.Points = append(a.Points, s.value(now))
	}
	return a
}

// value evaluates the series at now.
func (s *series) value(now time.Time) PointValue {
	p := s.last.point
	at := time.Unix(0, s.last.wall)
	out := PointValue{Point: p.Qualified(), Kind: p.Kind.String(), Place: p.Place, Unit: p.Unit, Quality: s.last.quality.String(),
		At: at.UTC(), Age: max(0, now.Sub(at).Seconds()), Unknown: s.unknown(now.UnixNano()), Pending: s.behind(), Gateway: s.gateway.id}
	value := s.last.engineering()
	switch {
	case out.Unknown == "":
		out.Value = value
	case out.Unknown != whyBad:
		out.Last = value
	}
	return out
}

// engineering returns the observation's value for JSON.
func (o *observation) engineering() any {
	switch o.point.Type {
	case point.Bool:
		return o.bits != 0
	case point.Text:
		return o.text
	}
	n := o.point.Number(o.bits)
	if math.IsNaN(n) || math.IsInf(n, 0) {
		return nil
	}
	return n
}

// GatewayView is one gateway as the cloud sees it.
type GatewayView struct {
	Venue        point.ID        `json:"venue"`
	Gateway      point.ID        `json:"gateway"`
	State        string          `json:"state" enum:"birth,death,unknown"`
	Reason       string          `json:"reason,omitempty"`
	Since        time.Time       `json:"since,omitzero" doc:"of the state"`
	Version      string          `json:"version,omitempty"`
	Platform     string          `json:"platform,omitempty"`
	Clock        string          `json:"clock,omitempty"`
	LastBatch    time.Time       `json:"last_batch,omitzero" doc:"when the newest batch was received"`
	NewestSample time.Time       `json:"newest_sample,omitzero"`
	Epochs       int             `json:"epochs"`
	Batches      uint64          `json:"batches" doc:"distinct batches that the state holds"`
	Pending      uint64          `json:"pending_batches"`
	Gaps         int             `json:"gaps"`
	Lost         uint64          `json:"lost_batches" doc:"in gaps whose number is known"`
	Unaccounted  uint64          `json:"unaccounted_batches" doc:"those of them that nobody declared; an alarm"`
	Devices      []GatewayDevice `json:"devices"`
	Backlog      GatewayBacklog  `json:"backlog"`
}

// GatewayDevice is one device as its gateway last announced it.
type GatewayDevice struct {
	Device point.ID `json:"device"`
	State  string   `json:"state"`
	Cause  string   `json:"cause,omitempty"`
	Points int      `json:"points"`
}

// GatewayBacklog is what the gateway's last status said that it held.
type GatewayBacklog struct {
	Batches uint64 `json:"batches"`
	Bytes   uint64 `json:"bytes"`
}

// Gateways returns the venue's gateways in the configuration's order.
func (v *Venue) Gateways() []GatewayView {
	v.mu.RLock()
	defer v.mu.RUnlock()
	out := make([]GatewayView, 0, len(v.order))
	for _, g := range v.order {
		out = append(out, g.view(v.o.ID))
	}
	return out
}

func (g *gateway) view(venue point.ID) GatewayView {
	st, l := g.status, g.losses()
	w := GatewayView{Venue: venue, Gateway: g.id, State: st.State, Reason: st.Reason, Since: g.statusAt, Version: st.Version,
		Platform: st.Platform, Clock: g.clock, LastBatch: g.applied, Epochs: len(g.epochs), Pending: g.pending(),
		Gaps: l.gaps, Lost: l.batches, Unaccounted: l.unaccounted, Batches: g.settled,
		Devices: []GatewayDevice{}, Backlog: GatewayBacklog{st.Backlog.Batches, st.Backlog.Bytes}}
	if w.State == "" {
		w.State = "unknown"
	}
	if g.newest != 0 {
		w.NewestSample = time.Unix(0, g.newest).UTC()
	}
	for _, e := range g.epochs {
		for i := range e.lanes {
			w.Batches += e.lanes[i].held.count()
		}
	}
	for _, d := range st.Devices {
		w.Devices = append(w.Devices, GatewayDevice{d.Device, d.State, d.Cause, d.Points})
	}
	return w
}

// Summary is the venue in one answer.
type Summary struct {
	Basis
	SeatCount
	In       uint64        `json:"in"`
	Out      uint64        `json:"out"`
	Inside   int64         `json:"inside"`
	Gateways []GatewayView `json:"gateways"`
}

// Summary returns the venue in one answer.
func (v *Venue) Summary() Summary {
	occ, gates := v.Occupancy(), v.Gates()
	return Summary{Basis: gates.Basis, SeatCount: occ.SeatCount, In: gates.In, Out: gates.Out, Inside: gates.Inside, Gateways: v.Gateways()}
}
