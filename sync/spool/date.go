package spool

import (
	"time"

	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/point"
)

// Date gives a map to every epoch that nothing trustworthy has dated yet, and reports whether there was one. m is the map in force; one that
// is not dated changes nothing. floor is what the time cannot be before. A map is given once: it is kept with the epoch, travels in every
// inventory, and dates what the epoch's batches could not date themselves.
//
// An epoch of a boot that some other map dates gets that one. One of a boot that ended undated ended, at the latest, when the boot after it
// began; that is what it is dated by, unless its own system clock showed a time between that and the epoch before it. The
// uncertainty reaches back to there.
func (s *Spool) Date(m clock.Map, floor time.Time) bool {
	if !m.Source.Dated() {
		return false
	}
	changed, after := false, m
	for i := len(s.epochs) - 1; i >= 0; i-- {
		e := s.epochs[i]
		if !e.at.Source.Dated() {
			e.at = s.mapFor(i, after, floor)
			s.lane(point.Critical).put(e.key(), e.encode())
			changed = true
		}
		after = e.at
	}
	return changed
}

// mapFor returns the map of the undated epoch at i, when after is the one of the epoch behind it.
func (s *Spool) mapFor(i int, after clock.Map, floor time.Time) clock.Map {
	e := s.epochs[i]
	same := after
	lo := floor.UnixNano()
	if floor.IsZero() {
		lo = 0
	}
	for k := i - 1; k >= 0; k-- {
		if p := s.epochs[k]; p.at.Source.Dated() {
			if lo = max(lo, p.at.Wall(p.until())); p.at.Boot == e.at.Boot && same.Boot != e.at.Boot {
				same = p.at
			}
			break
		}
	}
	if same.Boot == e.at.Boot {
		same.From = e.at.From
		return same
	}
	last := int64(0)
	for _, o := range s.epochs {
		if o == e || o.at.Boot == e.at.Boot && e.at.Boot != (clock.BootID{}) {
			last = max(last, o.until())
		}
	}
	latest := after.Wall(0) - last
	out := clock.Map{Boot: e.at.Boot, From: e.at.From, Source: clock.Bounds, Offset: time.Duration(latest), Uncertainty: time.Duration(max(0, latest-lo))}
	if own := int64(e.at.Offset); e.at.Source == clock.System && own >= lo && own <= latest {
		out.Offset, out.Uncertainty = e.at.Offset, time.Duration(max(own-lo, latest-own))
	}
	return out
}

// until returns the latest monotonic time that the epoch is known to have seen.
func (e *epoch) until() int64 { return max(e.at.From, e.seen) }

// witness notes the times of what an opening found of the epoch.
func (e *epoch) witness() {
	for i := range e.hold {
		for iv := range e.hold[i].held.All() {
			_, to := e.hold[i].span(iv)
			e.seen = max(e.seen, to)
		}
	}
}

// outlive keeps what an earlier epoch is to be dated by, before its batches go: a map that rests on what is left of them would place it
// behind the boot that came after it.
func (s *Spool) outlive(e *epoch) {
	if e.open || e.at.Source.Dated() || e.kept >= e.seen {
		return
	}
	e.kept = e.seen
	s.lane(point.Critical).put(e.key(), e.encode())
}
