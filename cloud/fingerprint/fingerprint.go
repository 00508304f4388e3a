// Package fingerprint remembers with which content the newest batches of a gateway came, so that a second delivery can be told from
// a second content under the same identity.
//
// It keeps the newest Limit batches, whatever their epochs and numbers, and forgets the one that it got first;
// what is forgotten counts as "not known", never as different.
package fingerprint

import (
	"encoding/binary"
	"iter"

	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// DefaultLimit is how many batches are remembered of one gateway; about 100 bytes each.
const DefaultLimit = 1 << 16

// Print is the first eight bytes of a frame's hash. Two contents of one identity that nobody forged differ in it.
type Print uint64

// Of returns the print of a frame; a trailer does not count.
func Of(frame []byte) Print {
	h := wire.FrameHash(frame)
	return Print(binary.LittleEndian.Uint64(h[:8]))
}

// Book is the prints of one gateway's newest batches. It is not safe for concurrent use; the zero value keeps DefaultLimit.
type Book struct {
	Limit  int // 0 for DefaultLimit; not to be changed once something is in
	prints map[point.BatchID]Print
	order  []point.BatchID // a ring once it is full
	oldest int
}

// Get returns the print of a batch, and whether it is known.
func (b *Book) Get(id point.BatchID) (Print, bool) {
	p, ok := b.prints[id]
	return p, ok
}

// Put remembers a batch's print in place of an earlier one.
func (b *Book) Put(id point.BatchID, p Print) {
	if b.prints == nil {
		b.prints = map[point.BatchID]Print{}
		if b.Limit <= 0 {
			b.Limit = DefaultLimit
		}
	}
	if _, known := b.prints[id]; known {
		b.prints[id] = p
		return
	}
	if len(b.order) < b.Limit {
		b.order = append(b.order, id)
	} else {
		delete(b.prints, b.order[b.oldest])
		b.order[b.oldest] = id
		b.oldest = (b.oldest + 1) % b.Limit
	}
	b.prints[id] = p
}

// Len returns how many batches are remembered.
func (b *Book) Len() int { return len(b.prints) }

// All yields what is remembered, the oldest first, so that putting it into another book gives the same.
func (b *Book) All() iter.Seq2[point.BatchID, Print] {
	return func(yield func(point.BatchID, Print) bool) {
		for i := range b.order {
			id := b.order[(b.oldest+i)%len(b.order)]
			if !yield(id, b.prints[id]) {
				return
			}
		}
	}
}
