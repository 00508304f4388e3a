package venue

import (
	"cmp"
	"slices"
	"sort"

	"github.com/courtside-edge/courtside/sync/point"
)

// runList is the counter runs of one batch, by point and start.
type runList []point.CounterRun

// set takes over the runs of a batch.
func (l *runList) set(runs []point.CounterRun) {
	*l = append((*l)[:0], runs...)
	slices.SortFunc(*l, func(a, b point.CounterRun) int {
		return cmp.Or(cmp.Compare(a.Index, b.Index), cmp.Compare(a.Start, b.Start), cmp.Compare(a.Run, b.Run))
	})
}

// of returns the run of a sample: the last of its point that began at or before its time; the point's first when
// none did, nil when the batch names none.
func (l runList) of(index uint32, mono int64) *point.CounterRun {
	first := sort.Search(len(l), func(k int) bool { return l[k].Index >= index })
	if first == len(l) || l[first].Index != index {
		return nil
	}
	run := &l[first]
	for k := first + 1; k < len(l); k++ {
		if l[k].Index != index || l[k].Start > mono {
			break
		}
		run = &l[k]
	}
	return run
}
