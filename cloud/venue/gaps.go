package venue

import (
	"cmp"
	"slices"
	"time"

	"github.com/courtside-edge/courtside/sync/point"
)

// GapView is one loss: of batches, or of samples of one point.
type GapView struct {
	Gateway  point.ID  `json:"gateway"`
	Reason   string    `json:"reason" enum:"power-cut,dropped,overrun,reset,disk-failed,corrupt,unaccounted"`
	Point    string    `json:"point,omitempty" doc:"device/name, when one point alone lost samples"`
	Epoch    string    `json:"epoch,omitempty"`
	Lane     string    `json:"lane,omitempty"`
	From     uint64    `json:"from_seq"`
	To       uint64    `json:"to_seq" doc:"exclusive; 0 for an open end"`
	Batches  uint64    `json:"batches" doc:"lost; 0 when not known"`
	Count    uint64    `json:"count" doc:"samples or passages lost; 0 when not known"`
	First    time.Time `json:"first,omitzero" doc:"the loss lies between first and last; absent for since ever"`
	Last     time.Time `json:"last,omitzero" doc:"absent for until now"`
	Exact    bool      `json:"exact" doc:"first and last are those of the lost samples; otherwise of their neighbours"`
	Alarm    bool      `json:"alarm,omitempty" doc:"nobody accounts for it: neither here, nor at the gateway, nor declared"`
	Declared time.Time `json:"declared" doc:"when the cloud learnt of it"`
}

// PendingView is batches that a gateway still holds.
type PendingView struct {
	Gateway point.ID  `json:"gateway"`
	Epoch   string    `json:"epoch"`
	Lane    string    `json:"lane"`
	From    uint64    `json:"from_seq"`
	To      uint64    `json:"to_seq" doc:"exclusive"`
	Batches uint64    `json:"batches"`
	First   time.Time `json:"first,omitzero"`
	Last    time.Time `json:"last,omitzero"`
}

// GapsAnswer lists what is missing: lost for good, or still to come.
type GapsAnswer struct {
	Basis
	Gaps    []GapView     `json:"gaps" doc:"losses, oldest first"`
	Pending []PendingView `json:"pending" doc:"what gateways still hold, by their newest inventories"`
}

// Gaps lists what all gateways lost, and what they still hold.
func (v *Venue) Gaps() GapsAnswer {
	v.mu.RLock()
	defer v.mu.RUnlock()
	a := GapsAnswer{Basis: v.basis(v.o.Now()), Gaps: []GapView{}, Pending: []PendingView{}}
	for _, g := range v.order {
		for _, e := range g.holed {
			for l := range e.lanes {
				for i := range e.lanes[l].holes {
					a.Gaps = append(a.Gaps, holeView(g, e, l, &e.lanes[l].holes[i]))
				}
			}
		}
		for i := range g.pointGaps {
			p := &g.pointGaps[i]
			a.Gaps = append(a.Gaps, GapView{Gateway: g.id, Reason: p.reason.String(), Point: p.series.point.key.String(), Count: p.count,
				First: unixTime(p.first), Last: unixTime(p.last), Exact: true, Declared: p.declared})
		}
		for _, e := range g.behind {
			for l := range e.lanes {
				for _, p := range e.lanes[l].pending {
					a.Pending = append(a.Pending, PendingView{Gateway: g.id, Epoch: e.id.String(), Lane: point.Lane(l + 1).String(), From: p.from, To: p.to,
						Batches: p.to - p.from, First: unixTime(p.first), Last: unixTime(p.last)})
				}
			}
		}
	}
	slices.SortStableFunc(a.Gaps, func(x, y GapView) int {
		return cmp.Or(x.First.Compare(y.First), cmp.Compare(x.Gateway, y.Gateway), cmp.Compare(x.Epoch, y.Epoch), cmp.Compare(x.Lane, y.Lane), cmp.Compare(x.From, y.From), cmp.Compare(x.Point, y.Point))
	})
	slices.SortFunc(a.Pending, func(x, y PendingView) int {
		return cmp.Or(x.First.Compare(y.First), cmp.Compare(x.Gateway, y.Gateway), cmp.Compare(x.Epoch, y.Epoch), cmp.Compare(x.Lane, y.Lane), cmp.Compare(x.From, y.From))
	})
	return a
}

func holeView(g *gateway, e *epoch, l int, h *hole) GapView {
	w := GapView{Gateway: g.id, Reason: h.reason.String(), Epoch: e.id.String(), Lane: point.Lane(l + 1).String(), From: h.from, To: h.to,
		Count: h.count, First: unixTime(h.first), Exact: h.exact, Alarm: h.accused, Declared: h.declared}
	if h.to != 0 {
		w.Batches = h.to - h.from
	}
	if h.last != always {
		w.Last = unixTime(h.last)
	}
	return w
}

// unixTime returns a time that is absent for 0.
func unixTime(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}

// String returns "device/name".
func (k pointKey) String() string { return string(k.device) + "/" + string(k.name) }

// losses is what a gateway lost, in figures.
type losses struct {
	gaps        int
	batches     uint64
	unaccounted uint64
}

func (g *gateway) losses() losses {
	l := losses{gaps: len(g.pointGaps)}
	for _, e := range g.holed {
		for i := range e.lanes {
			for _, h := range e.lanes[i].holes {
				l.gaps++
				if h.to != 0 {
					l.batches += h.to - h.from
				}
				if h.accused {
					l.unaccounted += max(1, h.to-min(h.to, h.from))
				}
			}
		}
	}
	return l
}

// laneLostIn reports whether a hole of the lane touches the time from from to to.
func (g *gateway) laneLostIn(lane point.Lane, from, to int64) bool {
	for _, e := range g.holed {
		for _, h := range e.lanes[lane-1].holes {
			if h.first < to && h.last >= from {
				return true
			}
		}
	}
	return false
}
