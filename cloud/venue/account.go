package venue

import (
	"fmt"
	"slices"
	"time"

	"github.com/courtside-edge/courtside/cloud/log"
	"github.com/courtside-edge/courtside/sync/interval"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// wholeInventory is how many epochs a gateway tells of at a time: an inventory with fewer names every epoch that holds anything.
const wholeInventory = 64

func (v *Venue) applyInventory(g *gateway, r log.Record) []Effect {
	inv, err := wire.DecodeInventory(r.Payload)
	if err != nil {
		v.setAside(g, r, wire.Reason(err), err.Error())
		return nil
	}
	v.mu.Lock()
	if !g.outdated(&inv) {
		v.takeInventory(g, inv, r)
	}
	dated := g.overdue(&inv)
	g.recount(v.limit())
	v.mu.Unlock()
	return v.resume(g, dated)
}

// takeInventory makes inv the newest. The caller holds the lock.
func (v *Venue) takeInventory(g *gateway, inv wire.Inventory, r log.Record) {
	g.inventory, g.invAt = inv, r.Received
	refused, unheard := g.account(&inv, r.Received)
	if refused > 0 {
		v.o.Log.Warn("an inventory names more epochs than a gateway may have", "gateway", g.id, "epochs_left_out", refused)
	}
	for _, id := range unheard {
		v.count.Unaccounted++
		v.o.Log.Error("an epoch is over and nothing here says how it ended: what it had beyond is missing", "gateway", g.id, "epoch", id)
	}
	g.recount(v.limit())
	v.audit(g)
	v.touch()
}

// outdated reports whether inv is older than what is known: of the same session with a smaller number, or of an epoch that was
// followed by another one.
func (g *gateway) outdated(inv *wire.Inventory) bool {
	if inv.Session == g.inventory.Session && inv.Number < g.inventory.Number {
		return true
	}
	for i := range inv.Epochs {
		if e := &inv.Epochs[i]; e.Open {
			_, followed := g.successor[e.Epoch]
			return followed
		}
	}
	return false
}

// account takes over what an inventory says of each epoch, and what it does not say. It returns how many epochs it could
// not take, and those that are over without a word of how far they went.
func (g *gateway) account(inv *wire.Inventory, received time.Time) (refused int, unheard []point.Epoch) {
	began := len(g.epochs)+len(g.tombs) > 0
	listed := map[point.Epoch]bool{}
	for i := range inv.Epochs {
		listed[inv.Epochs[i].Epoch] = true
	}
	for i := range inv.Epochs {
		ei := &inv.Epochs[i]
		if g.tombs[ei.Epoch] != nil {
			continue
		}
		e, err := g.epoch(ei.Epoch, received)
		if err != nil {
			refused++
			continue
		}
		e.account(ei, received)
		g.touched(e)
		if ei.Predecessor.IsZero() {
			continue
		}
		g.successor[ei.Predecessor] = ei.Epoch
		if prev := g.epochs[ei.Predecessor]; prev != nil {
			g.touched(prev)
		} else if began && !listed[ei.Predecessor] && g.tombs[ei.Predecessor] == nil {
			if prev, err := g.epoch(ei.Predecessor, received); err == nil { // all of it is missing
				g.touched(prev)
			}
		}
	}
	whole := len(inv.Epochs) < wholeInventory
	for id, e := range g.epochs {
		for l := range e.lanes {
			if ls := &e.lanes[l]; len(ls.told) > 0 {
				ls.told = nil
				g.touched(e)
			}
		}
		if listed[id] {
			continue
		}
		if e.leave(whole) {
			g.touched(e)
		}
		if whole && !e.closed {
			e.closed, e.seen = true, true
			e.unfinished(received)
			g.touched(e)
			unheard = append(unheard, id)
		}
	}
	g.tell(inv, received)
	return refused, unheard
}

// account takes over what an inventory says of the epoch.
func (e *epoch) account(ei *wire.EpochInventory, received time.Time) {
	e.open, e.seen, e.predecessor = ei.Open, true, ei.Predecessor
	e.dates(ei.Map)
	e.closed = e.closed || !ei.Open
	unclean := !ei.Open && !ei.Clean
	for i := range ei.Lanes {
		li := &ei.Lanes[i]
		ls := &e.lanes[li.Lane-1]
		ls.next = max(ls.next, li.Next)
		given := li.Next
		if unclean { // the gateway knows what it stored; more may have been given
			given = ls.known()
		}
		gone := interval.FromIntervals(interval.Interval{To: given})
		spans := make([]pendingSpan, 0, len(li.Pending))
		for _, p := range li.Pending {
			gone.Remove(interval.Interval{From: p.From, To: p.To})
			s := pendingSpan{from: p.From, to: p.To}
			if p.Last != 0 && e.clock.Source.Dated() {
				s.first, s.last = e.clock.Wall(p.First), e.clock.Wall(p.Last)
			}
			spans = append(spans, s)
		}
		for iv := range gone.All() {
			ls.gone.Add(iv)
		}
		ls.pending = ls.left(spans)
		if !unclean {
			continue
		}
		c := cut{reason: point.GapPowerCut, at: received}
		if li.Lane == point.Critical { // stored before it was published, so nothing below is missing by a cut
			c.from = li.Next
		}
		ls.opened(c)
	}
}

// leave takes over that an inventory does not name the epoch; a whole one would if anything were left of it. It reports whether that
// changed something.
func (e *epoch) leave(whole bool) (changed bool) {
	changed, e.open = e.open, false
	if !whole {
		return changed
	}
	for l := range e.lanes {
		ls := &e.lanes[l]
		given := interval.Interval{To: ls.known()}
		if len(ls.pending) > 0 || !ls.gone.Covers(given) {
			ls.pending, changed = nil, true
			ls.gone.Add(given)
		}
	}
	return changed
}

// unfinished notes that the epoch is over and that nothing was heard of how far it went.
func (e *epoch) unfinished(received time.Time) {
	for l := range e.lanes {
		e.lanes[l].opened(cut{from: e.lanes[l].known(), reason: point.GapUnaccounted, at: received})
	}
}

// tell takes over the losses that an inventory tells ahead of the batches that will carry them.
func (g *gateway) tell(inv *wire.Inventory, received time.Time) {
	for i := range inv.Gaps {
		gap := &inv.Gaps[i]
		e := g.epochs[gap.Epoch]
		if e == nil {
			continue
		}
		ls := &e.lanes[gap.Lane-1]
		g.touched(e)
		if gap.To == 0 {
			ls.opened(cut{from: gap.From, reason: gap.Reason, at: received})
			continue
		}
		d := declared{from: gap.From, to: gap.To, count: gap.Count, reason: gap.Reason, at: received}
		if gap.Last != 0 && gap.Boot == e.clock.Boot {
			d.first, d.last = e.clock.Wall(gap.First), e.clock.Wall(gap.Last)
		}
		ls.told = append(ls.told, d)
	}
	for _, e := range g.epochs {
		for l := range e.lanes {
			slices.SortFunc(e.lanes[l].told, compareDeclared)
		}
	}
}

// addGap takes over a loss of batches that a batch of epoch carrier declares. b dates it when it is of the same boot.
func (v *Venue) addGap(g *gateway, gap *point.Gap, b *wire.Batch, carrier point.Epoch, received time.Time) {
	if g.tombs[gap.Epoch] != nil {
		return
	}
	e, err := g.epoch(gap.Epoch, received)
	if err != nil {
		v.count.GapsDropped++
		return
	}
	ls := &e.lanes[gap.Lane-1]
	g.touched(e)
	if gap.To == 0 {
		ls.opened(cut{from: gap.From, reason: gap.Reason, at: received, carrier: carrier})
		return
	}
	d := declared{from: gap.From, to: gap.To, count: gap.Count, reason: gap.Reason, at: received}
	if gap.Last != 0 && gap.Boot == b.Map.Boot {
		d.first, d.last = b.Map.Wall(gap.First), b.Map.Wall(gap.Last)
	}
	ls.declare(d)
}

// declare adds a loss to the lane. The same loss may be declared twice.
func (ls *laneState) declare(d declared) {
	at, twice := slices.BinarySearchFunc(ls.declared, d, compareDeclared)
	if twice {
		h := &ls.declared[at]
		if h.count = max(h.count, d.count); d.at.Before(h.at) {
			h.at = d.at
		}
		return
	}
	ls.declared = slices.Insert(ls.declared, at, d)
	if len(ls.declared) > maxDeclared {
		ls.declared = merged(ls.declared)
	}
}

// merged makes one of every two neighbours, so that a gateway that declares without end costs no memory. What lies between them and is
// held is in no hole all the same; how many samples were lost is not known any more.
func merged(list []declared) []declared {
	out := list[:0]
	for i := 0; i < len(list); i += 2 {
		d := list[i]
		if i+1 < len(list) {
			e := list[i+1]
			d.to, d.count = max(d.to, e.to), 0
			d.first, d.last = min(d.first, e.first), max(d.last, e.last)
			if d.first == 0 {
				d.last = 0
			}
		}
		out = append(out, d)
	}
	return out
}

// touched notes that something changed that the epoch's holes, or pending spans, rest on.
func (g *gateway) touched(e *epoch) {
	if !e.stale {
		e.stale = true
		g.stale = append(g.stale, e)
	}
}

// recount finds the holes of the epochs of which something changed. Holes that begin behind limit hide nothing yet.
func (g *gateway) recount(limit int64) {
	holes, waits := g.early, false
	for _, e := range g.stale {
		e.stale = false
		for l := range e.lanes {
			ls := &e.lanes[l]
			if len(ls.pending) > 0 || ls.awaited {
				ls.pending, waits = ls.left(ls.pending), true
				ls.awaited = len(ls.pending) > 0
			}
			found := g.findHoles(e, l)
			holes = holes || !slices.Equal(found, ls.holes)
			ls.holes = found
		}
		note(g.holed, e, len(e.lanes[0].holes)+len(e.lanes[1].holes) > 0)
		note(g.behind, e, len(e.lanes[0].pending)+len(e.lanes[1].pending) > 0)
	}
	g.stale = g.stale[:0]
	if holes {
		g.early = false
		for _, e := range g.holed {
			for _, h := range append(e.lanes[0].holes, e.lanes[1].holes...) {
				g.early = g.early || h.first >= limit
			}
		}
		g.hidden = g.lost(limit)
	}
	if waits {
		g.waits = g.awaited()
	}
}

// note keeps e in set while it belongs there.
func note(set map[point.Epoch]*epoch, e *epoch, belongs bool) {
	if belongs {
		set[e.id] = e
	} else {
		delete(set, e.id)
	}
}

// String names the hole for logs.
func (h *hole) String() string {
	if h.to == 0 {
		return fmt.Sprintf("%d and later", h.from)
	}
	return fmt.Sprintf("%d to %d", h.from, h.to-1)
}
