package venue

import (
	"math"
	"time"

	"github.com/courtside-edge/courtside/sync/interval"
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
}

// maxHistory is how many buckets one answer holds at most.
const maxHistory = 1500

// History returns the house at the end of each bucket from from to now, at most 1,500 buckets, oldest first. Late data
// is in it, because it is computed from the kept edges.
func (v *Venue) History(from time.Time) []HistoryPoint {
	v.mu.RLock()
	defer v.mu.RUnlock()
	last := v.bucketOf(v.o.Now().UnixNano())
	first := max(v.bucketOf(from.UnixNano()), last-maxHistory+1)
	out := make([]HistoryPoint, 0, last-first+1)
	for b := first; b <= last; b++ {
		p := HistoryPoint{At: time.Unix(0, (b+1)*int64(v.o.Bucket)).UTC()}
		for i := range v.seats {
			switch v.seats[i].atEnd(b) {
			case Occupied:
				p.Occupied++
			case Unknown:
				p.Unknown++
			}
		}
		out = append(out, p)
	}
	return out
}

func (s *seat) atEnd(bucket int64) Occupancy {
	o := Unknown
	for _, r := range s.series {
		o = max(o, r.occupancyAtEnd(bucket))
	}
	return o
}
