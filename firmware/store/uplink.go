package store

import (
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/spool"
	"github.com/courtside-edge/courtside/sync/wire"
)

// Ready has a token when there may be something to take.
func (k *Keeper) Ready() <-chan struct{} { return k.ready }

// Take hands out the next batch in the order of right, with its frame at hand. It may read the disk.
func (k *Keeper) Take(g spool.Grant) (spool.Taken, bool) {
	for {
		k.mu.Lock()
		t, ok := k.sp.Take(k.o.Mono(), g)
		k.mu.Unlock()
		if !ok {
			return t, false
		}
		read := t.Frame == nil
		err := t.Load()
		if err == nil && read {
			k.mu.Lock()
			k.sp.Loaded(&t)
			k.mu.Unlock()
		}
		if err == nil {
			return t, true
		}
		if !spool.Unreadable(err) {
			k.o.Log.Warn("a stored batch cannot be read now", "batch", t.ID.String(), "err", err)
			k.Fail(t.ID)
			return spool.Taken{}, false
		}
		k.o.Log.Error("a stored batch is lost; a gap declares it", "batch", t.ID.String(), "err", err)
		k.mu.Lock()
		k.sp.Lost(t.ID)
		k.changed()
		k.mu.Unlock()
	}
}

// Commit notes that the broker took a batch.
func (k *Keeper) Commit(id point.BatchID) { k.mu.Lock(); defer k.mu.Unlock(); k.sp.Commit(id) }

// Fail returns a batch to the backlog.
func (k *Keeper) Fail(id point.BatchID) { k.mu.Lock(); defer k.mu.Unlock(); k.sp.Fail(id) }

// FailAll returns everything in flight to the backlog.
func (k *Keeper) FailAll() {
	k.mu.Lock()
	k.sp.FailAll()
	k.mu.Unlock()
	k.ready.set()
}

// InFlight returns how many batches are taken or sent.
func (k *Keeper) InFlight() int { k.mu.Lock(); defer k.mu.Unlock(); return k.sp.InFlight() }

// Ack lets go of what a names.
func (k *Keeper) Ack(a wire.Ack) spool.Released {
	k.mu.Lock()
	out := k.sp.Ack(a)
	k.changed()
	k.mu.Unlock()
	if out.Batches.Batches > 0 || len(out.Landed) > 0 {
		k.ready.set()
		k.room.set()
	}
	return out
}
