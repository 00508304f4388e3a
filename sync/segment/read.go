package segment

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"sort"

	"github.com/courtside-edge/courtside/sync/interval"
)

// Get returns the record at offset. It must not be modified and may be kept. The error wraps
// ErrNotFound for an offset not given yet, ErrReleased, ErrCorrupt (a *CorruptError) or ErrClosed.
func (s *Store) Get(offset uint64) ([]byte, error) {
	var got []byte
	err := s.lookup(offset, func(f frame) (err error) {
		got, err = f.record(int(offset - f.first()))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading record %d of %s: %w", offset, s.dir, err)
	}
	return got, nil
}

// Scan yields the records from an offset on that were not released, in order, and ends at the one
// that was the newest when the iteration came there. Records that cannot be read back yield one
// *CorruptError that names them, with Record.Offset the first of them, and the scan goes on; any
// other error ends it. Records may be appended, released and read meanwhile, in the loop too.
func (s *Store) Scan(from uint64) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for at := from; ; {
			f, next, err := s.frameFrom(at)
			if errors.Is(err, io.EOF) {
				return
			}
			var bad *CorruptError
			if errors.As(err, &bad) {
				if !yield(Record{Offset: bad.From}, fmt.Errorf("scanning %s: %w", s.dir, err)) {
					return
				}
				at = bad.To
				continue
			}
			if err != nil {
				yield(Record{Offset: next}, fmt.Errorf("scanning %s: %w", s.dir, err))
				return
			}
			if !s.yieldFrame(f, next, yield) {
				return
			}
			at = f.end()
		}
	}
}

// Unreleased returns, in ascending order, the offsets in from ≤ offset < to that were given and not released. It does not look at
// the records: some of them may turn out not to be readable.
func (s *Store) Unreleased(from, to uint64) []interval.Interval {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Collect(s.state.released.Missing(interval.Interval{From: from, To: min(to, s.next)}))
}

// yieldFrame yields the records of f from offset at on, and reports whether the loop wants more.
func (s *Store) yieldFrame(f frame, at uint64, yield func(Record, error) bool) bool {
	for ; at < f.end(); at++ {
		s.mu.RLock()
		released := s.state.released.Has(at)
		s.mu.RUnlock()
		if released {
			continue
		}
		b, err := f.record(int(at - f.first()))
		if err != nil {
			err = fmt.Errorf("scanning %s: %w", s.dir, s.corrupted(at, at+1, err))
		}
		if !yield(Record{Offset: at, Bytes: b}, err) {
			return false
		}
	}
	return true
}

// frameFrom returns the frame that holds the first offset from at on that was not released, and
// that offset; io.EOF after the newest; a *CorruptError for what cannot be read back.
func (s *Store) frameFrom(at uint64) (f frame, next uint64, err error) {
	for {
		s.mu.RLock()
		next = s.skipReleased(at)
		end := next >= s.next
		s.mu.RUnlock()
		if end {
			return nil, next, io.EOF
		}
		err = s.lookup(next, func(got frame) error { f = got; return nil })
		if errors.Is(err, ErrReleased) {
			at = next // released meanwhile
			continue
		}
		return f, next, err
	}
}

// lookup calls fn with the frame that holds offset; fn may keep it. Damage comes back as a *CorruptError.
func (s *Store) lookup(offset uint64, fn func(frame) error) error {
	s.mu.RLock()
	if err := s.readable(offset); err != nil {
		s.mu.RUnlock()
		return err
	}
	if f := s.ring.find(offset); f != nil {
		s.mu.RUnlock()
		return s.use(f, offset, fn)
	}
	g, until := s.holder(offset)
	if g == nil {
		s.mu.RUnlock()
		return s.corrupted(offset, until, errFrameAbsent)
	}
	d, ref, end, ok := g.db, frameRef{}, uint64(0), false
	if d != nil {
		ref, end, ok = findRef(g.refs, offset, g.next)
	}
	s.mu.RUnlock()
	if d == nil {
		return s.lookupClosed(g, offset, fn)
	}
	if !ok {
		return s.corrupted(offset, s.firstKept(offset, end), errFrameAbsent)
	}
	f, err := d.get(ref, &s.mark)
	if errors.Is(err, errDBClosed) {
		return s.lookupClosed(g, offset, fn)
	}
	if err != nil {
		return s.corrupted(offset, ref.first+uint64(ref.count), err)
	}
	return s.use(f, offset, fn)
}

// use calls fn and turns what it finds into a *CorruptError.
func (s *Store) use(f frame, offset uint64, fn func(frame) error) error {
	if err := fn(f); err != nil {
		return s.corrupted(offset, offset+1, err)
	}
	return nil
}

// readable returns why there is no record at offset. The caller holds mu.
func (s *Store) readable(offset uint64) error {
	switch {
	case s.closed:
		return ErrClosed
	case offset >= s.next:
		return fmt.Errorf("%w: the next one is %d", ErrNotFound, s.next)
	case s.state.released.Has(offset):
		return ErrReleased
	}
	return nil
}

// holder returns the segment that holds offset, or nil and the first offset after it that one holds.
// The caller holds mu.
func (s *Store) holder(offset uint64) (*segment, uint64) {
	i := sort.Search(len(s.segments), func(i int) bool { return s.segments[i].next > offset })
	if i == len(s.segments) {
		return nil, s.next
	}
	g := s.segments[i]
	if g.first > offset {
		return nil, g.first
	}
	return g, 0
}

// findRef returns the frame that holds offset, or where the next one begins (until for none).
func findRef(refs []frameRef, offset, until uint64) (r frameRef, next uint64, ok bool) {
	i := sort.Search(len(refs), func(i int) bool { return refs[i].first+uint64(refs[i].count) > offset })
	if i == len(refs) {
		return frameRef{}, until, false
	}
	if refs[i].first > offset {
		return frameRef{}, refs[i].first, false
	}
	return refs[i], 0, true
}

// firstKept returns the first released offset in from ≤ offset < to, or to: damage is named for
// what is still wanted only.
func (s *Store) firstKept(from, to uint64) uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for i := range s.state.released.Missing(interval.Interval{From: from, To: to}) {
		return i.To
	}
	return to
}

func (s *Store) corrupted(from, to uint64, cause error) *CorruptError {
	to = s.firstKept(from, to)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.corrupt++
	return &CorruptError{From: from, To: to, Cause: cause}
}
