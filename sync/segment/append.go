package segment

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/courtside-edge/courtside/sync/interval"
)

// Append stores tx and returns the offset of its first record, or of the next one if tx has none.
// Offsets are dense and ascending from 0. Readers see the records at once; they are durable
// once a Sync that began later has returned. tx is copied.
//
// It returns ErrTooLarge or ErrFull, with nothing written, ErrFailed or ErrClosed.
func (s *Store) Append(tx Tx) (first uint64, err error) {
	if err := s.admit(tx); err != nil {
		return 0, fmt.Errorf("appending to %s: %w", s.dir, err)
	}
	s.appending.Lock()
	defer s.appending.Unlock()
	first, err = s.append(tx)
	if err != nil {
		return 0, fmt.Errorf("appending to %s: %w", s.dir, err)
	}
	return first, nil
}

// admit checks what can be checked of tx alone.
func (s *Store) admit(tx Tx) error {
	if len(tx.Records) > MaxTxRecords {
		return fmt.Errorf("%w: %d records, at most %d are allowed", ErrTooLarge, len(tx.Records), MaxTxRecords)
	}
	limit := s.opts.maxTxBytes()
	size := frameSize(tx.Records, 0)
	for k, v := range tx.Set {
		if k == "" || len(k) > MaxKeyBytes {
			return fmt.Errorf("%w: a key of the small state has %d bytes, use 1 to %d", ErrTooLarge, len(k), MaxKeyBytes)
		}
		size += int64(len(k) + len(v) + keyOverhead)
	}
	if size > limit {
		return fmt.Errorf("%w: %d bytes, at most %d are allowed with segments of %d", ErrTooLarge, size, limit, s.opts.SegmentBytes)
	}
	return nil
}

// append does the work of Append. The caller holds appending.
func (s *Store) append(tx Tx) (uint64, error) {
	s.mu.Lock()
	if err := s.usable(); err != nil {
		s.mu.Unlock()
		return 0, err
	}
	room := s.opts.maxStateBytes() - s.state.bytes
	for k, v := range tx.Set {
		room -= s.state.delta(k, v)
	}
	if room < 0 && len(tx.Set) > 0 {
		s.mu.Unlock()
		return 0, fmt.Errorf("%w: the small state would be %d bytes over its limit of %d", ErrTooLarge, -room, s.opts.maxStateBytes())
	}
	releases, section := s.takePending()
	s.mu.Unlock()
	for _, k := range slices.Sorted(maps.Keys(tx.Set)) {
		section = appendSet(section, k, tx.Set[k])
	}
	if s.needsRotation(frameSize(tx.Records, len(section))) {
		if err := s.rotate(); err != nil {
			s.putBack(releases)
			return 0, err
		}
	}
	return s.commit(tx.Records, section)
}

// takePending takes releases that wait to be written, as many as fit beside a transaction, and
// encodes them. The caller holds mu.
func (s *Store) takePending() (taken interval.Set, section []byte) {
	for i := range s.pending.All() {
		if len(section) > s.opts.maxStateBytes()/4 {
			break
		}
		taken.Add(i)
		section = appendReleases(section, slices.Values([]interval.Interval{i}))
	}
	for i := range taken.All() {
		s.pending.Remove(i)
	}
	return taken, section
}

// putBack undoes takePending.
func (s *Store) putBack(taken interval.Set) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range taken.All() {
		s.pending.Add(i)
	}
}

func (s *Store) needsRotation(size int64) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	g := s.active()
	return g.frames >= maxFrames || g.bytes+size > s.opts.SegmentBytes
}

// active returns the segment that is written. The caller holds mu.
func (s *Store) active() *segment { return s.segments[len(s.segments)-1] }

// commit writes one frame to the active segment, which has room, and makes it visible. The caller holds appending.
func (s *Store) commit(records [][]byte, section []byte) (uint64, error) {
	s.mu.RLock()
	g, first := s.active(), s.next
	head := frameHead{mark: s.mark, segment: g.id, index: uint32(g.frames), first: first, durable: s.synced}
	s.mu.RUnlock()
	f := newFrame(head, records, section)
	if err := g.db.put(f.ref(), f); err != nil {
		return 0, s.fail(fmt.Errorf("writing to segment %d: %w", g.id, err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.state.apply(section, false); err != nil {
		return 0, err // it was encoded above
	}
	g.add(f)
	s.next = f.end()
	s.frames++
	s.appends++
	s.written += uint64(len(f))
	s.ring.push(f)
	if s.sweepable || s.spare == nil && g.half(s.opts.SegmentBytes) {
		s.keeper.kick()
	}
	return first, nil
}

func (g *segment) add(f frame) {
	g.refs = append(g.refs, f.ref())
	g.frames++
	g.bytes += int64(len(f))
	g.recordBytes += f.recordBytes()
	g.next = f.end()
}

// half reports whether the segment is half full, which is when the next one is opened ahead.
func (g *segment) half(segmentBytes int64) bool {
	return g.bytes > segmentBytes/2 || g.frames > maxFrames/2
}

// rotate makes the spare segment the active one. Its first frame is the whole small state, so
// that no older segment is needed for it. The caller holds appending.
func (s *Store) rotate() error {
	g, err := s.takeSpare()
	if err != nil {
		return err
	}
	if err := s.begin(g); err != nil {
		return errors.Join(err, g.db.close())
	}
	s.keeper.kick()
	return nil
}

// begin makes g, which is empty and open, the active segment. The caller holds appending, or is Open.
func (s *Store) begin(g *segment) error {
	s.mu.RLock()
	section := s.state.snapshot(s.opts.maxStateBytes()/2, s.covers)
	head := frameHead{mark: s.mark, segment: g.id, flags: flagSnapshot, first: s.next, durable: s.synced}
	s.mu.RUnlock()
	f := newFrame(head, nil, section)
	if err := g.db.put(f.ref(), f); err != nil {
		return s.fail(fmt.Errorf("beginning segment %d: %w", g.id, err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g.first = f.first()
	g.add(f)
	if n := len(s.segments); n > 0 && s.segments[n-1].db != nil {
		s.sealing = s.segments[n-1] // in one step: the keeper opens no other one ahead until this one is closed
	}
	s.segments = append(s.segments, g)
	s.frames++
	s.written += uint64(len(f))
	return nil
}

// covers reports whether i reaches beyond the segments that are kept: without it, what was removed
// there would be taken for lost. The caller holds mu.
func (s *Store) covers(i interval.Interval) bool {
	var kept interval.Set
	for _, g := range s.segments {
		kept.Add(g.interval())
	}
	return !kept.Covers(i)
}

// takeSpare waits for the segment that the keeper opens ahead. The caller holds appending.
func (s *Store) takeSpare() (*segment, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for tries := s.tries; s.spare == nil; {
		if err := s.usable(); err != nil {
			return nil, err
		}
		if s.tries > tries && s.spareErr != nil {
			return nil, s.spareErr
		}
		s.wanted = true
		s.keeper.kick()
		s.moved.Wait()
	}
	g := s.spare
	s.spare, s.wanted = nil, false
	return g, nil
}
