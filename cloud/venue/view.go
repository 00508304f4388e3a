package venue

import (
	"time"

	"github.com/courtside-edge/courtside/sync/point"
)

// Basis says what an answer rests on.
type Basis struct {
	Venue        point.ID     `json:"venue"`
	AsOf         time.Time    `json:"as_of" doc:"when the answer was evaluated"`
	Offset       uint64       `json:"log_offset" doc:"the answer holds every record of the log below this offset; state that is visible but not yet durable can step back after a power cut"`
	Clock        string       `json:"clock" enum:"ntp,cloud,system,unknown,none" doc:"the worst of the gateways' clocks; none before anything was reported"`
	Completeness Completeness `json:"completeness"`
}

// Completeness says how much of the truth an answer can hold.
type Completeness struct {
	Points         int      `json:"points" doc:"points that the gateways' tables name"`
	Known          int      `json:"known" doc:"points whose value is known, counted at most 100 ms ago"`
	Gaps           int      `json:"gaps" doc:"declared losses"`
	PendingBatches uint64   `json:"pending_batches" doc:"batches that the gateways say they still hold"`
	AwaitingTable  int      `json:"awaiting_table" doc:"logged batches that wait for their point table"`
	SetAside       uint64   `json:"set_aside" doc:"logged records that could not be used"`
	GatewaysDown   []string `json:"gateways_down" doc:"gateways that have no live session"`
}

// why a value is not known.
const (
	whyNever  = "never-reported"
	whyBad    = "bad-quality"
	whySilent = "silent"
	whyGap    = "gap"
)

// unknown returns why the value of s is not known at now, or "" when it is.
func (s *series) unknown(now int64) string {
	switch {
	case s.last.wall == 0:
		return whyNever
	case s.last.quality.IsBad():
		return whyBad
	case s.last.point.MaxSilence > 0 && now-s.last.wall > 2*int64(s.last.point.MaxSilence):
		return whySilent
	case s.gateway.lostSince(s.last.lane, s.last.wall, now):
		return whyGap
	}
	return ""
}

// lostSince reports whether a dated loss of the lane lies between from and now.
func (g *gateway) lostSince(lane point.Lane, from, now int64) bool {
	for i := range g.gaps {
		s := &g.gaps[i]
		if s.last > from && s.first <= now && s.gap.Lane == lane && !s.gap.PointKnown {
			return true
		}
	}
	return false
}

// basis evaluates what every answer says of itself. The caller holds a lock.
func (v *Venue) basis(now time.Time) Basis {
	b := Basis{Venue: v.o.ID, AsOf: now, Offset: v.offset, Clock: "none"}
	b.Completeness.Points, b.Completeness.Known = len(v.byPoint), v.known(now)
	b.Completeness.GatewaysDown = []string{}
	for _, g := range v.order {
		b.Completeness.Gaps += len(g.gaps)
		b.Completeness.PendingBatches += g.pending()
		b.Completeness.AwaitingTable += g.waitCount
		if g.status.State != "birth" {
			b.Completeness.GatewaysDown = append(b.Completeness.GatewaysDown, string(g.id))
		}
		b.Clock = worseClock(b.Clock, g.clock)
	}
	for _, n := range v.count.SetAside {
		b.Completeness.SetAside += n
	}
	return b
}

// knownFor is how long a count of the known points serves the answers after it. Counting looks at every point: at
// each answer of a large venue it would keep those who apply batches waiting for milliseconds.
const knownFor = 100 * time.Millisecond

// tally is a count of the points whose value was known at a time.
type tally struct {
	at    time.Time
	known int
}

// known returns how many points have a known value; the count may be up to knownFor old. The caller holds a lock.
func (v *Venue) known(now time.Time) int {
	if t := v.tally.Load(); t != nil && now.After(t.at) && now.Sub(t.at) < knownFor {
		return t.known
	}
	t := &tally{at: now}
	for _, list := range v.byPoint {
		if s := best(list); s != nil && s.unknown(now.UnixNano()) == "" {
			t.known++
		}
	}
	v.tally.Store(t)
	return t.known
}

// Basis returns what an answer given now rests on.
func (v *Venue) Basis() Basis {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.basis(v.o.Now())
}

// worseClock returns the less trustworthy of two clock sources.
func worseClock(a, b string) string {
	order := map[string]int{"": 0, "none": 1, "ntp": 2, "cloud": 3, "system": 4, "unknown": 5}
	if order[b] > order[a] {
		return b
	}
	return a
}

// best returns the series of the best-ranked gateway that ever reported, nil when none did.
func best(list []*series) *series {
	var pick *series
	for _, s := range list {
		if s.last.wall != 0 && (pick == nil || s.gateway.rank < pick.gateway.rank) {
			pick = s
		}
	}
	return pick
}

// pending returns how many batches the gateway's newest inventory says it still holds and the venue does not have.
func (g *gateway) pending() uint64 {
	n := uint64(0)
	for _, e := range g.inventory.Epochs {
		for _, l := range e.Lanes {
			for _, p := range l.Pending {
				n += p.To - p.From
				if have := g.epochs[e.Epoch]; have != nil {
					n -= min(n, held(&have.lanes[l.Lane-1], p.From, p.To))
				}
			}
		}
	}
	return n
}

func held(ls *laneState, from, to uint64) uint64 {
	n := to - from
	for iv := range ls.seen.Missing(intervalOf(from, to)) {
		n -= iv.Len()
	}
	return n
}

// SeatState is one seat's state now.
type SeatState struct {
	Place    string
	Section  string
	State    Occupancy
	Pressure float64 // in the point's unit; NaN when not known
	Since    int64   // Unix ns of the sample that the state rests on; 0 for none
}

// Seats returns every seat of the map in the map's order.
func (v *Venue) Seats() (Basis, []SeatState) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	now := v.o.Now()
	out := make([]SeatState, len(v.seats))
	for i := range v.seats {
		out[i] = v.seats[i].state(now.UnixNano())
	}
	return v.basis(now), out
}

// SeatVector writes every seat's state in the map's order into dst and returns it with the state's version.
func (v *Venue) SeatVector(dst []Occupancy) ([]Occupancy, uint64) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	now := v.o.Now().UnixNano()
	dst = dst[:0]
	for i := range v.seats {
		st := v.seats[i].state(now)
		dst = append(dst, st.State)
	}
	return dst, v.version
}

// state evaluates the seat: occupied if any of its sensors says so, free if any says that, else unknown.
func (s *seat) state(now int64) SeatState {
	out := SeatState{Place: s.place, Section: s.section, Pressure: nan}
	for _, r := range s.series {
		if r.last.wall == 0 || r.last.point.Place != s.place || r.unknown(now) != "" {
			continue
		}
		if r.last.point.Type != point.Bool {
			out.Pressure = r.last.point.Number(r.last.bits)
		}
		if r.definite.occupancy > out.State {
			out.State, out.Since = r.definite.occupancy, r.definite.wall
		}
	}
	return out
}
