package venue

import (
	"time"

	"github.com/courtside-edge/courtside/sync/interval"
	"github.com/courtside-edge/courtside/sync/point"
)

// auditPatience is how long inventories may show a missing seq without an alarm while the gateway holds critical batches back that
// could explain it. A backlog on a slow link takes hours.
const auditPatience = 6 * time.Hour

// inquiry is seqs that an inventory showed as neither durable, pending nor declared (I10). A gap travels in a critical batch, which
// may still have been at the gateway then: the verdict waits until those have come.
type inquiry struct {
	since    time.Time // received time of the inventory
	suspects map[laneKey]*interval.Set
	critical map[point.Epoch]*interval.Set // critical batches that were pending
}

type laneKey struct {
	epoch point.Epoch
	lane  point.Lane
}

// audit looks into what is unaccounted for after an inventory. The caller holds the lock.
func (v *Venue) audit(g *gateway) {
	if g.inquiry == nil {
		g.inquiry = g.inquire()
	}
	v.conclude(g)
}

// inquire returns what is to be looked into, nil for nothing.
func (g *gateway) inquire() *inquiry {
	q := &inquiry{since: g.invAt, suspects: map[laneKey]*interval.Set{}, critical: map[point.Epoch]*interval.Set{}}
	for _, e := range g.holed {
		for l := range e.lanes {
			ls := &e.lanes[l]
			for _, h := range ls.holes {
				if h.reason != point.GapUnaccounted || h.accused {
					continue
				}
				if ls.missed.IsZero() {
					ls.missed = g.invAt
				}
				k := laneKey{e.id, point.Lane(l + 1)}
				if q.suspects[k] == nil {
					q.suspects[k] = &interval.Set{}
				}
				q.suspects[k].Add(interval.Interval{From: h.from, To: h.to})
			}
		}
	}
	if len(q.suspects) == 0 {
		return nil
	}
	for _, e := range g.behind {
		for _, p := range e.lanes[point.Critical-1].pending {
			if q.critical[e.id] == nil {
				q.critical[e.id] = &interval.Set{}
			}
			q.critical[e.id].Add(interval.Interval{From: p.from, To: p.to})
		}
	}
	return q
}

// answered reports whether every critical batch that could explain something has come, or will not.
func (g *gateway) answered(q *inquiry) bool {
	for id, s := range q.critical {
		e := g.epochs[id]
		if e == nil {
			continue
		}
		ls := &e.lanes[point.Critical-1]
		for _, p := range ls.pending {
			for range s.Within(interval.Interval{From: p.from, To: p.to}) {
				return false
			}
		}
		for iv := range s.All() { // one that waits for its table may explain it too
			for w := range ls.logged.Within(iv) {
				if g.awaits(id, w) {
					return false
				}
			}
		}
	}
	return true
}

// awaits reports whether a critical batch of the range waits for its table.
func (g *gateway) awaits(id point.Epoch, iv interval.Interval) bool {
	for _, list := range g.waiting {
		for _, w := range list {
			if w.id.Epoch == id && w.id.Lane == point.Critical && w.id.Seq >= iv.From && w.id.Seq < iv.To {
				return true
			}
		}
	}
	return false
}

// conclude raises the alarm for what no critical batch explained. The caller holds the lock.
func (v *Venue) conclude(g *gateway) {
	q := g.inquiry
	if q == nil || (!g.answered(q) && g.invAt.Sub(q.since) < auditPatience) {
		return
	}
	g.inquiry = nil
	for k, s := range q.suspects {
		e := g.epochs[k.epoch]
		if e == nil {
			continue
		}
		ls, found := &e.lanes[k.lane-1], uint64(0)
		for _, h := range ls.holes {
			if h.reason != point.GapUnaccounted || h.accused {
				continue
			}
			for iv := range s.Within(interval.Interval{From: h.from, To: h.to}) {
				found += ls.accused.Add(iv)
			}
		}
		if found > 0 {
			v.count.Unaccounted += found
			g.touched(e)
			v.o.Log.Error("batches are neither here, nor at their gateway, nor declared lost", "gateway", g.id, "epoch", k.epoch, "lane", k.lane, "batches", found)
		}
	}
	g.recount(v.limit())
}
