package segment

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/courtside-edge/courtside/sync/interval"
)

// guardPeriod is how often the free space is looked at when nothing else wakes the keeper.
const guardPeriod = time.Second

// keeper runs a store's background work: it closes the segment that was rotated away, opens the
// next one ahead, removes those that nobody needs and watches the free space.
type keeper struct {
	cancel context.CancelFunc
	done   sync.WaitGroup
	kicks  chan struct{}
}

func startKeeper(s *Store, manual bool) *keeper {
	ctx, cancel := context.WithCancel(context.Background())
	k := &keeper{cancel: cancel, kicks: make(chan struct{}, 1)}
	if !manual {
		k.done.Go(func() { s.keep(ctx, k.kicks) })
	}
	return k
}

// kick wakes the keeper; it never blocks. While Open is at work there is none.
func (k *keeper) kick() {
	if k == nil {
		return
	}
	select {
	case k.kicks <- struct{}{}:
	default:
	}
}

// stop ends the keeper and waits for it.
func (k *keeper) stop() {
	k.cancel()
	k.done.Wait()
}

func (s *Store) keep(ctx context.Context, kicks <-chan struct{}) {
	tick := time.NewTicker(guardPeriod)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-kicks:
		case <-tick.C:
			s.guard()
		}
		s.tend()
	}
}

// tend does what there is to do. What fails is tried again at the next tick.
func (s *Store) tend() {
	if err := s.seal(); err != nil {
		s.opts.Log.Warn("a full segment could not be closed", "dir", s.dir, "err", err)
	}
	s.prepare()
	if err := s.sweep(); err != nil {
		s.opts.Log.Warn("released segments could not be removed", "dir", s.dir, "err", err)
	}
}

// seal syncs and closes the segment that was rotated away.
func (s *Store) seal() error {
	s.mu.RLock()
	g, err := s.sealing, s.failed
	s.mu.RUnlock()
	if g == nil || err != nil {
		return nil
	}
	if err = s.syncRound(); err == nil {
		err = s.closeSegment(g, true)
	}
	s.mu.Lock()
	s.sealErr = err
	s.sweepable = err == nil // it may have been released while it was open
	s.mu.Unlock()
	return err
}

// prepare opens the next segment if one will be needed soon and none waits.
func (s *Store) prepare() {
	s.mu.Lock()
	needed := s.failed == nil && s.spare == nil && (s.wanted || s.active().half(s.opts.SegmentBytes))
	if needed && s.sealing != nil {
		// Were more opened on top of one that cannot be closed, nothing would bound them.
		if needed = false; s.sealErr != nil {
			s.tries++
			s.spareErr = fmt.Errorf("segment %d must be closed first: %w", s.sealing.id, s.sealErr)
			s.moved.Broadcast()
		} else {
			s.keeper.kick() // rotated away since seal looked
		}
	}
	s.mu.Unlock()
	if !needed {
		return
	}
	var g *segment
	err := s.roomFor(s.opts.SegmentBytes, s.opts.MinFree)
	if err == nil {
		g, err = s.openNext()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tries++
	s.spareErr = err
	s.spare = g
	s.moved.Broadcast()
}

// openNext makes a new, empty segment whose name is durable, or wraps ErrFull.
func (s *Store) openNext() (*segment, error) {
	s.mu.Lock()
	id := s.nextID
	s.nextID++
	s.mu.Unlock()
	g := &segment{id: id, dir: s.segmentDir(id)}
	var err error
	if g.db, err = createDB(g.dir, s.opts.SegmentBytes, s.opts.Log); err != nil {
		return nil, fmt.Errorf("creating segment %d: %w", id, err)
	}
	if err := syncDir(s.root); err != nil {
		return nil, errors.Join(err, g.db.close(), os.RemoveAll(g.dir))
	}
	s.opts.barrier()
	return g, nil
}

// remove takes segments out of the store and deletes them: under another name first, so that a
// crash leaves either a whole segment or one that the next start deletes.
func (s *Store) remove(old []*segment) error {
	if len(old) == 0 {
		return nil
	}
	s.reading.Lock()
	defer s.reading.Unlock()
	s.mu.Lock()
	var kept []*segment
	for _, g := range old {
		g.removed = true
	}
	for _, g := range s.segments {
		if !g.removed {
			kept = append(kept, g)
		}
	}
	s.segments = kept
	s.mu.Unlock()
	var errs []error
	for _, g := range old {
		if s.reader.holds(g) {
			errs = append(errs, s.reader.close())
			s.reader = nil
		}
		errs = append(errs, doom(s.root, segmentName(g.id)))
	}
	errs = append(errs, syncDir(s.root))
	s.opts.barrier()
	errs = append(errs, clearDoomed(s.root))
	return errors.Join(errs...)
}

const doomedPrefix = "doomed-"

func doom(root, name string) error {
	return os.Rename(filepath.Join(root, name), filepath.Join(root, doomedPrefix+name))
}

// clearDoomed deletes what was doomed, now or by an earlier process.
func clearDoomed(root string) error {
	doomed, err := filepath.Glob(filepath.Join(root, doomedPrefix+"*"))
	for _, d := range doomed {
		err = errors.Join(err, os.RemoveAll(d))
	}
	return err
}

// interval is what g holds.
func (g *segment) interval() interval.Interval { return interval.Interval{From: g.first, To: g.next} }
