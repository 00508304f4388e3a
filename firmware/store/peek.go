package store

import (
	"context"
	"fmt"

	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/spool"
)

// Each yields a copy of every batch that is held when it begins, oldest epoch first, until yield returns false, and leaves all of them where they
// stand. What the cloud acknowledges meanwhile may be missing; what cannot be read is counted in unread and stays held. It reads the disk and
// holds no lock meanwhile.
func (k *Keeper) Each(ctx context.Context, yield func(spool.Taken) bool) (unread int, err error) {
	k.mu.Lock()
	held := k.sp.Held()
	k.mu.Unlock()
	for _, r := range held {
		for seq := r.From; seq < r.To; seq++ {
			if err := ctx.Err(); err != nil {
				return unread, fmt.Errorf("reading what the spool holds: %w", err)
			}
			k.mu.Lock()
			t, ok := k.sp.Peek(point.BatchID{Epoch: r.Epoch, Lane: r.Lane, Seq: seq})
			k.mu.Unlock()
			if !ok {
				continue
			}
			if err := t.Load(); err != nil {
				if !k.holds(t.ID) {
					continue // acknowledged while it was read
				}
				k.o.Log.Warn("a held batch cannot be read", "batch", t.ID.String(), "err", err)
				unread++
				continue
			}
			if !yield(t) {
				return unread, nil
			}
		}
	}
	return unread, nil
}

// holds reports whether a batch is held still.
func (k *Keeper) holds(id point.BatchID) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, ok := k.sp.Peek(id)
	return ok
}
