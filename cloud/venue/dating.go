package venue

import (
	"github.com/courtside-edge/courtside/cloud/fingerprint"
	"github.com/courtside-edge/courtside/cloud/log"
	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// What a gateway sent before anything trustworthy had dated its boot waits in the log until an inventory gives the batch's epoch a map
// (I9). A gateway gives each epoch one map, once; here the first one counts. So what the state holds does not depend on which came
// first, and nothing is ever dated twice.

// heldFor is where the batches of an epoch wait for its map, among those that wait for their tables: an epoch is 16 random bytes, as a
// table's hash is.
func heldFor(id point.Epoch) point.TableHash { return point.TableHash(id) }

// dates takes over the map that an inventory gives the epoch, unless it has one for good.
func (e *epoch) dates(m clock.Map) {
	if !e.clock.Source.Dated() {
		e.clock = m
	}
}

// dated returns the map that dates a batch of the epoch which came with m: m itself, if something trustworthy stands behind it, else the
// epoch's. It reports false while there is none, and why there will never be.
func (e *epoch) dated(m clock.Map) (out clock.Map, ok bool, refused string) {
	switch own := e.clock; {
	case m.Source.Dated():
		return m, true, ""
	case !own.Source.Dated():
		return m, false, ""
	case own.Boot != m.Boot && own.Boot != (clock.BootID{}):
		return m, false, "the batch is of boot " + m.Boot.String() + ", its epoch of boot " + own.Boot.String()
	default:
		own.Boot = m.Boot
		return own, true, ""
	}
}

// date gives v.batch the map that dates it, or leaves the frame in the log: until there is one, or set aside. It reports whether
// the batch may be folded.
func (v *Venue) date(g *gateway, e *epoch, h wire.Header, r log.Record, print fingerprint.Print) bool {
	v.mu.Lock()
	m, ok, refused := e.dated(v.batch.Map)
	v.mu.Unlock()
	switch {
	case ok:
		v.batch.Map = m
		return true
	case refused != "":
		v.setBatchAside(g, e, r, h.ID(), print, "wrong-boot", refused)
	case g.waitCount >= maxWaiting:
		v.setBatchAside(g, e, r, h.ID(), print, "too-many-waiting", "too many frames wait for a table or a time map already")
	default:
		v.mu.Lock()
		at := heldFor(e.id)
		g.waiting[at] = append(g.waiting[at], waiting{r.Offset, h.ID(), r.Received.UnixNano()})
		g.waitCount++
		v.logged(g, e, h.ID(), print)
		v.mu.Unlock()
	}
	return false
}

// overdue takes out the frames that can be dated now that inv was taken in. The caller holds the lock.
func (g *gateway) overdue(inv *wire.Inventory) (out []waiting) {
	for i := range inv.Epochs {
		id := inv.Epochs[i].Epoch
		e := g.epochs[id]
		if e == nil {
			continue
		}
		e.dates(inv.Epochs[i].Map)
		if at := heldFor(id); e.clock.Source.Dated() && len(g.waiting[at]) > 0 {
			out = append(out, g.waiting[at]...)
			g.waitCount -= len(g.waiting[at])
			delete(g.waiting, at)
			g.touched(e)
		}
	}
	return out
}

// undated returns how many frames wait for a time map. The caller holds a lock.
func (g *gateway) undated() (n int) {
	for id := range g.epochs {
		n += len(g.waiting[heldFor(id)])
	}
	return n
}

// quality marks what is dated between bounds alone.
func quality(q point.Quality, m clock.Map) point.Quality {
	if m.Source == clock.Bounds && q == point.Good {
		return point.Uncertain
	}
	return q
}
