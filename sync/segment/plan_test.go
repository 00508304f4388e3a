package segment

import (
	"slices"
	"testing"

	"github.com/courtside-edge/courtside/sync/interval"
)

// acc is a whole frame of a plan test; index 0 is a snapshot.
func acc(index uint32, first uint64, count uint32, durable uint64) account {
	return account{ref: frameRef{index: index, first: first, count: count}, snapshot: index == 0, whole: true, durable: durable, section: []byte{}}
}

func spoilt(a account) account { a.whole = false; return a }

func released(a account, from, to uint64) account {
	a.section = appendReleases(nil, slices.Values([]interval.Interval{{From: from, To: to}}))
	return a
}

func TestPlans(t *testing.T) {
	closed := func(id, first, next uint64) *found {
		return &found{id: id, index: &index{segment: id, first: first, next: next}}
	}
	left := func(id uint64, frames ...account) *found { return &found{id: id, frames: frames, used: true} }
	for what, c := range map[string]struct {
		segments []*found
		mark     uint64
		next     uint64
		torn     uint64
		keep     []int // frames of each kept segment; -1 for a closed one
		drop     int
		aside    int
		damaged  bool
	}{
		"nothing":                       {},
		"closed ones":                   {segments: []*found{closed(1, 0, 10), closed(2, 10, 20)}, next: 20, keep: []int{-1, -1}},
		"a kill":                        {segments: []*found{closed(1, 0, 10), left(2, acc(0, 10, 0, 10), acc(1, 10, 2, 10))}, next: 12, keep: []int{-1, 2}},
		"a torn tail":                   {segments: []*found{left(1, acc(0, 0, 0, 0), acc(1, 0, 2, 0), spoilt(acc(2, 2, 2, 2)), acc(3, 4, 1, 2))}, next: 2, torn: 5, keep: []int{2}},
		"a missing frame at the tail":   {segments: []*found{left(1, acc(0, 0, 0, 0), acc(1, 0, 2, 0), acc(3, 4, 1, 2))}, next: 2, torn: 5, keep: []int{2}},
		"rot in what was synced":        {segments: []*found{left(1, acc(0, 0, 0, 0), spoilt(acc(1, 0, 2, 0)), acc(2, 2, 2, 2))}, next: 4, keep: []int{3}, damaged: true},
		"rot below the watermark":       {segments: []*found{left(1, acc(0, 0, 0, 0), spoilt(acc(1, 0, 2, 0)))}, mark: 2, next: 2, keep: []int{2}, damaged: true},
		"a hole in what was synced":     {segments: []*found{left(1, acc(0, 0, 0, 0), acc(2, 2, 2, 2))}, mark: 4, next: 4, keep: []int{2}, damaged: true},
		"a tail that is lost":           {segments: []*found{left(1, acc(0, 0, 0, 0))}, mark: 9, next: 9, keep: []int{1}},
		"a segment after a torn one":    {segments: []*found{left(1, acc(0, 0, 0, 0), spoilt(acc(1, 0, 2, 0))), left(2, acc(0, 2, 0, 0), acc(1, 2, 5, 0))}, next: 0, torn: 7, keep: []int{1}, drop: 1},
		"the first segment was removed": {segments: []*found{left(7, acc(0, 50, 0, 40), acc(1, 50, 2, 40))}, next: 52, keep: []int{2}},
		"a middle one was removed":      {segments: []*found{closed(1, 0, 10), left(3, released(acc(0, 30, 0, 5), 10, 30), acc(1, 30, 1, 5))}, next: 31, keep: []int{-1, 2}},
		"a middle one never was":        {segments: []*found{closed(1, 0, 10), left(3, acc(0, 30, 0, 5), acc(1, 30, 1, 5))}, next: 10, torn: 31, keep: []int{-1}, drop: 1},
		"opened ahead":                  {segments: []*found{closed(1, 0, 10), {id: 2}}, next: 10, keep: []int{-1}, drop: 1},
		"cut off at its birth":          {segments: []*found{closed(1, 0, 10), left(2)}, next: 10, keep: []int{-1}, drop: 1},
		"ruined":                        {segments: []*found{closed(1, 0, 10), left(2)}, mark: 20, next: 20, keep: []int{-1}, aside: 1},
	} {
		p := planRecovery(c.segments, c.mark)
		var keep []int
		damaged := false
		for _, k := range p.keep {
			damaged = damaged || k.damaged
			if k.found.index != nil {
				keep = append(keep, -1)
			} else {
				keep = append(keep, len(k.frames))
			}
		}
		if p.next != c.next || p.tornTo != c.torn || !slices.Equal(keep, c.keep) || len(p.drop) != c.drop || len(p.aside) != c.aside || damaged != c.damaged {
			t.Errorf("%s: next %d torn %d keep %v drop %d aside %d damaged %t, want %+v", what, p.next, p.tornTo, keep, len(p.drop), len(p.aside), damaged, c)
		}
	}
}
