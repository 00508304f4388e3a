package aggregator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sort"
	"time"

	"github.com/courtside-edge/courtside/cloud/config"
	"github.com/courtside-edge/courtside/cloud/fingerprint"
	"github.com/courtside-edge/courtside/cloud/ingest"
	"github.com/courtside-edge/courtside/cloud/log"
	"github.com/courtside-edge/courtside/cloud/snapshot"
	"github.com/courtside-edge/courtside/cloud/venue"
	"github.com/courtside-edge/courtside/sync/interval"
	"github.com/courtside-edge/courtside/sync/point"
)

// lookEvery is how often the keeper looks whether a snapshot is due.
const lookEvery = time.Second

// history is what the keeper needs of the log.
type history interface {
	log.Log
	LiveBytes() int64
}

// keeper saves the venues' states and trims the log behind them.
type keeper struct {
	c      *config.Config
	log    history
	store  *snapshot.Store
	logger *slog.Logger
	venues []*venue.Venue
	saved  map[point.ID]uint64 // from where on the newest snapshot needs the log
	at     time.Time           // of the newest round of snapshots
	now    func() time.Time
}

func newKeeper(c *config.Config, l history, logger *slog.Logger) (*keeper, error) {
	store, err := snapshot.Open(filepath.Join(c.DataDir, "snapshots"))
	if err != nil {
		return nil, err
	}
	return &keeper{c: c, log: l, store: store, logger: logger, saved: map[point.ID]uint64{}, at: time.Now(), now: time.Now}, nil
}

// open returns a venue in the state of its newest usable snapshot, or an empty one.
func (k *keeper) open(o venue.Options) (*venue.Venue, error) {
	var v *venue.Venue
	first, next := k.log.Bounds()
	used, refused := k.store.Load(o.ID, k.log.Incarnation(), func(m snapshot.Meta, state []byte) (err error) {
		if m.From > next {
			return fmt.Errorf("%w: it needs the log from record %d on, which ends at %d", snapshot.ErrUnusable, m.From, next)
		}
		v, err = venue.Load(o, state)
		return err
	})
	for _, err := range refused {
		k.logger.Warn("a snapshot is passed over", "venue", o.ID, "err", err)
	}
	if used == nil {
		var err error
		if v, err = venue.New(o); err != nil {
			return nil, err
		}
	}
	if from := v.Offset(); from < first && first > 0 {
		k.logger.Error("the log was trimmed beyond what the state rests on; what is missing shows as gaps", "venue", o.ID, "state_ends", from, "log_begins", first)
	}
	k.venues = append(k.venues, v)
	k.saved[o.ID] = v.Offset()
	k.logger.Info("venue opened", "venue", o.ID, "snapshot", used != nil, "replay_records", next-min(next, max(first, v.Offset())))
	return v, nil
}

// teach tells ingest what the states know to be durable.
func (k *keeper) teach(in *ingest.Ingest) {
	to := in.Restore()
	for _, v := range k.venues {
		of := func(g point.ID) ingest.Gateway { return ingest.Gateway{Venue: v.ID(), Gateway: g} }
		v.Held(func(g point.ID, e point.Epoch, l point.Lane, held interval.Set) { to.Lane(of(g), e, l, held) },
			func(g point.ID, id point.BatchID, p fingerprint.Print) { to.Print(of(g), id, p) },
			func(g point.ID, h point.TableHash) { to.Table(of(g), h) })
		for _, off := range v.Loose() {
			if r, err := k.log.Get(off); err == nil {
				in.Recover(r)
			}
		}
	}
}

// from returns the record at which the replay begins.
func (k *keeper) from() uint64 {
	first, next := k.log.Bounds()
	from := next
	for _, v := range k.venues {
		from = min(from, v.Offset())
	}
	return max(first, from)
}

// run takes snapshots and trims the log until ctx ends.
func (k *keeper) run(ctx context.Context) {
	t := time.NewTicker(lookEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if !k.due() {
			continue
		}
		if err := k.save(k.durable(ctx)); err != nil && ctx.Err() == nil {
			k.logger.Error("no snapshot could be taken; the one before stays, and the log is kept", "err", err)
			continue
		}
		if err := k.trim(); err != nil {
			k.logger.Error("the log could not be trimmed", "err", err)
		}
	}
}

// due reports whether enough came, or enough time went by, since the newest snapshots.
func (k *keeper) due() bool {
	late := k.now().Sub(k.at) >= k.c.Snapshots.Every
	for _, v := range k.venues {
		since := v.Offset() - k.saved[v.ID()]
		if since >= uint64(k.c.Snapshots.Records) || late && since > 0 {
			return true
		}
	}
	return false
}

// save takes a snapshot of every venue that got something since its last one.
func (k *keeper) save(durable func(uint64) error) error {
	k.at = k.now()
	var errs error
	for _, v := range k.venues {
		if v.Offset() == k.saved[v.ID()] {
			continue
		}
		m, err := k.store.Save(snapshot.Meta{Venue: v.ID(), Incarnation: k.log.Incarnation(), Taken: k.now().UTC()},
			func(w io.Writer) (uint64, uint64, error) { return v.Save(w) }, durable)
		if err != nil {
			errs = errors.Join(errs, err)
			continue
		}
		k.saved[v.ID()] = m.From
	}
	return errs
}

// durable returns what waits until the log is durable up to an offset.
func (k *keeper) durable(ctx context.Context) func(uint64) error {
	return func(upTo uint64) error {
		for {
			moved := k.log.Watch()
			if k.log.Synced() >= upTo {
				return nil
			}
			if err := k.log.Err(); err != nil {
				return err
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-moved:
			}
		}
	}
}

var errNotDurable = errors.New("the log ended before what the state rests on was durable")

// last takes the snapshots of an orderly end; the log is closed.
func (k *keeper) last() error {
	return k.save(func(upTo uint64) error {
		if k.log.Synced() < upTo {
			return errNotDurable
		}
		return nil
	})
}

// trim lets go of what retention does not want and no start needs.
func (k *keeper) trim() error {
	first, next := k.log.Bounds()
	before := max(k.older(k.now().Add(-k.c.Retention.Age)), k.beyond(int64(k.c.Retention.Bytes)))
	for _, v := range k.venues {
		oldest, ok := k.store.Oldest(v.ID())
		if !ok {
			return nil // with one snapshot, the log is what serves when it cannot be read
		}
		before = min(before, oldest)
	}
	if k.log.LiveBytes() <= 2*int64(k.c.Retention.Bytes) { // beyond, what was set aside has to go too
		for _, v := range k.venues {
			if needed, ok := v.Needed(k.now().Add(-k.c.Retention.SetAside)); ok {
				before = min(before, needed)
			}
		}
	}
	if before <= first || before > next {
		return nil
	}
	for _, v := range k.venues {
		v.Trimmed(before)
	}
	if err := k.log.Trim(before); err != nil {
		return err
	}
	k.logger.Info("log trimmed", "records", before-first, "before", before)
	return nil
}

// older returns the first record that was received at or after t. A record that cannot be read counts as old.
func (k *keeper) older(t time.Time) uint64 {
	first, next := k.log.Bounds()
	n := sort.Search(int(next-first), func(i int) bool {
		r, err := k.log.Get(first + uint64(i))
		return err == nil && !r.Received.Before(t)
	})
	return first + uint64(n)
}

// beyond returns the first record that fits limit, all records taken as equally large.
func (k *keeper) beyond(limit int64) uint64 {
	first, next := k.log.Bounds()
	live := k.log.LiveBytes()
	if live <= limit || next == first {
		return first
	}
	return first + uint64(float64(next-first)*(1-float64(limit)/float64(live)))
}
