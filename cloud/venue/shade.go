package venue

import (
	"cmp"
	"slices"
	"sort"

	"github.com/courtside-edge/courtside/sync/point"
)

// shade says of which samples of a lane it is not known whether newer ones were lost, or wait at the gateway. It rests on two facts:
// within a lane of an epoch a point's samples come in the order of the seqs, and between epochs times alone can tell.
type shade struct {
	epochs map[*point.Epoch][]veil // by seq, the highest first; last is the largest up to there
	latest []veil                  // one an epoch, the latest first
}

// veil is what a hole or pending span hides.
type veil struct {
	epoch *point.Epoch
	seq   uint64 // the highest
	last  int64  // Unix ns, always when it cannot be bounded by time
	until int64  // Unix ns of the hole's end, for samples of other epochs
}

// hides reports whether something newer than the sample may be hidden.
func (d *shade) hides(s *stamp) bool {
	if len(d.latest) == 0 {
		return false
	}
	for i := range d.latest { // two at most are looked at
		if d.latest[i].epoch != s.epoch {
			if d.latest[i].until > s.wall {
				return true
			}
			break
		}
	}
	own := d.epochs[s.epoch]
	if len(own) == 0 || own[0].seq <= s.seq {
		return false
	}
	k := sort.Search(len(own), func(k int) bool { return own[k].seq <= s.seq })
	return own[k-1].last > s.wall
}

// add notes a span of an epoch that ends at seq to and is hidden from first to last.
func (d *shade) add(id *point.Epoch, to uint64, last int64, exact bool) {
	if d.epochs == nil {
		d.epochs = map[*point.Epoch][]veil{}
	}
	v := veil{epoch: id, seq: to - 1, last: always, until: last}
	if exact {
		v.last = last
	}
	d.epochs[id] = append(d.epochs[id], v)
}

// finish orders what was added. before is the end of what is hidden for ever, 0 for nothing.
func (d *shade) finish(before int64) {
	d.latest = d.latest[:0]
	for id, list := range d.epochs {
		slices.SortFunc(list, func(a, b veil) int { return cmp.Compare(b.seq, a.seq) })
		until := list[0].until
		for i := 1; i < len(list); i++ {
			list[i].last = max(list[i].last, list[i-1].last)
			until = max(until, list[i].until)
		}
		d.latest = append(d.latest, veil{epoch: id, until: until})
	}
	if before > 0 {
		d.latest = append(d.latest, veil{until: before})
	}
	slices.SortFunc(d.latest, func(a, b veil) int { return cmp.Compare(b.until, a.until) })
}

// shades are a gateway's lanes.
type shades [2]shade

// lost returns what the holes that begin before limit hide, for samples before then.
func (g *gateway) lost(limit int64) (out shades) {
	for l := range out {
		for _, e := range g.holed {
			for i := range e.lanes[l].holes {
				h := &e.lanes[l].holes[i]
				if h.first < limit {
					out[l].add(e.name, h.end(), h.last, h.exact)
				}
			}
		}
		out[l].finish(g.buried[l])
	}
	return out
}

// awaited returns what the gateway's pending batches hide.
func (g *gateway) awaited() (out shades) {
	for l := range out {
		for _, e := range g.behind {
			for _, p := range e.lanes[l].pending {
				out[l].add(e.name, p.to, p.last, p.last != 0)
			}
		}
		out[l].finish(0)
	}
	return out
}

// lostBy reports whether a hole that began by the time at may hide something newer than the sample.
func (g *gateway) lostBy(s *stamp, at int64) bool {
	if !g.hidden[s.lane-1].hides(s) {
		return false
	}
	if g.buried[s.lane-1] > s.wall {
		return true
	}
	for _, e := range g.holed {
		for _, h := range e.lanes[s.lane-1].holes {
			if h.first > at {
				continue
			}
			if e.name != s.epoch && h.last > s.wall || e.name == s.epoch && h.end()-1 > s.seq && (!h.exact || h.last > s.wall) {
				return true
			}
		}
	}
	return false
}
