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
// none did, 0 when the batch names none.
func (l runList) of(index uint32, mono int64) uint64 {
	first := sort.Search(len(l), func(k int) bool { return l[k].Index >= index })
	if first == len(l) || l[first].Index != index {
		return 0
	}
	run := l[first].Run
	for _, r := range l[first+1:] {
		if r.Index != index || r.Start > mono {
			break
		}
		run = r.Run
	}
	return run
}
