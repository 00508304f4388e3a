package spool

import (
	"errors"
	"fmt"
	"time"

	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/segment"
	"github.com/courtside-edge/courtside/sync/wire"
)

// right is a batch's place in the order of right.
type right uint8

const (
	liveCritical right = iota
	liveTelemetry
	backlogCritical
	backlogTelemetry
	rights
	nobody = rights
)

// Grant says what Take may hand out.
type Grant struct {
	Window   int64 // bytes in flight, this batch not counted, below which one more may go; a lone batch always may
	Backlog  int64 // bytes of both backlogs in flight below which one more may go; 0 for three quarters of Window. A quarter of Window is the critical backlog's always
	LiveOnly bool  // no backlog: the gateway stops, or the replay credit is used up for both lanes
	NoReplay bool  // no telemetry backlog: the replay credit is used up
}

// Taken is a batch handed out. It comes to an end by Commit and Ack, by Fail, by Refuse or by Lost; FailAll ends all.
type Taken struct {
	ID      point.BatchID
	Channel wire.Channel // what to publish it on
	Table   point.TableHash
	Size    int           // of the frame; an average's before Load of one that must be read
	Backlog bool          // it was not a live one
	Waited  time.Duration // since its Append; 0 for what an earlier opening left
	Frame   []byte        // sealed; nil when it must be read from the store first, see Load

	store       Store
	offset      uint64
	limits      wire.Limits
	count       uint32
	first, last int64
}

// Load reads the frame from the store if it is not at hand. It blocks on the disk and touches nothing of the
// spool. Afterwards the batch goes to Loaded; after an error that is Unreadable to Lost, after another to Fail.
func (t *Taken) Load() error {
	if t.Frame != nil {
		return nil
	}
	frame, err := t.store.Get(t.offset)
	if err != nil {
		return fmt.Errorf("reading batch %s from the store: %w", t.ID, err)
	}
	h, err := wire.Verify(frame, t.limits)
	if err != nil {
		return fmt.Errorf("reading batch %s from the store: %w", t.ID, err)
	}
	if h.ID() != t.ID {
		return fmt.Errorf("reading batch %s from the store: %w %s", t.ID, errOther, h.ID())
	}
	t.Frame, t.Size, t.count, t.first, t.last = frame, len(frame), h.Count, h.First, h.Last
	return nil
}

var errOther = errors.New("the record holds batch")

// Unreadable reports whether an error of Load says that the batch is lost for good; another may pass.
func Unreadable(err error) bool {
	for _, kind := range []error{segment.ErrCorrupt, segment.ErrReleased, segment.ErrNotFound, errOther} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return err != nil && wire.Reason(err) != "other"
}

// Take hands out the next batch in the order of right: live critical, live telemetry, backlog critical (oldest
// first, always a quarter of the window), backlog telemetry (newest first; both backlogs together leave a quarter to the
// live). A batch is live until it has waited for SpillAfter, is stored (telemetry), or failed.
func (s *Spool) Take(now int64, g Grant) (Taken, bool) {
	s.age(now)
	class := s.choose(g)
	var ep *epoch
	var seq uint64
	switch class {
	case liveCritical, liveTelemetry:
		ep = s.open
		first, _ := ep.hold[laneAt(class.lane())].live.First()
		seq = first.From
	case backlogCritical:
		ep, seq, _ = s.oldestBacklog()
	case backlogTelemetry:
		ep, seq, _ = s.newestBacklog()
	default:
		return Taken{}, false
	}
	if class == backlogCritical {
		s.turn = 0
	} else {
		s.turn++
	}
	return s.handOut(now, ep, seq, class), true
}

func (r right) lane() point.Lane {
	if r == liveCritical || r == backlogCritical {
		return point.Critical
	}
	return point.Telemetry
}

// choose applies the order of right to what waits and what is in flight.
func (s *Spool) choose(g Grant) right {
	total := int64(0)
	for _, c := range s.flying {
		total += c.Bytes
	}
	if total >= g.Window && total > 0 {
		return nobody
	}
	_, _, old := s.oldestBacklog()
	old = old && !g.LiveOnly
	others := total - s.flying[backlogCritical].Bytes
	room := g.Window
	if old {
		room -= g.Window / 4
		// A window of a few batches is shared by turns.
		if s.flying[backlogCritical].Batches == 0 && (s.turn >= 3 || others > 0 && others >= room) {
			return backlogCritical
		}
	}
	backlogs := s.flying[backlogCritical].Bytes + s.flying[backlogTelemetry].Bytes
	most := g.Window - g.Window/4
	if g.Backlog > 0 {
		most = min(most, g.Backlog)
	}
	backlogRoom := backlogs == 0 || backlogs < most
	switch {
	case s.open.hold[laneAt(point.Critical)].live.Len() > 0 && (others < room || others == 0):
		return liveCritical
	case s.open.hold[laneAt(point.Telemetry)].live.Len() > 0 && (others < room || others == 0):
		return liveTelemetry
	case old && (backlogRoom || s.flying[backlogCritical].Bytes < g.Window/4):
		return backlogCritical
	case g.LiveOnly || g.NoReplay || !backlogRoom || others >= room && others > 0:
		return nobody
	}
	if _, _, ok := s.newestBacklog(); ok {
		return backlogTelemetry
	}
	return nobody
}

// age moves what has waited too long from the live ones to the backlog.
func (s *Spool) age(now int64) {
	for at := range s.open.hold {
		hold := &s.open.hold[at]
		for {
			first, ok := hold.live.First()
			if !ok || now-hold.get(first.From).at < int64(s.opt.SpillAfter) {
				break
			}
			s.toBacklog(hold, first.From, hold.get(first.From))
		}
	}
}

// toBacklog queues a batch that is nobody's as backlog, and keeps no frame of it that the store has. Its entry may be gone afterwards.
func (s *Spool) toBacklog(hold *holding, seq uint64, e *entry) {
	hold.live.Remove(one(seq))
	hold.backlog.AddOne(seq)
	e.state = waiting
	if e.stored {
		e.frame = nil
		s.cool(hold, seq, e)
	}
}

func (s *Spool) oldestBacklog() (*epoch, uint64, bool) {
	for _, ep := range s.epochs {
		if iv, ok := ep.hold[laneAt(point.Critical)].backlog.First(); ok {
			return ep, iv.From, true
		}
	}
	return nil, 0, false
}

func (s *Spool) newestBacklog() (*epoch, uint64, bool) {
	for i := len(s.epochs) - 1; i >= 0; i-- {
		if iv, ok := s.epochs[i].hold[laneAt(point.Telemetry)].backlog.Last(); ok {
			return s.epochs[i], iv.To - 1, true
		}
	}
	return nil, 0, false
}

func (s *Spool) handOut(now int64, ep *epoch, seq uint64, class right) Taken {
	l := s.lane(class.lane())
	hold := &ep.hold[laneAt(l.lane)]
	e := s.touch(hold, seq)
	s.unqueue(hold, seq)
	id := point.BatchID{Epoch: ep.id, Lane: l.lane, Seq: seq}
	t := Taken{ID: id, Channel: class.channel(), Table: e.table.hash, Size: int(e.size), Backlog: class >= backlogCritical,
		Frame: e.frame, store: l.store, offset: e.offset, limits: s.opt.Limits}
	if e.at != 0 {
		t.Waited = time.Duration(max(0, now-e.at))
	}
	e.state = taken
	hold.offered.AddOne(seq)
	if e.stored {
		e.frame = nil // the taker has it
	}
	s.inFlight[id] = class
	s.flying[class].add(e)
	return t
}

func (r right) channel() wire.Channel {
	switch r {
	case liveCritical, backlogCritical:
		return wire.Critical
	case liveTelemetry:
		return wire.Live
	}
	return wire.Replay
}

// Commit notes that the broker took a batch. It stays in flight until the cloud acknowledges it.
func (s *Spool) Commit(id point.BatchID) {
	if _, _, e := s.find(id); e != nil && e.state == taken {
		e.state = sent
	}
}

// Fail returns a batch that was taken to the backlog. Whether it arrived is unknown.
func (s *Spool) Fail(id point.BatchID) {
	ep, _, e := s.find(id)
	if e == nil || e.state != taken && e.state != sent {
		return
	}
	s.land(id, e)
	s.toBacklog(&ep.hold[laneAt(id.Lane)], id.Seq, e)
}

// FailAll returns everything in flight to the backlog: the link is gone.
func (s *Spool) FailAll() {
	for id := range s.inFlight {
		s.Fail(id)
	}
}

// Lost says that a taken batch could not be read back from the store. It drops with a gap.
func (s *Spool) Lost(id point.BatchID) {
	ep, l, e := s.find(id)
	if e == nil {
		return
	}
	s.stats.Corrupt++
	if e.vague {
		e.count = 0 // unknown
	}
	s.drop(ep, l, id.Seq, e, point.GapCorrupt)
}

// InFlight returns how many batches are taken or sent.
func (s *Spool) InFlight() int { return len(s.inFlight) }
