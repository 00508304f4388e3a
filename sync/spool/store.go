package spool

import (
	"iter"

	"github.com/courtside-edge/courtside/sync/interval"
	"github.com/courtside-edge/courtside/sync/segment"
)

// Tx is what one Append adds, all of it or nothing.
type Tx = segment.Tx

// Record is one record as Scan yields it.
type Record = segment.Record

// Store is an append-only store of records with small state beside them; sync/segment's Store is the product's.
// Calls come from one goroutine at a time, except Get, which may run beside the others.
type Store interface {
	// Append adds the records and sets the state as one: after a crash all of it is there or nothing. Not durable until Sync.
	Append(tx Tx) (first uint64, err error)
	// Sync makes every offset below next durable.
	Sync() (next uint64, err error)
	// Get returns a record.
	Get(offset uint64) ([]byte, error)
	// Scan yields the records from an offset on in order. A corrupt one yields a *segment.CorruptError and the scan goes on.
	Scan(from uint64) iter.Seq2[Record, error]
	// States yields the state whose keys begin with prefix.
	States(prefix string) iter.Seq2[string, []byte]
	// Release says that the records from ≤ offset < to are needed no more. It may be forgotten by a crash.
	Release(from, to uint64) error
	// Unreleased returns the offsets in from ≤ offset < to that were given and not released, in ascending order, without reading them.
	Unreleased(from, to uint64) []interval.Interval
	// Bounds returns the oldest offset that may still be read, and the next one to be given.
	Bounds() (first, next uint64)
}
