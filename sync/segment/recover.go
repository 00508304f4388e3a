package segment

import (
	"cmp"
	"errors"
	"slices"

	"github.com/courtside-edge/courtside/sync/interval"
)

// found is a segment as a start finds it.
type found struct {
	id     uint64
	dir    string
	index  *index    // nil unless it was closed cleanly
	frames []account // once scanned, by number
	used   bool      // scanned, and its files hold something
	read   bool
}

// account is what matters of one frame for recovery.
type account struct {
	ref      frameRef
	snapshot bool
	whole    bool // every checksum fits
	durable  uint64
	size     int64
	records  int64  // bytes of records
	section  []byte // nil if its checksum differs
}

func (a account) end() uint64 { return a.ref.first + uint64(a.ref.count) }

// scan reads what the segment's files hold, once.
func (f *found) scan(m *mark) error {
	if f.read {
		return nil
	}
	f.read = true
	_, used, err := scanRaw(f.dir, m, func(fr frame) error {
		if fr.segment() != f.id || f.index != nil && fr.end() > f.index.next {
			return nil
		}
		a := account{ref: fr.ref(), snapshot: fr.snapshot(), whole: fr.intact(), durable: fr.durable(), size: int64(len(fr)), records: fr.recordBytes()}
		if section, err := fr.state(); err == nil {
			a.section = append([]byte{}, section...)
		}
		f.frames = append(f.frames, a)
		return nil
	})
	f.used = used
	slices.SortStableFunc(f.frames, func(a, b account) int { return cmp.Compare(a.ref.index, b.ref.index) })
	f.frames = slices.CompactFunc(f.frames, func(a, b account) bool { return a.ref.index == b.ref.index })
	return err
}

// recover brings the segments that were found to where each is closed, indexed and readable, and
// rebuilds the small state. mark is how far the last Sync is known to have reached.
func (s *Store) recover(segments []*found, mark uint64) error {
	s.recovery.Clean = true
	for i, f := range segments {
		s.nextID = max(s.nextID, f.id+1)
		if f.index != nil && i < len(segments)-1 {
			continue
		}
		if err := f.scan(&s.mark); err != nil {
			return err
		}
		if f.index == nil && f.used {
			s.recovery.Clean = false
		}
	}
	p := planRecovery(segments, mark)
	s.recovery.StateLost = p.stateless
	if err := s.rebuildState(p.keep); err != nil {
		return err
	}
	if err := s.discard(p); err != nil {
		return err
	}
	for _, k := range p.keep {
		g, err := s.adopt(k)
		if err != nil {
			return err
		}
		s.segments = append(s.segments, g)
	}
	s.next, s.synced = p.next, p.next
	at := uint64(0)
	for _, i := range p.held {
		s.lose(at, i.From)
		at = i.To
	}
	s.lose(at, p.next)
	if p.tornTo > p.next {
		s.recovery.Torn = interval.Interval{From: p.next, To: p.tornTo}
	}
	return nil
}

// discard takes away what the plan does not keep, before anything new gets the same offsets.
func (s *Store) discard(p plan) error {
	for _, f := range p.aside {
		to, err := s.setAside(segmentName(f.id))
		if err != nil {
			return err
		}
		s.note(SetAside{Path: to, Reason: "no transaction in it can be read"})
	}
	for _, f := range p.drop {
		if err := doom(s.root, segmentName(f.id)); err != nil {
			return err
		}
	}
	return errors.Join(syncDir(s.root), clearDoomed(s.root))
}

// adopt makes a kept segment one of the store's, writing it anew if it was not closed cleanly.
func (s *Store) adopt(k kept) (*segment, error) {
	g := &segment{id: k.found.id, dir: k.found.dir, indexed: true}
	x := k.found.index
	if x == nil {
		claim := index{segment: g.id, first: k.first, next: k.next}
		keep := map[uint32]frameRef{}
		for _, a := range k.frames {
			claim.bytes += a.size
			claim.recordBytes += a.records
			keep[a.ref.index] = a.ref
		}
		if k.first == k.next {
			// Nothing but small state, which the new segment carries on: it will be removed.
			g.first, g.next, g.indexed = k.first, k.next, false
			return g, nil
		}
		fresh, err := s.rewrite(g.id, claim, keep)
		if err == nil {
			err = s.replace(g.id, !k.damaged)
		}
		if err != nil {
			return nil, err
		}
		s.recovery.Repaired = append(s.recovery.Repaired, g.id)
		x = &fresh
	}
	g.first, g.next, g.frames, g.bytes, g.recordBytes = x.first, x.next, int(x.frames), x.bytes, x.recordBytes
	g.disk = diskBytes(g.dir)
	return g, nil
}

// rebuildState finds the newest snapshot of the small state that can be read, and applies what
// was changed after it.
func (s *Store) rebuildState(keep []kept) error {
	from := len(keep)
	for from > 0 {
		from--
		f := keep[from].found
		if err := f.scan(&s.mark); err != nil {
			return err
		}
		if f.index != nil {
			keep[from].frames = f.frames
		}
		if frames := keep[from].frames; len(frames) > 0 && frames[0].snapshot && frames[0].section != nil {
			break
		}
		s.recovery.StateLost = true
	}
	for _, k := range keep[from:] {
		expected := uint32(0)
		for _, a := range k.frames {
			if a.section == nil || a.ref.index != expected || s.state.apply(a.section, a.snapshot) != nil {
				s.recovery.StateLost = true
			}
			expected = a.ref.index + 1
		}
	}
	s.state.incarnation = s.id.Incarnation
	return nil
}
