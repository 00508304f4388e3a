package venue

import (
	"math"
	"time"

	"github.com/courtside-edge/courtside/sync/interval"
	"github.com/courtside-edge/courtside/sync/point"
)

var nan = math.NaN()

func intervalOf(from, to uint64) interval.Interval { return interval.Interval{From: from, To: to} }

// SeatCount counts seats by state.
type SeatCount struct {
	Seats    int `json:"seats"`
	Occupied int `json:"occupied"`
	Free     int `json:"free"`
	Unknown  int `json:"unknown" doc:"no sensor, bad quality, silent for too long, or lost in a gap; never counted as free"`
}

func (c *SeatCount) add(o Occupancy) {
	c.Seats++
	switch o {
	case Occupied:
		c.Occupied++
	case Free:
		c.Free++
	default:
		c.Unknown++
	}
}

// SectionCount counts the seats of one section.
type SectionCount struct {
	Section string `json:"section"`
	SeatCount
}

// OccupancyAnswer is how full the venue is.
type OccupancyAnswer struct {
	Basis
	SeatCount
	Sections []SectionCount `json:"sections" doc:"in the map's order"`
}

// Occupancy counts seats by section.
func (v *Venue) Occupancy() OccupancyAnswer {
	v.mu.RLock()
	defer v.mu.RUnlock()
	now := v.o.Now()
	a := OccupancyAnswer{Basis: v.basis(now), Sections: []SectionCount{}}
	at := map[string]int{}
	for i := range v.seats {
		s := v.seats[i].state(now.UnixNano())
		k, ok := at[s.Section]
		if !ok {
			k = len(a.Sections)
			at[s.Section] = k
			a.Sections = append(a.Sections, SectionCount{Section: s.Section})
		}
		a.Sections[k].add(s.State)
		a.add(s.State)
	}
	return a
}

// HistoryPoint is the house at the end of one bucket of time.
type HistoryPoint struct {
	At       time.Time `json:"at" doc:"end of the bucket"`
	Occupied int       `json:"occupied"`
	Unknown  int       `json:"unknown"`
	Pending  bool      `json:"pending,omitempty" doc:"a gateway still holds samples of this bucket"`
	Lost     bool      `json:"lost,omitempty" doc:"samples of this bucket were lost, or may have been"`
}

// maxHistory is how many buckets one answer holds at most.
const maxHistory = 1500

// historyStep is how many buckets are evaluated at once: of an arena some ten milliseconds, in which nothing can be applied.
const historyStep = 30

// History returns the house at the end of each bucket from from to now, at most 1,500 buckets, oldest first. Late data
// is in it, because it is computed from the kept edges; what lies in a gap is unknown. Batches are applied in between.
func (v *Venue) History(from time.Time) []HistoryPoint {
	last := v.bucketOf(v.o.Now().UnixNano())
	first := max(v.bucketOf(from.UnixNano()), last-maxHistory+1)
	out := make([]HistoryPoint, 0, max(0, last-first+1))
	for b := first; b <= last; b += historyStep {
		out = v.appendHistory(out, b, min(b+historyStep-1, last))
	}
	return out
}

// appendHistory appends the buckets from first to last.
func (v *Venue) appendHistory(out []HistoryPoint, first, last int64) []HistoryPoint {
	v.mu.RLock()
	defer v.mu.RUnlock()
	for b := first; b <= last; b++ {
		out = append(out, v.houseAtEnd(b))
	}
	return out
}

// houseAtEnd evaluates one bucket. The caller holds the lock.
func (v *Venue) houseAtEnd(bucket int64) HistoryPoint {
	begin, end := bucket*int64(v.o.Bucket), (bucket+1)*int64(v.o.Bucket)
	p := HistoryPoint{At: time.Unix(0, end).UTC()}
	lost := map[*gateway]*shades{}
	for _, g := range v.order {
		if len(g.holed) > 0 || g.buried != ([2]int64{}) {
			l := g.lost(end)
			lost[g] = &l
		}
		p.Lost = p.Lost || g.lostIn(begin, end)
		p.Pending = p.Pending || g.pendingIn(begin, end)
	}
	for i := range v.seats {
		switch v.seats[i].atEnd(bucket, end, lost) {
		case Occupied:
			p.Occupied++
		case Unknown:
			p.Unknown++
		}
	}
	return p
}

func (s *seat) atEnd(bucket, end int64, lost map[*gateway]*shades) Occupancy {
	o := Unknown
	for _, p := range s.points {
		o = max(o, p.occupancyAtEnd(bucket, end, lost))
	}
	return o
}

// lostIn reports whether a hole of the gateway touches the time from from to to.
func (g *gateway) lostIn(from, to int64) bool {
	return g.laneLostIn(point.Telemetry, from, to) || g.laneLostIn(point.Critical, from, to)
}

// pendingIn reports whether something that the gateway still holds touches the time from from to to.
func (g *gateway) pendingIn(from, to int64) bool {
	for _, e := range g.behind {
		for l := range e.lanes {
			for _, p := range e.lanes[l].pending {
				if p.last != 0 && p.first < to && p.last >= from {
					return true
				}
			}
		}
	}
	return false
}
