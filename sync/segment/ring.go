package segment

import "sort"

// ring keeps the newest frames readable without the disk. It is not safe for concurrent use.
type ring struct {
	frames []frame // ascending and dense; those before head are gone
	head   int
	bytes  int64
	limit  int64
}

// push adds the newest frame, which stays shared with the ring, and forgets the oldest ones beyond the limit.
func (r *ring) push(f frame) {
	if f.count() == 0 || r.limit <= 0 {
		return
	}
	r.frames = append(r.frames, f)
	r.bytes += int64(len(f))
	for r.bytes > r.limit && r.head < len(r.frames) {
		r.bytes -= int64(len(r.frames[r.head]))
		r.frames[r.head] = nil
		r.head++
	}
	if r.head > len(r.frames)/2 && r.head > 32 {
		r.frames = append(r.frames[:0], r.frames[r.head:]...)
		clear(r.frames[len(r.frames):cap(r.frames)])
		r.head = 0
	}
}

// find returns the frame that holds offset, or nil.
func (r *ring) find(offset uint64) frame {
	held := r.frames[r.head:]
	i := sort.Search(len(held), func(i int) bool { return held[i].end() > offset })
	if i == len(held) || held[i].first() > offset {
		return nil
	}
	return held[i]
}
