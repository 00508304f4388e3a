package segment

import "github.com/courtside-edge/courtside/sync/interval"

// plan says what to do with the segments that a start finds.
//
// What was synced is kept, whatever is wrong with it, and is named if it cannot be read. What was
// not synced ends before the first thing that is wrong with it: a power cut keeps any part of that, in
// any order, and the small state must not tell of records that are gone.
type plan struct {
	keep   []kept
	drop   []*found            // empty, or beyond the cut
	aside  []*found            // it held what had been synced, and nothing in it can be read
	held   []interval.Interval // offsets that the kept segments claim, ascending
	next   uint64              // the next offset to give
	tornTo uint64              // the end of what was cut off, if beyond next

	stateless bool // nothing is kept that the small state could be read from
}

// kept is a segment that stays.
type kept struct {
	found       *found
	frames      []account // of one that was not closed cleanly: what stays of it
	first, next uint64
	damaged     bool // something that had been synced is missing or not as written
}

// planRecovery decides, from what was found and how far the last sync is known to have reached.
func planRecovery(segments []*found, mark uint64) plan {
	pl := planner{durable: durableBound(segments, mark), released: releasedAnywhere(segments)}
	for _, f := range segments {
		switch {
		case pl.torn:
			pl.abandon(f)
		case f.index != nil:
			pl.hold(f.index.first, f.index.next)
			pl.keep = append(pl.keep, kept{found: f, first: f.index.first, next: f.index.next})
		case len(f.frames) > 0:
			pl.take(f)
		case f.used && pl.next < pl.durable:
			pl.aside = append(pl.aside, f)
		default:
			// Opened ahead and never used, or cut off before its first frame was synced.
			pl.drop = append(pl.drop, f)
		}
	}
	pl.stateless = len(pl.keep) == 0 && pl.durable > 0
	pl.next = max(pl.next, pl.durable)
	return pl.plan
}

type planner struct {
	plan
	durable  uint64 // every offset below was synced
	released interval.Set
	torn     bool // from here on nothing is kept
}

func (pl *planner) abandon(f *found) {
	pl.drop = append(pl.drop, f)
	for _, a := range f.frames {
		pl.tornTo = max(pl.tornTo, a.end())
	}
}

func (pl *planner) hold(first, next uint64) {
	if next > first {
		pl.held = append(pl.held, interval.Interval{From: first, To: next})
	}
	pl.next = max(pl.next, next)
}

// take keeps of a segment that was not closed cleanly what the rules of plan allow.
func (pl *planner) take(f *found) {
	k := kept{found: f, first: f.frames[0].ref.first}
	k.next = k.first
	expected := uint32(0)
	for i, a := range f.frames {
		damaged := a.ref.index != expected || a.ref.first < pl.next || !a.whole || pl.hole(a, i == 0 && len(pl.keep) == 0)
		if damaged && !a.synced(pl.durable) {
			pl.torn = true
			for _, rest := range f.frames[i:] {
				pl.tornTo = max(pl.tornTo, rest.end())
			}
			break
		}
		k.damaged = k.damaged || damaged
		expected = a.ref.index + 1
		if a.ref.first < pl.next {
			continue // its offsets were given to another frame: only one can be right
		}
		k.frames = append(k.frames, a)
		k.next = a.end()
		pl.hold(a.ref.first, a.end())
	}
	if len(k.frames) == 0 {
		pl.drop = append(pl.drop, f)
		return
	}
	k.first = k.frames[0].ref.first
	pl.keep = append(pl.keep, k)
}

// hole reports whether offsets between what was taken and a are missing that somebody may need.
// Before a snapshot they may be missing because their segment was released and removed, and before
// the oldest segment there is nothing that can be told.
func (pl *planner) hole(a account, oldest bool) bool {
	gap := interval.Interval{From: pl.next, To: a.ref.first}
	if gap.To <= gap.From || a.snapshot && (oldest || pl.released.Covers(gap)) {
		return false
	}
	return true
}

// synced reports whether a is known to have been synced, durable being the bound.
func (a account) synced(durable uint64) bool {
	return a.end() < durable || a.ref.count > 0 && a.end() == durable
}

// durableBound returns the highest offset below which everything is known to have been synced.
func durableBound(segments []*found, mark uint64) uint64 {
	for _, f := range segments {
		if f.index != nil {
			mark = max(mark, f.index.next)
		}
		for _, a := range f.frames {
			mark = max(mark, a.durable)
		}
	}
	return mark
}

// releasedAnywhere returns every release that any readable frame tells of.
func releasedAnywhere(segments []*found) interval.Set {
	all := newState()
	for _, f := range segments {
		for _, a := range f.frames {
			if a.section != nil {
				_ = all.apply(a.section, false) // a malformed one tells of nothing
			}
		}
	}
	return all.released
}
