package venue

import "time"

// pruneEvery is how often what lies beyond the horizon is forgotten.
const pruneEvery = time.Minute

// Tick lets samples that were dated in the future take effect, looks into what is unaccounted for and forgets what lies beyond
// the horizon. Call it every second or so.
func (v *Venue) Tick() {
	now := v.o.Now()
	v.mu.Lock()
	defer v.mu.Unlock()
	due := v.future.due(now.Add(LateBy).UnixNano())
	for i := range due {
		v.foldOne(&due[i])
	}
	for _, g := range v.order {
		if g.early || len(g.stale) > 0 {
			g.recount(v.limit())
		}
		v.conclude(g)
	}
	if now.Sub(v.pruned) >= pruneEvery {
		v.pruned = now
		v.prune(now.Add(-v.o.Horizon))
	}
	v.touch()
}

// prune forgets what lies before horizon. The caller holds the lock.
func (v *Venue) prune(horizon time.Time) {
	oldest := v.bucketOf(horizon.UnixNano())
	from := oldest * int64(v.o.Bucket)
	for _, p := range v.points {
		p.prune(oldest, from)
	}
	for _, g := range v.order {
		for _, e := range g.epochs {
			if e.settled() && e.applied.Before(horizon) && e.born.Before(horizon) && e.past(from) {
				g.bury(e)
			}
		}
		keep := g.pointGaps[:0]
		for _, p := range g.pointGaps {
			if p.last >= from {
				keep = append(keep, p)
			}
		}
		g.pointGaps = keep
	}
}

// past reports whether every hole of the epoch ended before from.
func (e *epoch) past(from int64) bool {
	for l := range e.lanes {
		for _, h := range e.lanes[l].holes {
			if h.last >= from {
				return false
			}
		}
	}
	return true
}
