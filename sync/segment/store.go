package segment

import (
	"errors"
	"iter"

	"github.com/courtside-edge/courtside/sync/interval"
)

// Tx is what one Append stores, all of it or nothing.
type Tx struct {
	Records [][]byte          // in order; each gets an offset; may be empty, and a record may be
	Set     map[string][]byte // small state; a nil value deletes the key
}

// Record is one stored record.
type Record struct {
	Offset uint64
	Bytes  []byte // must not be modified; may be kept
}

// Stats are a store's figures since it was opened, and what it holds now.
type Stats struct {
	Segments     int    // directories, the newest one included
	Records      uint64 // not released
	LiveBytes    int64  // of records not released; a segment released in part counts in proportion
	DiskBytes    int64  // allocated on disk for the segments, what is held ahead included
	Appends      uint64 // transactions
	Syncs        uint64 // rounds of fsync
	WrittenBytes uint64 // handed to Badger: records, headers and state
	CorruptReads uint64 // records that could not be read back
}

// SetAside is something that could not be used and was moved out of the way for a person to look at.
type SetAside struct {
	Path   string
	Reason string
}

// Recovery says what Open found and did.
type Recovery struct {
	Clean     bool                // the last process that held the store closed it
	Created   bool                // there was no store
	Lost      []interval.Interval // offsets that had been synced and cannot be read any more; Scan names them too
	Torn      interval.Interval   // offsets that had been appended but never synced, and were cut off; they are given again
	Repaired  []uint64            // segments that were written anew from what could be read
	SetAside  []SetAside
	StateLost bool // the small state, or its newest changes, could not be read
}

// Store is an append-only store. Its methods are safe for concurrent use.
type Store struct{}

// Open opens or creates the store in dir, which it locks until Close.
func Open(dir string, o Options) (*Store, error) { return nil, errors.ErrUnsupported }

// Append stores tx and returns the offset of its first record.
func (s *Store) Append(tx Tx) (first uint64, err error) { return 0, errors.ErrUnsupported }

// Sync makes everything appended so far durable and returns next: every offset below it is durable.
func (s *Store) Sync() (next uint64, err error) { return 0, errors.ErrUnsupported }

// Get returns the record at offset.
func (s *Store) Get(offset uint64) ([]byte, error) { return nil, errors.ErrUnsupported }

// Scan yields the records from an offset on, and ends at the newest.
func (s *Store) Scan(from uint64) iter.Seq2[Record, error] { return nil }

// State returns the value of key in the small state.
func (s *Store) State(key string) ([]byte, bool) { return nil, false }

// States yields the keys that begin with prefix, in order, with their values.
func (s *Store) States(prefix string) iter.Seq2[string, []byte] { return nil }

// Release says that the records from ≤ offset < to are not needed any more.
func (s *Store) Release(from, to uint64) error { return errors.ErrUnsupported }

// Bounds returns the first offset that was not released and the next one that will be given.
func (s *Store) Bounds() (first, next uint64) { return 0, 0 }

// Incarnation returns the random id that the store was given when it was created.
func (s *Store) Incarnation() string { return "" }

// Stats returns the store's figures.
func (s *Store) Stats() Stats { return Stats{} }

// Recovery returns what Open found.
func (s *Store) Recovery() Recovery { return Recovery{} }

// Close syncs and closes the store.
func (s *Store) Close() error { return nil }
