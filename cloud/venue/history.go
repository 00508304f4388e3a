package venue

import (
	"math"
	"slices"
	"sort"
	"time"

	"github.com/courtside-edge/courtside/sync/point"
)

// HistoryPoint is the house at the end of one bucket of time.
type HistoryPoint struct {
	At       time.Time `json:"at" doc:"end of the bucket"`
	Occupied int       `json:"occupied"`
	Unknown  int       `json:"unknown"`
	Pending  bool      `json:"pending,omitempty" doc:"a gateway still holds samples of this bucket"`
	Lost     bool      `json:"lost,omitempty" doc:"samples of this bucket were lost, or may have been"`
}

const (
	// maxHistory is how many buckets one answer holds at most.
	maxHistory = 1500
	// historyStep is how many seats are evaluated at once: some milliseconds, in which nothing can be applied.
	historyStep = 2000
)

// History returns the house at the end of each bucket from from to now, at most 1,500 buckets, oldest first. Late data
// is in it, because it is computed from the kept edges; what lies in a gap is unknown. Batches are applied in between.
func (v *Venue) History(from time.Time) []HistoryPoint {
	last := v.bucketOf(v.o.Now().UnixNano())
	first := max(v.bucketOf(from.UnixNano()), last-maxHistory+1)
	if last < first {
		return []HistoryPoint{}
	}
	h := v.past(first, int(last-first+1))
	for done := false; !done; {
		done = h.count(v)
	}
	return h.points()
}

// past is a stretch of buckets while it is evaluated. A seat is the same for many buckets in a row, so that the edges of its time are walked
// and not the buckets.
type past struct {
	first    int64 // bucket
	width    int64 // of a bucket, ns
	out      []HistoryPoint
	hidden   map[*gateway][]*shades // what the holes that began before each bucket's end hide; nil for gateways without any
	seats    int                    // counted so far
	occupied []int                  // by bucket: how many more there are than in the one before
	known    []int
	spans    []span
}

// span is buckets, counted from the first, in which a seat is occupied or free.
type span struct {
	from, to int // from ≤ bucket < to
	state    Occupancy
}

// past notes what holes and pending batches cover in n buckets.
func (v *Venue) past(first int64, n int) *past {
	v.mu.RLock()
	defer v.mu.RUnlock()
	h := &past{first: first, width: int64(v.o.Bucket), out: make([]HistoryPoint, n), hidden: map[*gateway][]*shades{}, occupied: make([]int, n+1), known: make([]int, n+1)}
	for i := range h.out {
		h.out[i].At = time.Unix(0, h.end(i)).UTC()
	}
	for _, g := range v.order {
		for i := range h.out {
			p := &h.out[i]
			p.Lost = p.Lost || g.lostIn(h.end(i-1), h.end(i))
			p.Pending = p.Pending || g.pendingIn(h.end(i-1), h.end(i))
		}
		if len(g.holed) > 0 || g.buried != ([2]int64{}) {
			h.hidden[g] = h.hides(g)
		}
	}
	return h
}

// end returns the end of the i-th bucket, Unix ns.
func (h *past) end(i int) int64 { return (h.first + int64(i) + 1) * h.width }

// hides returns what g's holes hide at the end of each bucket; they are worked out anew where another hole began.
func (h *past) hides(g *gateway) []*shades {
	var begins []int64
	for l := range g.buried {
		for _, e := range g.holed {
			for i := range e.lanes[l].holes {
				begins = append(begins, e.lanes[l].holes[i].first)
			}
		}
	}
	slices.Sort(begins)
	out, began := make([]*shades, len(h.out)), -1
	for i := range out {
		n := sort.Search(len(begins), func(k int) bool { return begins[k] >= h.end(i) })
		if n == began {
			out[i] = out[i-1]
			continue
		}
		lost := g.lost(h.end(i))
		out[i], began = &lost, n
	}
	return out
}

// count takes in some seats, and reports whether those were the last.
func (h *past) count(v *Venue) (done bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	to := min(h.seats+historyStep, len(v.seats))
	for ; h.seats < to; h.seats++ {
		h.add(v.seats[h.seats].points)
	}
	return to == len(v.seats)
}

// add counts one seat.
func (h *past) add(points []*pointState) {
	if len(points) == 1 && len(points[0].series) == 1 {
		s := points[0].series[0]
		h.spans = s.spans(h, h.spans[:0])
		h.sum(h.spans)
		return
	}
	// The best-ranked gateway that knows a point tells; of several points of a seat the one that says occupied.
	best, all := make([]Occupancy, len(h.out)), make([]Occupancy, len(h.out))
	for _, p := range points {
		clear(best)
		for _, s := range p.series {
			h.spans = s.spans(h, h.spans[:0])
			for _, sp := range h.spans {
				for i := sp.from; i < sp.to; i++ {
					if best[i] == Unknown {
						best[i] = sp.state
					}
				}
			}
		}
		for i, o := range best {
			all[i] = max(all[i], o)
		}
	}
	h.spans = h.spans[:0]
	for i, o := range all {
		if o != Unknown {
			h.spans = append(h.spans, span{i, i + 1, o})
		}
	}
	h.sum(h.spans)
}

func (h *past) sum(spans []span) {
	for _, sp := range spans {
		h.known[sp.from]++
		h.known[sp.to]--
		if sp.state == Occupied {
			h.occupied[sp.from]++
			h.occupied[sp.to]--
		}
	}
}

func (h *past) points() []HistoryPoint {
	occupied, known := 0, 0
	for i := range h.out {
		occupied, known = occupied+h.occupied[i], known+h.known[i]
		h.out[i].Occupied, h.out[i].Unknown = occupied, h.seats-known
	}
	return h.out
}

// spans appends when the seat was known to be occupied or free at the ends of buckets, from the edges alone.
func (s *series) spans(h *past, out []span) []span {
	n := len(h.out)
	at := sort.Search(len(s.edges), func(k int) bool { return s.edges[k].bucket > h.first }) - 1
	var d definite
	if at >= 0 {
		d = s.definiteAt(at)
	}
	for k := max(at, 0); k < len(s.edges); k++ {
		e := &s.edges[k]
		if e.definite.occupancy != Unknown {
			d = e.definite
		}
		from, to := int(max(e.bucket-h.first, 0)), n
		if k+1 < len(s.edges) {
			to = int(min(s.edges[k+1].bucket-h.first, int64(n)))
		}
		if from >= n {
			break
		}
		if e.bad || d.occupancy == Unknown {
			continue
		}
		if to = min(to, s.heard(h, e)); from < to {
			to = from + s.shown(h, from, to, e, &d)
		}
		if from < to {
			out = append(out, span{from, to, d.occupancy})
		}
	}
	return out
}

// heard returns the first bucket at whose end the edge's last sample is too old.
func (s *series) heard(h *past, e *edge) int {
	silence := s.last.point.MaxSilence
	if silence <= 0 {
		return math.MaxInt
	}
	return int(max((e.last.wall+2*int64(silence))/h.width-h.first, 0))
}

// shown returns for how many buckets from from on, to at most, no hole may hide something newer than the edge's last sample, or than the one
// that says occupied or free: within its hysteresis band a seat is what it was, and that would be lost. What holes hide only grows.
func (s *series) shown(h *past, from, to int, e *edge, d *definite) int {
	lost := h.hidden[s.gateway]
	if lost == nil {
		return to - from
	}
	return sort.Search(to-from, func(i int) bool {
		l := lost[from+i]
		return l[e.last.lane-1].hides(&e.last) || l[d.lane-1].hides(&d.stamp)
	})
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
