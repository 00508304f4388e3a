package log

import (
	"context"
	"iter"
	"time"

	"github.com/courtside-edge/courtside/sync/point"
)

// Kind is what a record holds.
type Kind uint8

// The kinds of records. Values of the stored format; never renumber.
const (
	Batch     Kind = 1 // a batch frame
	Table     Kind = 2 // one part of a point table
	Inventory Kind = 3 // a gateway's inventory
	Status    Kind = 4 // a birth or a death
)

// Record is one message of one gateway, as ingest admitted it.
type Record struct {
	Offset   uint64 // given by Append; what Append is handed is ignored
	Kind     Kind
	Venue    point.ID
	Gateway  point.ID
	Received time.Time // cloud time, kept to the nanosecond
	Payload  []byte    // must not be modified
}

// Log is what lies between ingest and venue.
type Log interface {
	// Append gives r the next offset. It is final when it fails: every later Append fails too.
	Append(r Record) (offset uint64, err error)
	// Read yields the records from an offset on and follows the log until ctx ends.
	Read(ctx context.Context, from uint64) iter.Seq2[Record, error]
	// Get returns the record at offset.
	Get(offset uint64) (Record, error)
	// Synced returns the offset below which everything is durable.
	Synced() uint64
	// Watch returns a channel that is closed when Synced moves next, or the log fails. Ask for it
	// before Synced: for { moved := l.Watch(); use(l.Synced()); <-moved }.
	Watch() <-chan struct{}
	// Failed returns a channel that is closed when the log failed; Err says why.
	Failed() <-chan struct{}
	// Err returns why the log failed, or nil.
	Err() error
	// Trim says that the records below an offset are not needed any more.
	Trim(before uint64) error
	// Bounds returns the first offset that is kept and the next one that will be given.
	Bounds() (first, next uint64)
	// Incarnation returns the log's random id; offsets mean something together with it only.
	Incarnation() string
}
