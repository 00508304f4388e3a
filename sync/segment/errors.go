package segment

import (
	"errors"
	"fmt"
)

// The kinds of errors of a store. Every error that a Store returns, other than one of the operating
// system or of Badger, wraps exactly one of them.
var (
	// ErrClosed says that the store was closed.
	ErrClosed = errors.New("the store is closed")
	// ErrFailed says that an earlier write or sync failed: what is durable is unknown until the
	// store is opened again, so nothing more is written.
	ErrFailed = errors.New("the store failed and must be opened again")
	// ErrFull says that the disk has less than Options.MinFree left for a new segment. Nothing was
	// written; the call may be repeated once there is space.
	ErrFull = errors.New("the disk is full")
	// ErrTooLarge says that a transaction is over a limit. Nothing was written.
	ErrTooLarge = errors.New("the transaction is too large")
	// ErrLocked says that another process holds the directory.
	ErrLocked = errors.New("the store is in use")
	// ErrNotFound says that an offset was not appended yet.
	ErrNotFound = errors.New("no such offset")
	// ErrReleased says that an offset was released.
	ErrReleased = errors.New("the offset was released")
	// ErrCorrupt says that records were stored but cannot be read back; see CorruptError.
	ErrCorrupt = errors.New("the record is corrupt")
)

// CorruptError names offsets that were stored and cannot be read back. It wraps ErrCorrupt.
type CorruptError struct {
	From, To uint64 // From ≤ offset < To
	Cause    error  // what was wrong; never nil
}

// Error names the offsets and the cause.
func (e *CorruptError) Error() string {
	if e.To == e.From+1 {
		return fmt.Sprintf("record %d is corrupt: %v", e.From, e.Cause)
	}
	return fmt.Sprintf("records %d to %d are corrupt: %v", e.From, e.To-1, e.Cause)
}

// Unwrap gives ErrCorrupt and the cause.
func (e *CorruptError) Unwrap() []error { return []error{ErrCorrupt, e.Cause} }
