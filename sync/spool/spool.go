package spool

import (
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// Spool is the state machine. It is not safe for concurrent use.
type Spool struct {
	opt    Options
	lanes  [2]*lane // at laneAt
	epochs []*epoch // ascending by order; the last is open
	open   *epoch

	tables  map[point.TableHash]*table
	current *table
	former  *table // in use before current

	cursors map[cursorKey][]byte // durable ones
	gaps    gapList

	inFlight map[point.BatchID]right
	flying   [rights]Count
	turn     int // takes since one of the critical backlog, while it waits

	number      uint64 // of the newest inventory
	inventories map[uint64][]point.Epoch

	stats    Stats
	recovery Recovery
	short    bool // what Short said last
	refusing bool // the last critical batch was not taken
	closing  bool
	closed   bool
}

// laneAt is where a lane stands in arrays.
func laneAt(l point.Lane) int { return int(l - point.Telemetry) }

func (s *Spool) lane(l point.Lane) *lane { return s.lanes[laneAt(l)] }

type cursorKey struct {
	device point.ID
	name   point.Name
}

// Epoch returns the epoch of this opening.
func (s *Spool) Epoch() point.Epoch { return s.open.id }

// Recovery returns what opening found.
func (s *Spool) Recovery() Recovery { return s.recovery }

// Cursor returns the durable cursor of a device's point. The bytes must not be changed.
func (s *Spool) Cursor(device point.ID, name point.Name) ([]byte, bool) {
	b, ok := s.cursors[cursorKey{device, name}]
	return b, ok
}

// Append numbers an unsealed frame, seals it and holds it; the frame belongs to the spool from here on. cursors
// commit with it (critical lane only). carriesGaps says that it holds what Gaps returned.
//
// A critical frame is refused with ErrBacklogged while the lane can take on no more; the frame is untouched then
// and still the caller's. A telemetry frame is never refused while the spool is open: when RAM is full the oldest batch drops.
func (s *Spool) Append(now int64, frame []byte, cursors []point.Cursor, carriesGaps bool) (point.BatchID, error) {
	if s.closing {
		return point.BatchID{}, ErrClosed
	}
	h, err := wire.ParseHeader(frame)
	if err != nil {
		return point.BatchID{}, err
	}
	l := s.lane(h.Lane)
	size := int64(len(frame))
	if h.Lane == point.Critical && (l.ram.Bytes+size > s.opt.Window && l.ram.Batches > 0 || l.stored.Bytes+size > s.opt.CriticalLimit) {
		s.stats.Backlogged++
		s.refusing = true
		return point.BatchID{}, ErrBacklogged
	}
	if h.Count > 0 {
		s.open.seen = max(s.open.seen, h.Last)
	}
	hold := &s.open.hold[laneAt(h.Lane)]
	seq := hold.next
	hold.next++
	wire.Seal(frame, s.open.id, seq)
	e := hold.put(seq, entry{frame: frame, first: h.First, last: h.Last, at: now, size: uint32(len(frame)), count: h.Count,
		table: s.name(h.Table), state: waiting, carriesGaps: carriesGaps})
	e.table.refs++
	hold.held.AddOne(seq)
	hold.unstored.AddOne(seq)
	l.ram.add(e)
	id := point.BatchID{Epoch: s.open.id, Lane: h.Lane, Seq: seq}
	if h.Lane == point.Critical {
		s.refusing = false
		if len(cursors) > 0 {
			l.cursors[seq] = cursors
		}
		if carriesGaps {
			s.gaps.ride(seq)
		}
		return id, nil
	}
	hold.live.AddOne(seq)
	s.dropToWindow()
	return id, nil
}

// remove lets go of a held batch, wherever it stands.
func (s *Spool) remove(ep *epoch, l *lane, seq uint64, e *entry) {
	s.outlive(ep)
	hold := &ep.hold[laneAt(l.lane)]
	s.land(point.BatchID{Epoch: ep.id, Lane: l.lane, Seq: seq}, e)
	s.unqueue(hold, seq)
	hold.held.Remove(one(seq))
	hold.unstored.Remove(one(seq))
	if e.stored {
		l.stored.sub(e)
	} else {
		l.ram.sub(e)
	}
	if e.state == refused {
		l.refused.sub(e)
	}
	if l.lane == point.Critical && ep.open && s.gaps.carrier == seq {
		s.gaps.carried = false
	}
	e.table.refs--
	if hold.offered.Remove(one(seq)); e.stored {
		s.leave(l, hold, seq)
	}
	hold.delete(seq)
}

func (s *Spool) unqueue(hold *holding, seq uint64) {
	hold.live.Remove(one(seq))
	hold.backlog.Remove(one(seq))
}

// land takes a batch out of flight, if it is there.
func (s *Spool) land(id point.BatchID, e *entry) {
	if class, ok := s.inFlight[id]; ok {
		delete(s.inFlight, id)
		s.flying[class].sub(e)
	}
}

func (s *Spool) find(id point.BatchID) (*epoch, *lane, *entry) {
	if !id.Lane.Valid() {
		return nil, nil, nil
	}
	ep := s.epochOf(id.Epoch)
	if ep == nil {
		return nil, nil, nil
	}
	return ep, s.lane(id.Lane), ep.hold[laneAt(id.Lane)].get(id.Seq)
}
