package venue

import (
	"sort"

	"github.com/courtside-edge/courtside/sync/point"
)

// Occupancy is whether somebody sits on a seat.
type Occupancy uint8

// The states of a seat.
const (
	Unknown Occupancy = iota
	Free
	Occupied
)

// String returns the state as the API writes it.
func (o Occupancy) String() string { return [...]string{"unknown", "free", "occupied"}[o] }

// observation is one sample as evaluated by the point table that it came with.
type observation struct {
	stamp
	quality point.Quality
	bits    uint64
	text    string
	point   *point.Point
}

// definite is a seat's last sample that says by itself whether somebody sits there.
type definite struct {
	stamp
	occupancy Occupancy
}

// edge is what a seat's bucket of time ended with.
type edge struct {
	bucket   int64
	last     stamp
	bad      bool // the last sample's quality
	definite definite
}

// series is what one gateway reported of one point.
type series struct {
	gateway    *gateway
	point      *pointState
	last       observation
	definite   definite
	edges      []edge // seats only; ascending by bucket
	runs       []*run // by id
	summed     uint64 // totals of runs that were added up to bound memory
	summedRuns int
	summedTo   int64 // Unix ns: runs that end before are not begun any more
	holed      bool  // losses of this point were declared
	fixes      []fix // positions only; ascending by time
}

// observe folds in a sample of a state point, and reports whether it is now the latest.
func (s *series) observe(o *observation) bool {
	if !o.after(&s.last.stamp) {
		return false
	}
	s.last = *o
	return true
}

// observeSeat folds in a seat's sample.
func (s *series) observeSeat(o *observation, bucket int64) {
	d := definite{stamp: o.stamp, occupancy: judge(o)}
	s.observe(o)
	if d.occupancy != Unknown && d.after(&s.definite.stamp) {
		s.definite = d
	}
	e := s.edge(bucket)
	if o.after(&e.last) {
		e.last, e.bad = o.stamp, o.quality.IsBad()
	}
	if d.occupancy != Unknown && d.after(&e.definite.stamp) {
		e.definite = d
	}
}

// edge returns the edge of bucket, making it at its place.
func (s *series) edge(bucket int64) *edge {
	n := len(s.edges)
	if n > 0 && s.edges[n-1].bucket == bucket {
		return &s.edges[n-1]
	}
	at := n
	if n > 0 && s.edges[n-1].bucket > bucket {
		at = sort.Search(n, func(k int) bool { return s.edges[k].bucket >= bucket })
		if at < n && s.edges[at].bucket == bucket {
			return &s.edges[at]
		}
	}
	s.edges = append(s.edges, edge{})
	copy(s.edges[at+1:], s.edges[at:])
	s.edges[at] = edge{bucket: bucket}
	return &s.edges[at]
}

// prune forgets the edges and marks before bucket, but for the last of them, which says how the horizon began.
func (s *series) prune(bucket int64) {
	at := sort.Search(len(s.edges), func(k int) bool { return s.edges[k].bucket >= bucket })
	if at > 1 {
		s.edges[at-1].definite = s.definiteAt(at - 1)
		s.edges = append(s.edges[:0], s.edges[at-1:]...)
	}
	for _, r := range s.runs {
		r.prune(bucket)
	}
}

// definiteAt returns the newest sample up to the at-th edge that says by itself whether somebody sits there.
func (s *series) definiteAt(at int) definite {
	for k := at; k >= 0; k-- {
		if s.edges[k].definite.occupancy != Unknown {
			return s.edges[k].definite
		}
	}
	return definite{}
}

// judge returns what a sample says by itself: Unknown inside the hysteresis band, for bad quality, and for a
// numeric point without hysteresis.
func judge(o *observation) Occupancy {
	if o.quality.IsBad() {
		return Unknown
	}
	p := o.point
	if p.Type == point.Bool {
		if o.bits != 0 {
			return Occupied
		}
		return Free
	}
	if p.Type == point.Text || (p.OccupiedAbove == 0 && p.OccupiedBelow == 0) {
		return Unknown
	}
	switch v := p.Number(o.bits); {
	case v >= p.OccupiedAbove:
		return Occupied
	case v < p.OccupiedBelow:
		return Free
	}
	return Unknown
}
