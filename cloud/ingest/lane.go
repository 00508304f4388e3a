package ingest

import (
	"github.com/courtside-edge/courtside/cloud/fingerprint"
	"github.com/courtside-edge/courtside/sync/interval"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// lane returns what is durable of one lane of one epoch, nil when the gateway has too many epochs. The caller holds the lock.
func (g *gateway) lane(e point.Epoch, l point.Lane) *interval.Set {
	k := laneKey{e, l}
	s := g.lanes[k]
	if s == nil {
		if len(g.lanes) >= 2*maxEpochs {
			return nil
		}
		s = &interval.Set{}
		g.lanes[k] = s
	}
	return s
}

// holds reports whether this very content is durable.
func (g *gateway) holds(id point.BatchID, print fingerprint.Print) bool {
	l := g.lanes[laneKey{id.Epoch, id.Lane}]
	have, ok := g.prints.Get(id)
	return l != nil && ok && have == print && l.Has(id.Seq)
}

// mark remembers that a batch is durable with this content.
func (g *gateway) mark(id point.BatchID, print fingerprint.Print) {
	l := g.lane(id.Epoch, id.Lane)
	if l == nil || l.Len() >= maxHoles || !l.AddOne(id.Seq) {
		return // the first content stays the one that counts; what is not remembered is logged again, which does no harm
	}
	g.prints.Put(id, print)
}

// forget gives up the lanes of epochs that a gateway tells nothing of any more: it holds nothing of them.
func (g *gateway) forget(listed map[point.Epoch]bool) {
	if listed == nil {
		return
	}
	for k := range g.lanes {
		if !listed[k.epoch] {
			delete(g.lanes, k)
		}
	}
}

// wholeInventory is how many epochs a gateway tells of at a time: an inventory with fewer names every epoch that holds anything.
const wholeInventory = 64

// listed returns the epochs of an inventory, nil when there may be others.
func listed(inv *wire.Inventory) map[point.Epoch]bool {
	if len(inv.Epochs) >= wholeInventory {
		return nil
	}
	out := map[point.Epoch]bool{}
	for i := range inv.Epochs {
		out[inv.Epochs[i].Epoch] = true
	}
	return out
}

// Restore learns from a state of the venues what is durable: it rests on durable records only. It stands for the records below the
// state's offset; those from there on are for Recover.
type Restore struct{ in *Ingest }

// Restore returns what takes the state; use it before Run and Handle.
func (in *Ingest) Restore() Restore { return Restore{in} }

// Lane says that batches are durable.
func (r Restore) Lane(gw Gateway, epoch point.Epoch, lane point.Lane, held interval.Set) {
	r.in.mu.Lock()
	defer r.in.mu.Unlock()
	g := r.in.gateways[gw]
	if g == nil {
		return
	}
	if l := g.lane(epoch, lane); l != nil {
		*l = held.Clone()
	}
}

// Print says which content a durable batch has.
func (r Restore) Print(gw Gateway, id point.BatchID, print fingerprint.Print) {
	r.in.mu.Lock()
	defer r.in.mu.Unlock()
	if g := r.in.gateways[gw]; g != nil {
		g.prints.Put(id, print)
	}
}

// Table says that a point table is durable.
func (r Restore) Table(gw Gateway, hash point.TableHash) {
	r.in.mu.Lock()
	defer r.in.mu.Unlock()
	if g := r.in.gateways[gw]; g != nil {
		g.tables[hash] = true
	}
}
