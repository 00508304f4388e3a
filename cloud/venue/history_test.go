package venue

import (
	"slices"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/sync/point"
)

// told is a series whose seat had these states at the ends of the buckets from 0 on.
func told(states ...Occupancy) *series {
	s := &series{gateway: &gateway{}, last: observation{point: &point.Point{}}}
	for b, o := range states {
		st := stamp{wall: int64(b) * int64(time.Second), lane: point.Telemetry}
		s.edges = append(s.edges, edge{bucket: int64(b), last: st, bad: o == Unknown, definite: definite{st, o}})
	}
	return s
}

// TestASeatOfSeveralPoints: it is taken when one of its sensors says so, and known when one of them knows; of one sensor the gateway of the
// better rank counts, while it knows.
func TestASeatOfSeveralPoints(t *testing.T) {
	h := &past{width: int64(time.Second), out: make([]HistoryPoint, 5), occupied: make([]int, 6), known: make([]int, 6)}
	one := &pointState{series: []*series{told(Free, Unknown, Free, Unknown, Occupied), told(Occupied, Occupied, Occupied, Unknown, Free)}}
	other := &pointState{series: []*series{told(Unknown, Free, Occupied, Unknown, Free)}}
	for _, points := range [][]*pointState{{one, other}, {other, one}} {
		h.add(points)
		h.seats++
	}
	var occupied, unknown []int
	for _, p := range h.points() {
		occupied, unknown = append(occupied, p.Occupied), append(unknown, p.Unknown)
	}
	if !slices.Equal(occupied, []int{0, 2, 2, 0, 2}) || !slices.Equal(unknown, []int{0, 0, 0, 2, 0}) {
		t.Errorf("occupied %v, unknown %v", occupied, unknown)
	}
}

// BenchmarkHistory evaluates a day of an arena in which every seat changed a hundred times.
func BenchmarkHistory(b *testing.B) {
	v := &Venue{o: Options{Bucket: time.Minute, Now: func() time.Time { return time.Unix(maxHistory*60, 0) }}}
	for i := range 20_000 {
		states := make([]Occupancy, 0, 100)
		for k := range 100 {
			states = append(states, Free+Occupancy((i+k)%2))
		}
		s := told(states...)
		for k := range s.edges {
			s.edges[k].bucket = int64(k * maxHistory / 100)
		}
		v.seats = append(v.seats, seat{points: []*pointState{{series: []*series{s}}}})
	}
	for b.Loop() {
		v.History(time.Unix(0, 0))
	}
}
