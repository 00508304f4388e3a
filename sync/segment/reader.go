package segment

import (
	"errors"
	"fmt"
	"slices"
)

// reader is the one closed segment that is open for reading.
type reader struct {
	segment *segment
	db      *db
	refs    []frameRef
}

func (r *reader) holds(g *segment) bool { return r != nil && r.segment == g }

func (r *reader) close() error {
	if r == nil {
		return nil
	}
	return r.db.close()
}

// lookupClosed is lookup for a closed segment. One at a time is open, so that the backlog may be
// as long as it likes; one whose database cannot be read is written anew from what is left of it.
func (s *Store) lookupClosed(g *segment, offset uint64, fn func(frame) error) error {
	s.reading.Lock()
	defer s.reading.Unlock()
	s.mu.RLock()
	closed, removed := s.closed, g.removed
	s.mu.RUnlock()
	if closed {
		return ErrClosed
	}
	if removed {
		return ErrReleased
	}
	if !s.reader.holds(g) {
		if err := s.openReader(g); err != nil {
			return s.corrupted(offset, g.next, err)
		}
	}
	f, until, err := s.reader.get(offset, g, &s.mark)
	if err != nil && !errors.Is(err, errFrameAbsent) && s.mendOnce(g, err) {
		f, until, err = s.reader.get(offset, g, &s.mark)
	}
	if err != nil {
		return s.corrupted(offset, until, err)
	}
	return s.use(f, offset, fn)
}

// get returns the frame that holds offset, or an error and the first offset that it says nothing of.
func (r *reader) get(offset uint64, g *segment, m *mark) (frame, uint64, error) {
	ref, until, ok := findRef(r.refs, offset, g.next)
	if !ok {
		return nil, until, errFrameAbsent
	}
	f, err := r.db.get(ref, m)
	return f, ref.first + uint64(ref.count), err
}

// openReader makes g the closed segment that is open. The caller holds reading.
func (s *Store) openReader(g *segment) error {
	err := s.reader.close()
	s.reader = nil
	if err != nil {
		s.opts.Log.Warn("a segment was not closed cleanly after reading", "dir", s.dir, "err", err)
	}
	r, err := s.openClosed(g)
	if err == nil {
		s.reader = r
		return nil
	}
	if g.mended {
		return err
	}
	g.mended = true
	s.opts.Log.Warn("a closed segment cannot be read and is written anew", "dir", s.dir, "segment", g.id, "err", err)
	if merr := s.mend(g); merr != nil {
		return errors.Join(err, merr)
	}
	s.reader, err = s.openClosed(g)
	return err
}

// mendOnce writes the open segment anew because of err, unless that was done before, and reports
// whether it is open again. The caller holds reading.
func (s *Store) mendOnce(g *segment, err error) bool {
	if g.mended {
		return false
	}
	g.mended = true
	s.opts.Log.Warn("a record of a closed segment cannot be read: the segment is written anew", "dir", s.dir, "segment", g.id, "err", err)
	_ = s.reader.close()
	s.reader = nil
	merr := s.mend(g)
	if merr != nil {
		s.opts.Log.Warn("a segment could not be written anew", "dir", s.dir, "segment", g.id, "err", merr)
	}
	s.reader, err = s.openClosed(g)
	return err == nil
}

func (s *Store) openClosed(g *segment) (*reader, error) {
	if !g.indexed {
		return nil, fmt.Errorf("segment %d was not closed cleanly", g.id)
	}
	if x, err := readIndex(g.dir, g.id); err != nil {
		return nil, err
	} else if sum, err := sumFiles(g.dir, false); err != nil || sum != x.sum {
		return nil, errors.Join(fmt.Errorf("the files of segment %d are not as they were closed", g.id), err)
	}
	d, err := openReadOnly(g.dir, s.opts.SegmentBytes, s.opts.Log)
	if err != nil {
		return nil, err
	}
	refs, err := d.refs()
	if err == nil && len(refs) != g.frames && !g.mended {
		err = fmt.Errorf("segment %d lists %d transactions of %d", g.id, len(refs), g.frames)
	}
	if err != nil {
		return nil, errors.Join(err, d.close())
	}
	// A cut tail may still be there; it is beyond what the segment holds.
	refs = slices.DeleteFunc(refs, func(r frameRef) bool { return r.count == 0 || r.first+uint64(r.count) > g.next })
	return &reader{segment: g, db: d, refs: refs}, nil
}
