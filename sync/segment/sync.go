package segment

import (
	"errors"
	"fmt"
)

// Sync makes everything that was appended before the call durable and returns next: every offset
// below it is durable. Callers share rounds of fsync: one that calls while a round runs joins the
// next one. Without anything new it returns at once. A failure is final: the operating system may
// have dropped what it could not write.
func (s *Store) Sync() (next uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for want := s.frames; s.durable < want; {
		if err := s.usable(); err != nil {
			return 0, fmt.Errorf("syncing %s: %w", s.dir, err)
		}
		if s.rounding {
			s.moved.Wait()
			continue
		}
		s.rounding = true
		s.mu.Unlock()
		err := s.syncRound()
		s.mu.Lock()
		s.rounding = false
		s.moved.Broadcast()
		if err != nil {
			return 0, fmt.Errorf("syncing %s: %w", s.dir, err)
		}
	}
	if s.failed != nil {
		return 0, fmt.Errorf("syncing %s: %w", s.dir, s.failed)
	}
	return s.synced, nil
}

// syncRound makes durable what was appended before it began: the segment that was rotated away
// first, so that what is durable is always a prefix.
func (s *Store) syncRound() error {
	s.syncing.Lock()
	defer s.syncing.Unlock()
	s.mu.RLock()
	err, next, frames := s.failed, s.next, s.frames
	done := s.durable >= frames
	active, before := s.active().db, (*db)(nil)
	if s.sealing != nil {
		before = s.sealing.db
	}
	s.mu.RUnlock()
	if err != nil || done {
		return err
	}
	if before != nil {
		// One whose closing began was synced before.
		if err := before.sync(); err != nil && !errors.Is(err, errDBClosed) {
			return s.fail(fmt.Errorf("syncing the segment before the newest: %w", err))
		}
	}
	if err := active.sync(); err != nil {
		return s.fail(fmt.Errorf("syncing the newest segment: %w", err))
	}
	s.opts.barrier()
	s.water.set(next)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.synced, s.durable = next, frames
	s.syncs++
	s.moved.Broadcast()
	return nil
}

// closeSegment closes a segment that nothing is appended to any more. Only one whose every frame is
// durable gets an index; any other is read frame by frame when the store is opened again.
func (s *Store) closeSegment(g *segment, durable bool) error {
	// Whoever finds the database closed waits here until the segment can be read as a closed one.
	s.reading.Lock()
	defer s.reading.Unlock()
	if err := s.roomToClose(); err != nil {
		return fmt.Errorf("closing segment %d: %w", g.id, err)
	}
	if err := g.db.close(); err != nil {
		return fmt.Errorf("closing segment %d: %w", g.id, err)
	}
	if durable {
		if err := writeIndex(g.dir, g.index()); err != nil {
			return fmt.Errorf("closing segment %d: %w", g.id, err)
		}
	}
	s.opts.barrier()
	disk := diskBytes(g.dir)
	s.mu.Lock()
	defer s.mu.Unlock()
	g.db, g.refs, g.indexed, g.disk = nil, nil, durable, disk
	if s.sealing == g {
		s.sealing = nil
	}
	return nil
}

func (g *segment) index() index {
	return index{segment: g.id, first: g.first, next: g.next, frames: uint64(g.frames), bytes: g.bytes, recordBytes: g.recordBytes}
}
