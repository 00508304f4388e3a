package venue

import (
	"math"

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
