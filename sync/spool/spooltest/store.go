// Package spooltest has a store in memory that can lose what was not synced, fail or be full, and frames without content.
package spooltest

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/courtside-edge/courtside/sync/interval"
	"github.com/courtside-edge/courtside/sync/segment"
)

// Store is a segment store in memory. It is safe for concurrent use.
type Store struct {
	mu       sync.Mutex
	txs      []segment.Tx // all of them, deep copies
	durable  int          // how many of txs are synced
	state    map[string][]byte
	records  [][]byte
	released interval.Set
	base     interval.Set // released when it was opened; a crash does not forget these
	corrupt  interval.Set
	fail     error
	failSync error
	syncs    int
}

// New returns an empty store.
func New() *Store { return &Store{state: map[string][]byte{}} }

// Fail makes Append and Release return err until it is nil again; segment.ErrFull for a full disk.
func (s *Store) Fail(err error) { s.mu.Lock(); s.fail = err; s.mu.Unlock() }

// FailSync makes Sync return err until it is nil again. What was appended may or may not survive.
func (s *Store) FailSync(err error) { s.mu.Lock(); s.failSync = err; s.mu.Unlock() }

// Corrupt makes the record at offset unreadable.
func (s *Store) Corrupt(offset uint64) { s.mu.Lock(); s.corrupt.AddOne(offset); s.mu.Unlock() }

// Flip changes one bit of the record at offset.
func (s *Store) Flip(offset uint64, bit int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := slices.Clone(s.records[offset])
	b[bit/8%len(b)] ^= 1 << (bit % 8)
	s.records[offset] = b
}

// Unsynced returns how many transactions a crash could lose.
func (s *Store) Unsynced() int { s.mu.Lock(); defer s.mu.Unlock(); return len(s.txs) - s.durable }

// Written returns how many transactions were appended.
func (s *Store) Written() int { s.mu.Lock(); defer s.mu.Unlock(); return len(s.txs) }

// Held returns how many records are neither released nor corrupt.
func (s *Store) Held() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for o := range s.records {
		if !s.released.Has(uint64(o)) && !s.corrupt.Has(uint64(o)) {
			n++
		}
	}
	return n
}

// Crash returns the store as it is found after a power cut: of the unsynced transactions the first survive ones are
// there; releases are there or forgotten.
func (s *Store) Crash(survive int, forget bool) *Store {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := New()
	for _, tx := range s.txs[:min(s.durable+survive, len(s.txs))] {
		n.apply(tx)
	}
	n.durable = len(n.txs)
	n.corrupt = s.corrupt.Clone()
	n.released = s.released.Clone()
	if forget {
		n.released = s.base.Clone()
	}
	n.base = n.released.Clone()
	return n
}

func (s *Store) apply(tx segment.Tx) {
	s.txs = append(s.txs, tx)
	s.records = append(s.records, tx.Records...)
	for k, v := range tx.Set {
		if v == nil {
			delete(s.state, k)
		} else {
			s.state[k] = v
		}
	}
}

// Append adds a transaction.
func (s *Store) Append(tx segment.Tx) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return 0, s.fail
	}
	first := uint64(len(s.records))
	c := segment.Tx{Set: maps.Clone(tx.Set)}
	for _, r := range tx.Records {
		c.Records = append(c.Records, slices.Clone(r))
	}
	s.apply(c)
	return first, nil
}

// Sync makes every transaction durable.
func (s *Store) Sync() (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.syncs++
	if s.failSync != nil {
		return 0, s.failSync
	}
	s.durable = len(s.txs)
	return uint64(len(s.records)), nil
}

// Get returns a record.
func (s *Store) Get(offset uint64) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case offset >= uint64(len(s.records)):
		return nil, fmt.Errorf("offset %d: %w", offset, segment.ErrNotFound)
	case s.released.Has(offset):
		return nil, fmt.Errorf("offset %d: %w", offset, segment.ErrReleased)
	case s.corrupt.Has(offset):
		return nil, &segment.CorruptError{From: offset, To: offset + 1, Cause: fmt.Errorf("damaged by the test")}
	}
	return s.records[offset], nil
}

// Scan yields the records that were not released.
func (s *Store) Scan(from uint64) iter.Seq2[segment.Record, error] {
	return func(yield func(segment.Record, error) bool) {
		_, next := s.Bounds()
		for o := from; o < next; o++ {
			s.mu.Lock()
			gone := s.released.Has(o)
			s.mu.Unlock()
			if gone {
				continue
			}
			b, err := s.Get(o)
			if !yield(segment.Record{Offset: o, Bytes: b}, err) {
				return
			}
		}
	}
}

// State returns one value of the small state.
func (s *Store) State(key string) ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.state[key]
	return v, ok
}

// States yields the state whose keys begin with prefix.
func (s *Store) States(prefix string) iter.Seq2[string, []byte] {
	s.mu.Lock()
	state := maps.Clone(s.state)
	s.mu.Unlock()
	return func(yield func(string, []byte) bool) {
		for _, k := range slices.Sorted(maps.Keys(state)) {
			if strings.HasPrefix(k, prefix) && !yield(k, state[k]) {
				return
			}
		}
	}
}

// Release forgets records.
func (s *Store) Release(from, to uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	s.released.Add(interval.Interval{From: from, To: to})
	return nil
}

// Bounds returns the first offset that was not released, and the next one.
func (s *Store) Bounds() (first, next uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next = uint64(len(s.records))
	for iv := range s.released.Missing(interval.Interval{To: next}) {
		return iv.From, next
	}
	return next, next
}

// Unreleased returns the offsets in from ≤ offset < to that were not released.
func (s *Store) Unreleased(from, to uint64) []interval.Interval {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(s.released.Missing(interval.Interval{From: from, To: min(to, uint64(len(s.records)))}))
}
