// Package store gives the spool its goroutines.
//
// A Keeper owns one sync/spool Spool: it serialises the events of batcher and uplink with one lock that is never held
// during disk work, and runs the disk work of each lane on a goroutine of its own. Critical batches that
// are appended while a sync runs share the next one (group commit).
//
//	what fails                   what happens
//	a store                      logged once when it begins and once when it ends; the spool tries again, see its own table
//	a batch cannot be read back  it drops with a gap; after an error that may pass it is tried again later
//	stop                         what is in RAM is stored, the epoch is marked as closed cleanly
package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/notify"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/spool"
	"github.com/courtside-edge/courtside/sync/wire"
)

// DefaultTick is how often a lane's disk work is looked for when nothing asks for it.
const DefaultTick = 50 * time.Millisecond

// Options configure a Keeper. Spool and Mono are required.
type Options struct {
	Spool *spool.Spool
	Mono  func() int64  // the gateway's monotonic clock, ns
	Tick  time.Duration // how often spilling is looked at; DefaultTick when 0
	Log   *slog.Logger  // nil for none
}

// Keeper owns a spool. Its methods are safe for concurrent use; Run has to run meanwhile.
type Keeper struct {
	o Options

	mu      sync.Mutex
	sp      *spool.Spool
	durable map[point.BatchID][]func() // to be called once the batch is

	work  [2]chan struct{} // a lane has disk work; telemetry, critical
	pulse [2]notify.Pulse  // of each lane's loop
	ready signal           // there may be something to take
	room  signal           // there may be room for a critical batch
	gaps  signal           // gaps wait for a batch to carry them
}

// signal is a channel that holds at most one token: several events before a look at it are one.
type signal chan struct{}

func (s signal) set() {
	select {
	case s <- struct{}{}:
	default:
	}
}

// New returns the keeper of o.Spool, which must not be used by anyone else from here on.
func New(o Options) *Keeper {
	if o.Tick <= 0 {
		o.Tick = DefaultTick
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	k := &Keeper{o: o, sp: o.Spool, durable: map[point.BatchID][]func(){}, ready: make(signal, 1), room: make(signal, 1), gaps: make(signal, 1)}
	k.work = [2]chan struct{}{make(signal, 1), make(signal, 1)}
	k.ready.set() // what earlier openings left
	if k.sp.GapsWaiting() {
		k.gaps.set()
	}
	return k
}

// Run does the disk work until ctx ends; then it stores what is in RAM and closes the epoch cleanly. End ctx after the batcher and
// the uplink have stopped: what they still append afterwards is refused.
func (k *Keeper) Run(ctx context.Context) error {
	var lanes sync.WaitGroup
	for at, l := range []point.Lane{point.Telemetry, point.Critical} {
		lanes.Go(func() { k.serve(ctx, l, k.work[at], &k.pulse[at]) })
	}
	lanes.Wait()
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.sp.CloseClean(k.o.Mono()); err != nil {
		return fmt.Errorf("stopping the store: %w", err)
	}
	return nil
}

// Stuck returns an error when a lane's loop has been at one step for longer than patience: at a lock, or at the disk.
func (k *Keeper) Stuck(patience time.Duration) error {
	return errors.Join(k.pulse[0].Stuck("the store's telemetry lane", patience), k.pulse[1].Stuck("the store's critical lane", patience))
}

// serve does one lane's disk work.
func (k *Keeper) serve(ctx context.Context, l point.Lane, work <-chan struct{}, pulse *notify.Pulse) {
	defer pulse.Rest()
	tick := time.NewTicker(k.o.Tick)
	defer tick.Stop()
	log := k.o.Log.With("lane", l.String())
	failing := false
	for ctx.Err() == nil {
		pulse.Work()
		k.mu.Lock()
		j := k.sp.Next(k.o.Mono(), l)
		k.mu.Unlock()
		if j == nil {
			pulse.Rest()
			select {
			case <-work:
			case <-tick.C:
			case <-ctx.Done():
			}
			continue
		}
		j.Run()
		err := k.finish(j)
		if err != nil && !failing {
			log.Error("the spool's store fails", "err", err)
		} else if err == nil && failing {
			log.Info("the spool's store works again")
		}
		failing = err != nil
	}
}

// finish takes in a job that has run, and tells who waited for it.
func (k *Keeper) finish(j *spool.Job) error {
	k.mu.Lock()
	fx := k.sp.Finish(k.o.Mono(), j)
	var tell []func()
	for _, id := range fx.Durable {
		tell = append(tell, k.durable[id]...)
		delete(k.durable, id)
	}
	k.changed()
	k.mu.Unlock()
	for _, f := range tell {
		f()
	}
	k.room.set()
	k.ready.set()
	return fx.Err
}

// changed looks for gaps after an event. The caller holds mu.
func (k *Keeper) changed() {
	if k.sp.GapsWaiting() {
		k.gaps.set()
	}
}

// Append numbers, seals and holds an unsealed frame, which belongs to the spool from here on. durable is called, in order and from a
// goroutine that must not be blocked, once the frame is durable (critical lane). Errors are those of spool.Append; after
// one the frame is still the caller's.
func (k *Keeper) Append(frame []byte, cursors []point.Cursor, carriesGaps bool, durable []func()) (point.BatchID, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	id, err := k.sp.Append(k.o.Mono(), frame, cursors, carriesGaps)
	if err != nil {
		return id, err
	}
	if id.Lane == point.Critical {
		if len(durable) > 0 {
			k.durable[id] = durable
		}
		signal(k.work[1]).set() // offered once it is durable
		return id, nil
	}
	k.ready.set()
	k.changed()
	return id, nil
}

// Room has a token when a critical append that was refused may be tried again.
func (k *Keeper) Room() <-chan struct{} { return k.room }

// GapsWaiting has a token when Gaps has something to hand out.
func (k *Keeper) GapsWaiting() <-chan struct{} { return k.gaps }

// Gaps hands out the gaps that the next critical batch shall carry; see spool.Gaps.
func (k *Keeper) Gaps() []point.Gap { k.mu.Lock(); defer k.mu.Unlock(); return k.sp.Gaps() }

// ReturnGaps takes back what no batch could carry.
func (k *Keeper) ReturnGaps() { k.mu.Lock(); defer k.mu.Unlock(); k.sp.ReturnGaps() }

// Declare adds a loss of samples that never became part of a batch.
func (k *Keeper) Declare(g point.Gap) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.sp.Declare(g)
	k.changed()
}

// UseTable makes a point table the one in use.
func (k *Keeper) UseTable(hash point.TableHash, parts [][]byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.sp.UseTable(hash, parts)
}

// Cursor returns the durable cursor of a device's point.
func (k *Keeper) Cursor(device point.ID, name point.Name) ([]byte, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.sp.Cursor(device, name)
}

// Cursors returns the cursors of one device, as the filter asks for them.
func (k *Keeper) Cursors(device point.ID) func(point.Name) ([]byte, bool) {
	return func(name point.Name) ([]byte, bool) { return k.Cursor(device, name) }
}

// Counts says what is held of a lane.
func (k *Keeper) Counts(l point.Lane) spool.Counts {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.sp.Counts(l)
}

// Stats returns totals since opening.
func (k *Keeper) Stats() spool.Stats { k.mu.Lock(); defer k.mu.Unlock(); return k.sp.Stats() }

// Oldest returns when the first sample of the oldest batch that is held was taken; false when nothing is held.
func (k *Keeper) Oldest() (time.Time, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	at, held := k.sp.Oldest()
	return time.Unix(0, at).UTC(), held
}

// Undeclared returns how many gaps no durable batch carries yet.
func (k *Keeper) Undeclared() int { k.mu.Lock(); defer k.mu.Unlock(); return len(k.sp.Undeclared()) }

// Short reports whether the space for telemetry is running out; see spool.Short.
func (k *Keeper) Short() bool { k.mu.Lock(); defer k.mu.Unlock(); return k.sp.Short() }

// Trouble returns why a lane does not do what it promises, or nil: its store fails, or the critical lane can take on no more. Health is red
// meanwhile.
func (k *Keeper) Trouble(l point.Lane) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.sp.Trouble(l)
}

// Date gives every epoch that nothing trustworthy has dated its map; see spool.Date.
func (k *Keeper) Date(m clock.Map, floor time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	changed := k.sp.Date(m, floor)
	if changed {
		signal(k.work[1]).set()
	}
	return changed
}

// StoreErr returns why the last disk work of a lane failed, or nil when it went well.
func (k *Keeper) StoreErr(l point.Lane) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.sp.StoreErr(l)
}

// Epoch returns the epoch of this opening.
func (k *Keeper) Epoch() point.Epoch { k.mu.Lock(); defer k.mu.Unlock(); return k.sp.Epoch() }

// Recovery returns what opening found.
func (k *Keeper) Recovery() spool.Recovery { k.mu.Lock(); defer k.mu.Unlock(); return k.sp.Recovery() }

// LiveWaiting returns how many batches of a lane wait for their first publish.
func (k *Keeper) LiveWaiting(l point.Lane) uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.sp.LiveWaiting(l)
}

// Table returns a table that batches may still name.
func (k *Keeper) Table(hash point.TableHash) (spool.Table, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.sp.Table(hash)
}

// Tables returns every table that is here, the one in use first.
func (k *Keeper) Tables() []spool.Table { k.mu.Lock(); defer k.mu.Unlock(); return k.sp.Tables() }

// Inventory returns the account of every epoch not yet settled.
func (k *Keeper) Inventory() wire.Inventory {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.sp.Inventory()
}
