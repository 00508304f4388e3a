package venue

import (
	"math"
	"slices"
	"sort"

	"github.com/courtside-edge/courtside/sync/point"
)

// mark is a counter run's largest total within a bucket of time, and when it was shown last.
type mark struct {
	bucket int64
	total  uint64
	wall   int64 // Unix ns
}

// run is one uninterrupted stretch of a counter: its total is 0 at the first read.
type run struct {
	id    uint64
	total uint64 // largest
	first uint64 // raw value at the first read
	bits  uint8  // width of the register
	begin int64  // Unix ns of the earliest sample
	last  int64  // Unix ns of the earliest sample that showed total
	marks []mark // ascending by bucket
}

// observe folds in a total.
func (r *run) observe(total uint64, wall, bucket int64) {
	switch {
	case r.last == 0:
		r.total, r.begin, r.last = total, wall, wall
	case total > r.total:
		r.total, r.last = total, wall
	case total == r.total:
		r.last = min(r.last, wall)
	}
	r.begin = min(r.begin, wall)
	m := r.mark(bucket)
	if m.wall == 0 || total > m.total || total == m.total && wall > m.wall {
		m.total, m.wall = total, wall
	}
}

// mark returns the mark of bucket, making it at its place.
func (r *run) mark(bucket int64) *mark {
	n := len(r.marks)
	if n > 0 && r.marks[n-1].bucket == bucket {
		return &r.marks[n-1]
	}
	at := n
	if n > 0 && r.marks[n-1].bucket > bucket {
		at = sort.Search(n, func(k int) bool { return r.marks[k].bucket >= bucket })
		if at < n && r.marks[at].bucket == bucket {
			return &r.marks[at]
		}
	}
	r.marks = slices.Insert(r.marks, at, mark{bucket: bucket})
	return &r.marks[at]
}

// at returns the newest mark that was shown at or before the end of bucket, false for none.
func (r *run) at(bucket int64) (mark, bool) {
	k := sort.Search(len(r.marks), func(k int) bool { return r.marks[k].bucket > bucket })
	if k == 0 {
		return mark{}, false
	}
	best := r.marks[k-1]
	for _, m := range r.marks[:k-1] { // totals ascend with time unless a clock went wrong
		if m.total > best.total {
			best = m
		}
	}
	return best, true
}

// prune forgets the marks before bucket, but for the last of them, which says how the horizon began.
func (r *run) prune(bucket int64) {
	at := sort.Search(len(r.marks), func(k int) bool { return r.marks[k].bucket >= bucket })
	if at < 2 {
		return
	}
	top := r.marks[0]
	for _, m := range r.marks[1:at] {
		if m.total >= top.total {
			top = m
		}
	}
	top.bucket = r.marks[at-1].bucket
	r.marks[at-1] = top
	r.marks = append(r.marks[:0], r.marks[at-1:]...)
}

// raw returns the register's value at a total.
func (r *run) raw(total uint64) uint64 { return (r.first + total) & r.mask() }

func (r *run) mask() uint64 {
	if r.bits == 0 || r.bits >= 64 {
		return math.MaxUint64
	}
	return 1<<r.bits - 1
}

// observeTotal folds in a counter's total. It reports false when the run was added up long ago.
func (s *series) observeTotal(def *point.CounterRun, total uint64, wall, bucket int64) bool {
	k, ok := slices.BinarySearchFunc(s.runs, def.Run, func(r *run, id uint64) int {
		switch {
		case r.id < id:
			return -1
		case r.id > id:
			return 1
		}
		return 0
	})
	if !ok {
		if wall < s.summedTo {
			return false
		}
		s.runs = slices.Insert(s.runs, k, &run{id: def.Run, first: def.First, bits: def.Bits})
	}
	s.runs[k].observe(total, wall, bucket)
	if len(s.runs) > maxRuns {
		s.sumOldest()
	}
	return true
}

// sumOldest adds up the run that ended first, to bound memory.
func (s *series) sumOldest() {
	oldest := 0
	for i, r := range s.runs {
		if r.last < s.runs[oldest].last {
			oldest = i
		}
	}
	r := s.runs[oldest]
	s.summed += r.total
	s.summedRuns++
	s.summedTo = max(s.summedTo, r.last+1)
	s.runs = slices.Delete(s.runs, oldest, oldest+1)
}

// counted returns the sum of the runs' totals.
func (s *series) counted() uint64 {
	n := s.summed
	for _, r := range s.runs {
		n += r.total
	}
	return n
}

// countedAt returns the sum of the runs' totals at the end of bucket.
func (s *series) countedAt(bucket int64) uint64 {
	n := s.summed
	for _, r := range s.runs {
		if m, ok := r.at(bucket); ok {
			n += m.total
		}
	}
	return n
}
