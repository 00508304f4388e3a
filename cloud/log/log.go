package log

import (
	"context"
	"errors"
	"fmt"
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

// Valid reports whether k is a known kind.
func (k Kind) Valid() bool { return k >= Batch && k <= Status }

// String returns the kind as logs and metrics write it.
func (k Kind) String() string {
	switch k {
	case Batch:
		return "batch"
	case Table:
		return "table"
	case Inventory:
		return "inventory"
	case Status:
		return "status"
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Record is one message of one gateway, as ingest admitted it.
type Record struct {
	Offset   uint64 // given by Append; what Append is handed is ignored
	Kind     Kind
	Venue    point.ID
	Gateway  point.ID
	Received time.Time // cloud time, required; kept to the nanosecond, read as UTC
	Payload  []byte    // copied by Append; what is read must not be modified and may be kept
}

// MaxPayloadBytes is the largest payload: four times what sync/wire allows a frame by default.
const MaxPayloadBytes = 1 << 20

// The kinds of errors of a log. Every error of an implementation wraps one of them.
var (
	// ErrRecord says that a record is not one that a log takes. Nothing happened and the log goes on:
	// it is the only error of Append that is not final.
	ErrRecord = errors.New("the log does not take this record")
	// ErrFailed says that the log can take no more records, ever.
	ErrFailed = errors.New("the log failed")
	// ErrClosed says that the log was closed.
	ErrClosed = errors.New("the log is closed")
	// ErrNotFound says that an offset was not given yet.
	ErrNotFound = errors.New("the log has no such offset yet")
	// ErrTrimmed says that a record was trimmed.
	ErrTrimmed = errors.New("the record was trimmed")
	// ErrCorrupt says that records cannot be read back; see CorruptError.
	ErrCorrupt = errors.New("the log cannot read a record back")
)

// CorruptError names records that were appended and cannot be read back. It wraps ErrCorrupt.
type CorruptError struct {
	From, To uint64 // From ≤ offset < To
	Cause    error
}

// Error names the offsets and the cause.
func (e *CorruptError) Error() string {
	return fmt.Sprintf("%v: offsets %d to %d: %v", ErrCorrupt, e.From, e.To-1, e.Cause)
}

// Unwrap gives ErrCorrupt and the cause.
func (e *CorruptError) Unwrap() []error { return []error{ErrCorrupt, e.Cause} }

// Log is what lies between ingest and venue. Implementations are safe for concurrent use.
type Log interface {
	// Append gives r the next offset; offsets are dense and ascending from 0. Readers see it at
	// once, and it becomes durable without further ado. An error other than ErrRecord is final: every
	// later Append fails too, and the process must end, because nothing could be acknowledged any more.
	Append(r Record) (offset uint64, err error)
	// Read yields the records from an offset on, in order and synced or not, and follows the log
	// until ctx ends, which ends the sequence without an error. It begins at the first record kept
	// if that is later. A record that cannot be read back yields a *CorruptError, with Record.Offset the first that
	// it names, and reading goes on behind it. Any other error is the last thing that is yielded:
	// ErrNotFound when from is beyond the next offset (the log is not the one that the caller
	// knows), ErrFailed or ErrClosed.
	Read(ctx context.Context, from uint64) iter.Seq2[Record, error]
	// Get returns the record at offset, or ErrNotFound, ErrTrimmed, a *CorruptError or ErrClosed.
	Get(offset uint64) (Record, error)
	// Synced returns the offset below which everything is durable. It never falls.
	Synced() uint64
	// Watch returns a channel that is closed when Synced moves next, or the log fails or is closed. Ask for it
	// before Synced: for { moved := l.Watch(); use(l.Synced()); <-moved }.
	Watch() <-chan struct{}
	// Failed returns a channel that is closed when the log failed; Err says why.
	Failed() <-chan struct{}
	// Err returns why the log failed, or nil.
	Err() error
	// Trim says that the records below an offset are not needed any more. Their space is given
	// back some time later. A crash may forget it.
	Trim(before uint64) error
	// Bounds returns the first offset that is kept and the next one that will be given.
	Bounds() (first, next uint64)
	// Incarnation returns the log's random id; offsets mean something together with it only.
	Incarnation() string
}
