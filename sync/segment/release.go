package segment

import (
	"fmt"

	"github.com/courtside-edge/courtside/sync/interval"
)

// Release says that the records from ≤ offset < to are not needed any more. They can no longer be
// read, and closed segments that are wholly released are removed in the background.
//
// A release is written with the next transaction, before a segment is removed, and by Close. One
// that a crash forgot only offers its records again.
func (s *Store) Release(from, to uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(); err != nil {
		return fmt.Errorf("releasing records of %s: %w", s.dir, err)
	}
	if from > to || to > s.next {
		return fmt.Errorf("releasing records %d to %d of %s: %w: the next is %d", from, to, s.dir, ErrNotFound, s.next)
	}
	i := interval.Interval{From: from, To: to}
	if s.state.released.Add(i) == 0 {
		return nil
	}
	s.pending.Add(i)
	for _, g := range s.segments[:len(s.segments)-1] {
		if g.first < to && from < g.next && g.released(s.state) {
			s.sweepable = true
			s.keeper.kick()
			break
		}
	}
	return nil
}

// released reports whether no record of g is needed.
func (g *segment) released(st *state) bool {
	return st.released.Covers(g.interval())
}

// removable returns the closed segments that nobody needs. The caller holds mu.
func (s *Store) removable() (old []*segment) {
	for _, g := range s.segments[:len(s.segments)-1] {
		if g.db == nil && g.released(s.state) {
			old = append(old, g)
		}
	}
	return old
}

// writeReleases writes a frame with every release that waits, if the active segment has room: a new one would have
// them in its snapshot anyway. The caller holds appending.
func (s *Store) writeReleases() error {
	for {
		s.mu.Lock()
		taken, section := s.takePending()
		s.mu.Unlock()
		if len(section) == 0 {
			return nil
		}
		if s.needsRotation(frameSize(nil, len(section))) {
			s.putBack(taken)
			return nil
		}
		if _, err := s.commit(nil, section); err != nil {
			return err
		}
	}
}

// sweep removes the segments that nobody needs, once the releases that say so and the small state
// are durable elsewhere.
func (s *Store) sweep() error {
	s.mu.Lock()
	old := s.removable()
	s.sweepable = false
	for _, g := range old {
		// Said again as a whole: a snapshot may have left out single releases within it.
		s.pending.Add(g.interval())
	}
	s.mu.Unlock()
	if len(old) == 0 {
		return nil
	}
	if !s.appending.TryLock() {
		// An appender may be waiting for the keeper. It writes the releases itself and kicks again.
		s.mu.Lock()
		s.sweepable = true
		s.mu.Unlock()
		return nil
	}
	err := s.writeReleases()
	s.appending.Unlock()
	if err == nil {
		err = s.syncRound()
	}
	if err != nil {
		return err
	}
	s.mu.RLock()
	waiting := s.pending.Clone()
	s.mu.RUnlock()
	var sure []*segment
	for _, g := range old {
		if !overlaps(&waiting, g.interval()) {
			sure = append(sure, g)
		}
	}
	return s.remove(sure)
}

func overlaps(set *interval.Set, i interval.Interval) bool {
	missing := uint64(0)
	for m := range set.Missing(i) {
		missing += m.Len()
	}
	return missing < i.Len()
}
