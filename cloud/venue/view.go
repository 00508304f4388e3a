package venue

import (
	"slices"
	"time"

	"github.com/courtside-edge/courtside/sync/point"
)

// Basis says what an answer rests on.
type Basis struct {
	Venue        point.ID     `json:"venue"`
	AsOf         time.Time    `json:"as_of" doc:"when the answer was evaluated"`
	Offset       uint64       `json:"log_offset" doc:"the answer holds every record of the log below this offset; state that is visible but not yet durable can step back after a power cut"`
	Clock        string       `json:"clock" enum:"ntp,cloud,bounds,none" doc:"the worst of the clocks that dated the gateways' newest samples; bounds when they lie between two restarts; none before anything was reported"`
	Completeness Completeness `json:"completeness"`
}

// Completeness says how much of the truth an answer can hold.
type Completeness struct {
	Points         int      `json:"points" doc:"points that the gateways' tables name"`
	Known          int      `json:"known" doc:"points whose value is known, counted at most 100 ms ago"`
	Pending        int      `json:"pending" doc:"points of which a gateway still holds newer samples; those among the known ones may change"`
	Lost           int      `json:"lost" doc:"points whose value is not known because samples were lost"`
	Gaps           int      `json:"gaps" doc:"losses, declared or found"`
	PendingBatches uint64   `json:"pending_batches" doc:"batches that the gateways say they still hold"`
	LostBatches    uint64   `json:"lost_batches" doc:"batches in gaps whose number is known"`
	Unaccounted    uint64   `json:"unaccounted_batches" doc:"those of them that nobody declared; an alarm"`
	AwaitingTable  int      `json:"awaiting_table" doc:"logged batches that wait for their point table"`
	AwaitingTime   int      `json:"awaiting_time" doc:"logged batches that wait for a time map: nothing had dated their boot"`
	SetAside       uint64   `json:"set_aside" doc:"logged records that could not be used and are kept for another try"`
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
	case s.gateway.hidden[s.last.lane-1].hides(&s.last.stamp), s.interrupted(s.last.wall+1, now):
		return whyGap
	}
	return ""
}

// behind reports whether the gateway holds samples back that may be newer.
func (s *series) behind() bool { return s.gateway.waits[s.last.lane-1].hides(&s.last.stamp) }

// basis evaluates what every answer says of itself. The caller holds a lock.
func (v *Venue) basis(now time.Time) Basis {
	b := Basis{Venue: v.o.ID, AsOf: now, Offset: v.offset, Clock: "none"}
	c := &b.Completeness
	t := v.counted(now)
	c.Points, c.Known, c.Lost, c.Pending = len(v.points), t.known, t.lost, t.pending
	c.GatewaysDown = []string{}
	for _, g := range v.order {
		l := g.losses()
		c.Gaps += l.gaps
		c.LostBatches += l.batches
		c.Unaccounted += l.unaccounted
		c.PendingBatches += g.pending()
		undated := g.undated()
		c.AwaitingTable += g.waitCount - undated
		c.AwaitingTime += undated
		c.SetAside += uint64(len(g.aside.frames))
		if g.status.State != "birth" {
			c.GatewaysDown = append(c.GatewaysDown, string(g.id))
		}
		b.Clock = worseClock(b.Clock, g.clock)
	}
	c.SetAside += uint64(len(v.strangers.frames))
	return b
}

// countedFor is how long a count of the known points serves the answers after it. Counting looks at every point: at
// each answer of a large venue it would keep those who apply batches waiting for milliseconds.
const countedFor = 100 * time.Millisecond

// tally counts the points whose value was known at a time, was lost, or may be behind.
type tally struct {
	at                   time.Time
	known, lost, pending int
}

// counted returns how many points have a known value; the count may be up to countedFor old. The caller holds a lock.
func (v *Venue) counted(now time.Time) *tally {
	if t := v.tally.Load(); t != nil && now.After(t.at) && now.Sub(t.at) < countedFor {
		return t
	}
	t := &tally{at: now}
	for _, p := range v.points {
		s := p.chosen(now.UnixNano())
		if s == nil {
			continue
		}
		switch s.unknown(now.UnixNano()) {
		case "":
			t.known++
		case whyGap:
			t.lost++
		}
		if s.behind() {
			t.pending++
		}
	}
	v.tally.Store(t)
	return t
}

// Basis returns what an answer given now rests on.
func (v *Venue) Basis() Basis {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.basis(v.o.Now())
}

// worseClock returns the less trustworthy of two clock sources.
func worseClock(a, b string) string {
	if slices.Index(clocks, b) > slices.Index(clocks, a) {
		return b
	}
	return a
}

// clocks are the sources of time as answers name them, the most trustworthy first.
var clocks = []string{"", "none", "ntp", "cloud", "system", "bounds", "unknown"}

// pending returns how many batches the gateway's newest inventory says it still holds and the venue does not have.
func (g *gateway) pending() (n uint64) {
	for _, e := range g.behind {
		for l := range e.lanes {
			for _, p := range e.lanes[l].pending {
				n += p.to - p.from
			}
		}
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
	for _, p := range s.points {
		r := p.chosen(now)
		if r == nil || r.last.point.Place != s.place || r.unknown(now) != "" {
			continue
		}
		if r.last.point.Type != point.Bool {
			out.Pressure = r.last.point.Number(r.last.bits)
		}
		if d := &r.definite; d.occupancy > out.State && !r.gateway.hidden[d.lane-1].hides(&d.stamp) {
			out.State, out.Since = d.occupancy, d.wall
		}
	}
	return out
}
