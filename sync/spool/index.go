package spool

import "github.com/courtside-edge/courtside/sync/interval"

// Where a batch stands.
const (
	waiting uint8 = iota + 1 // queued when it is critical and not stored yet
	taken                    // handed to the uplink
	sent                     // the broker took it
	refused                  // the cloud will not have it; kept
)

// entry is one held batch. About 80 bytes; the frame's own are extra and only while it is in RAM.
type entry struct {
	frame       []byte // nil when it is in the store alone
	offset      uint64 // in the lane's store, when stored
	first, last int64
	at          int64 // monotonic ns of its Append; 0 for one found at opening
	size, count uint32
	table       *table
	state       uint8
	stored      bool // durable
	storing     bool // in a job
	vague       bool // size, samples and times are those of an average; see Loaded
	carriesGaps bool // of a critical batch that is not stored yet
}

const chunkBits = 8

type chunk struct {
	live    int
	entries [1 << chunkBits]entry // size 0 for none
}

// index finds entries by seq. Chunks go when their last entry does, so that one old batch does not keep
// the memory of all younger ones. A *entry is valid until it is deleted.
type index struct{ chunks map[uint64]*chunk }

func (x *index) get(seq uint64) *entry {
	c := x.chunks[seq>>chunkBits]
	if c == nil {
		return nil
	}
	if e := &c.entries[seq&(1<<chunkBits-1)]; e.size != 0 {
		return e
	}
	return nil
}

// put adds e, whose size must not be 0, at a seq that is free.
func (x *index) put(seq uint64, e entry) *entry {
	if x.chunks == nil {
		x.chunks = map[uint64]*chunk{}
	}
	c := x.chunks[seq>>chunkBits]
	if c == nil {
		c = new(chunk)
		x.chunks[seq>>chunkBits] = c
	}
	c.live++
	at := &c.entries[seq&(1<<chunkBits-1)]
	*at = e
	return at
}

func (x *index) delete(seq uint64) {
	c := x.chunks[seq>>chunkBits]
	if c == nil || c.entries[seq&(1<<chunkBits-1)].size == 0 {
		return
	}
	c.entries[seq&(1<<chunkBits-1)] = entry{}
	if c.live--; c.live == 0 {
		delete(x.chunks, seq>>chunkBits)
	}
}

// each calls fn with every entry of a seq in iv, in no order.
func (x *index) each(iv interval.Interval, fn func(seq uint64, e *entry)) {
	visit := func(at uint64, c *chunk) {
		for i := range c.entries {
			if seq := at<<chunkBits + uint64(i); c.entries[i].size != 0 && seq >= iv.From && seq < iv.To {
				fn(seq, &c.entries[i])
			}
		}
	}
	if iv.Len()>>chunkBits > uint64(len(x.chunks)) {
		for at, c := range x.chunks {
			visit(at, c)
		}
		return
	}
	for at := iv.From >> chunkBits; at<<chunkBits < iv.To; at++ {
		if c := x.chunks[at]; c != nil {
			visit(at, c)
		}
	}
}

// holding is what a spool holds of one lane of one epoch.
type holding struct {
	index
	pages    []*page      // ascending; what of them has no entry waits in the backlog or is refused
	next     uint64       // seqs below were given
	held     interval.Set // each in the index or in a page
	offered  interval.Set // of held: was handed out at least once, or may have been by an earlier process
	live     interval.Set // waiting for their first publish, young
	backlog  interval.Set // waiting otherwise
	unstored interval.Set // in RAM alone
}

func one(seq uint64) interval.Interval { return interval.Interval{From: seq, To: seq + 1} }
