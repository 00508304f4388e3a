package spool

import (
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/courtside-edge/courtside/sync/interval"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/segment"
	"github.com/courtside-edge/courtside/sync/wire"
)

const cursorPrefix = "cursor/"

func cursorName(device point.ID, name point.Name) string {
	return cursorPrefix + string(device) + "/" + string(name)
}

// Recovery is what opening found.
type Recovery struct {
	Epoch       point.Epoch // of this opening
	Predecessor point.Epoch // zero for the first
	Unclean     bool        // the predecessor did not close cleanly
	Epochs      int         // not settled, this one not counted
	Batches     [2]Count    // telemetry, critical
	Corrupt     uint64      // stored batches that could not be read
	Pages       int         // pages whose batches were known without reading them
	Scanned     uint64      // records that were read
	Faults      int         // small state that could not be read: epochs, gaps, tables, cursors
}

// Open finds what earlier openings left and begins a new epoch, which is durable when Open returns. It fails if the critical
// store cannot record that; nothing else that it finds is an error.
func Open(o Options) (*Spool, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Spool{opt: o, tables: map[point.TableHash]*table{}, cursors: map[cursorKey][]byte{},
		inFlight: map[point.BatchID]right{}, inventories: map[uint64][]point.Epoch{}}
	for _, l := range []point.Lane{point.Telemetry, point.Critical} {
		s.lanes[laneAt(l)] = &lane{lane: l, cursors: map[uint64][]point.Cursor{}}
	}
	s.lane(point.Telemetry).store, s.lane(point.Critical).store = o.Telemetry, o.Critical
	found := map[point.Epoch]bool{}
	s.recovery.Faults += s.loadEpochs() + s.loadCursors() + s.loadGaps()
	for _, l := range s.lanes {
		if l.store != nil {
			s.recovery.Faults += s.loadTables(l)
			s.discover(l, found)
			s.recovery.Batches[laneAt(l.lane)] = l.stored
		}
	}
	s.sortEpochs()
	s.declareBlind()
	s.forgetSettled(found)
	for _, e := range s.epochs {
		e.witness()
	}
	if err := s.begin(); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Spool) loadEpochs() (faults int) {
	for key, b := range s.opt.Critical.States(epochPrefix) {
		e, err := decodeEpoch(key, b)
		if err != nil {
			faults++
			continue
		}
		s.epochs = append(s.epochs, e)
	}
	s.sortEpochs()
	return faults
}

func (s *Spool) loadCursors() (faults int) {
	for key, b := range s.opt.Critical.States(cursorPrefix) {
		d, n, _ := strings.Cut(key[len(cursorPrefix):], "/")
		device, err1 := point.ParseID(d)
		name, err2 := point.ParseName(n)
		if errors.Join(err1, err2) != nil {
			faults++
			continue
		}
		s.cursors[cursorKey{device, name}] = append([]byte(nil), b...)
	}
	return faults
}

// discover takes in every batch that a store still holds: those of pages as they are, the others by reading them. It notes of which epochs
// there was any.
func (s *Spool) discover(l *lane, found map[point.Epoch]bool) {
	first, next := l.store.Bounds()
	unreleased := interval.FromIntervals(l.store.Unreleased(first, next)...)
	known, faults := s.loadPages(l, &unreleased, func(ep *epoch) { found[ep.id] = true })
	s.recovery.Faults += faults
	s.recovery.Pages += l.pages
	indexed := l.pages
	for iv := range known.All() {
		unreleased.Remove(iv)
	}
	for iv := range unreleased.All() {
		s.scan(l, iv, found)
	}
	s.fold(l)
	l.urgent = l.pages > indexed // the next opening need not read them
}

// scan reads the records of iv.
func (s *Spool) scan(l *lane, iv interval.Interval, found map[point.Epoch]bool) {
	for rec, err := range l.store.Scan(iv.From) {
		if rec.Offset >= iv.To {
			return
		}
		if err != nil {
			s.scanFault(l, iv, err)
			continue
		}
		s.recovery.Scanned++
		h, err := wire.Verify(rec.Bytes, s.opt.Limits)
		if err != nil || h.Lane != l.lane {
			s.corrupt(l, rec)
			continue
		}
		ep := s.adopt(h.Epoch)
		hold := &ep.hold[laneAt(l.lane)]
		found[ep.id] = true
		if ep.settled || hold.held.Has(h.Seq) || h.Seq+1 == 0 {
			// Released before, or stored twice: a failed write that had arrived was tried again.
			l.release.AddOne(rec.Offset)
			continue
		}
		e := hold.put(h.Seq, entry{offset: rec.Offset, first: h.First, last: h.Last, size: uint32(len(rec.Bytes)),
			count: h.Count, table: s.name(h.Table), state: waiting, stored: true})
		e.table.refs++
		l.stored.add(e)
		hold.take(one(h.Seq))
		s.place(l, ep, h.Seq, e)
	}
}

// scanFault notes records of iv that cannot be read.
func (s *Spool) scanFault(l *lane, iv interval.Interval, err error) {
	var c *segment.CorruptError
	if !errors.As(err, &c) || min(c.To, iv.To) < c.From {
		s.recovery.Corrupt++
		s.stats.Corrupt++
		return
	}
	bad := interval.Interval{From: c.From, To: min(c.To, iv.To)}
	s.recovery.Corrupt += bad.Len()
	s.stats.Corrupt += bad.Len()
	l.release.Add(bad)
	l.blind.Add(bad)
}

// corrupt declares a record that is no batch any more, as far as its header still says which one it was.
func (s *Spool) corrupt(l *lane, rec Record) {
	s.recovery.Corrupt++
	s.stats.Corrupt++
	l.release.AddOne(rec.Offset)
	h, err := wire.ParseHeader(rec.Bytes)
	if err != nil || h.Lane != l.lane || h.Seq+1 == 0 {
		l.blind.AddOne(rec.Offset)
		return
	}
	if ep := s.epochOf(h.Epoch); ep == nil {
		l.blind.AddOne(rec.Offset)
	} else { // 128 matching bits are no accident
		s.gaps.add(point.Gap{Epoch: ep.id, Lane: h.Lane, From: h.Seq, To: h.Seq + 1, First: h.First, Last: h.Last,
			Boot: ep.at.Boot, Count: uint64(h.Count), Reason: point.GapCorrupt})
	}
}

// adopt returns the epoch of that id. One without a record was settled, or its record was lost: its batches are offered
// again, which does no harm.
func (s *Spool) adopt(id point.Epoch) *epoch {
	if ep := s.epochOf(id); ep != nil {
		return ep
	}
	ep := &epoch{id: id}
	s.epochs = append([]*epoch{ep}, s.epochs...)
	return ep
}

// begin draws the new epoch and makes it durable, together with the gaps that opening found.
func (s *Spool) begin() error {
	ep := &epoch{id: s.opt.Draw(), open: true, at: s.opt.Map, order: 1}
	if ep.id.IsZero() || s.epochOf(ep.id) != nil {
		return fmt.Errorf("opening the spool: the drawn epoch %s is zero or was used before", ep.id)
	}
	if n := len(s.epochs); n > 0 {
		last := s.epochs[n-1]
		ep.predecessor, ep.order = last.id, last.order+1
		if !last.clean {
			s.recovery.Unclean = true
			s.openGaps(last)
		}
	}
	s.number = firstNumber(ep.id)
	s.recovery.Epochs = len(s.epochs)
	s.recovery.Epoch, s.recovery.Predecessor = ep.id, ep.predecessor
	s.epochs, s.open = append(s.epochs, ep), ep
	crit := s.lane(point.Critical)
	s.saveGaps(crit)
	crit.put(ep.key(), ep.encode())
	if _, err := s.opt.Critical.Append(Tx{Set: maps.Clone(crit.state)}); err != nil {
		return fmt.Errorf("opening the spool: recording epoch %s: %w", ep.id, err)
	}
	if _, err := s.opt.Critical.Sync(); err != nil {
		return fmt.Errorf("opening the spool: recording epoch %s: %w", ep.id, err)
	}
	crit.state = nil
	return nil
}

// openGaps declares what a power cut or kill may have cost: every seq that the cloud does not hold and that is not pending
// here. Telemetry may be missing anywhere, a critical batch only behind the last stored one.
func (s *Spool) openGaps(ep *epoch) {
	for _, l := range []point.Lane{point.Critical, point.Telemetry} {
		hold := &ep.hold[laneAt(l)]
		g := point.Gap{Epoch: ep.id, Lane: l, Boot: ep.at.Boot, First: ep.at.From, Reason: point.GapPowerCut}
		if l == point.Critical {
			g.From = hold.next
			if iv, ok := hold.held.Last(); ok {
				_, last := hold.span(one(iv.To - 1))
				g.First = max(g.First, last)
			}
		}
		s.gaps.add(g)
	}
}

// CloseClean stores everything that is in RAM and marks the epoch as closed cleanly. It blocks on the disks. No job may be out. After an
// error the next opening finds the epoch unclean, with all that was synced. The stores stay open.
func (s *Spool) CloseClean(now int64) error {
	if s.closed {
		return nil
	}
	s.closing = true
	s.ReturnGaps()
	tele, crit := s.lane(point.Telemetry), s.lane(point.Critical)
	tele.retryAt, crit.retryAt = 0, 0
	teleErr := s.drain(now, tele)
	for _, l := range []*lane{tele, crit} {
		s.fold(l)
		l.urgent = l.urgent || len(l.state) > 0 // the next opening need not read what pages hold, nor sweep
	}
	teleErr = errors.Join(teleErr, s.drain(now, tele))
	why := point.GapDropped
	if teleErr != nil && !isFull(teleErr) {
		why = point.GapDiskFailed
	}
	hold := &s.open.hold[laneAt(point.Telemetry)]
	s.FailAll()
	for seq, e := oldestIdle(hold); e != nil; seq, e = oldestIdle(hold) {
		s.countDrop(e)
		s.drop(s.open, tele, seq, e, why)
	}
	err := errors.Join(teleErr, s.drain(now, crit))
	if !s.closed {
		return fmt.Errorf("closing the spool: %w", errors.Join(err, errUnclean))
	}
	return errors.Join(err, s.drain(now, tele)) // what the last gaps released
}

var errUnclean = errors.New("the epoch stays unclean")

// drain runs a lane's jobs until none is left or one fails.
func (s *Spool) drain(now int64, l *lane) error {
	for {
		j := s.Next(now, l.lane)
		if j == nil {
			return nil
		}
		j.Run()
		if fx := s.Finish(now, j); fx.Err != nil {
			return fx.Err
		}
	}
}
