package venue_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/courtside-edge/courtside/cloud/log"
	. "github.com/courtside-edge/courtside/cloud/venue"
	"github.com/courtside-edge/courtside/cloud/venue/venuetest"
	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// sender is a gateway that keeps its word: what it lets go is acknowledged, or declared.
type sender struct {
	t          *rapid.T
	r          *venuetest.Rig
	epochs     []*sentEpoch // the last is open
	undeclared []point.Gap
	number     uint64
	given      map[point.BatchID]bool // every number that was ever given and published
	held       map[point.BatchID]bool // by the cloud
	mono       int64
}

type sentEpoch struct {
	id, predecessor point.Epoch
	clean, settled  bool
	next            [2]uint64
	frames          [2]map[uint64][]byte // held by the gateway
}

func newSender(t *rapid.T, r *venuetest.Rig) *sender {
	s := &sender{t: t, r: r, given: map[point.BatchID]bool{}, held: map[point.BatchID]bool{}, mono: at(10 * time.Minute)}
	s.open()
	return s
}

func (s *sender) open() {
	e := &sentEpoch{id: point.Epoch{byte(len(s.epochs) + 1)}, frames: [2]map[uint64][]byte{{}, {}}}
	if n := len(s.epochs); n > 0 {
		e.predecessor = s.epochs[n-1].id
	}
	s.epochs = append(s.epochs, e)
}

func (s *sender) last() *sentEpoch { return s.epochs[len(s.epochs)-1] }

// batch makes a batch; a critical one carries every gap that waits.
func (s *sender) batch(lane point.Lane) {
	e := s.last()
	s.mono += at(time.Second)
	b := wire.Batch{Samples: []point.Sample{{Index: 2, Time: s.mono, Bits: 1}}}
	if lane == point.Critical {
		b.Samples[0] = point.Sample{Index: 3, Time: s.mono, Bits: e.next[1]}
		b.Runs = []point.CounterRun{{Index: 3, Run: 9, Bits: 16, Reason: point.RunFirst, Start: 1}}
		b.Gaps, s.undeclared = s.undeclared, nil
	}
	id := point.BatchID{Epoch: e.id, Lane: lane, Seq: e.next[lane-1]}
	e.next[lane-1]++
	s.given[id] = true
	e.frames[lane-1][id.Seq] = s.r.Frame(id, b)
}

// some returns a batch that the gateway holds, false when it holds none.
func (s *sender) some(lanes ...point.Lane) (*sentEpoch, point.BatchID, bool) {
	type place struct {
		e  *sentEpoch
		id point.BatchID
	}
	var all []place
	for _, e := range s.epochs {
		for _, l := range lanes {
			for seq := range e.frames[l-1] {
				all = append(all, place{e, point.BatchID{Epoch: e.id, Lane: l, Seq: seq}})
			}
		}
	}
	if len(all) == 0 {
		return nil, point.BatchID{}, false
	}
	slices.SortFunc(all, func(a, b place) int {
		return int(a.id.Epoch[0])<<20 + int(a.id.Lane)<<16 + int(a.id.Seq) - int(b.id.Epoch[0])<<20 - int(b.id.Lane)<<16 - int(b.id.Seq)
	})
	p := all[rapid.IntRange(0, len(all)-1).Draw(s.t, "which")]
	return p.e, p.id, true
}

// send delivers a batch; the gateway lets it go if the ack comes.
func (s *sender) send() {
	if e, id, ok := s.some(point.Telemetry, point.Critical); ok {
		s.r.Deliver(log.Batch, e.frames[id.Lane-1][id.Seq])
		s.held[id] = true
		if rapid.IntRange(0, 3).Draw(s.t, "ack") > 0 {
			delete(e.frames[id.Lane-1], id.Seq)
		}
	}
}

// drop gives up a telemetry batch, which may have arrived all the same.
func (s *sender) drop() {
	if e, id, ok := s.some(point.Telemetry); ok {
		delete(e.frames[id.Lane-1], id.Seq)
		s.undeclared = append(s.undeclared, point.Gap{Epoch: e.id, Lane: id.Lane, From: id.Seq, To: id.Seq + 1, Boot: clock.BootID{1},
			First: s.mono - 1, Last: s.mono, Count: 1, Reason: point.GapDropped})
	}
}

// restart closes the epoch and begins another. Without a clean end the telemetry that was in RAM only is lost, with the gaps of this epoch
// that no batch carried.
func (s *sender) restart(clean bool) {
	e := s.last()
	e.clean = clean
	if !clean {
		for _, seq := range slices.Sorted(mapKeys(e.frames[0])) {
			if rapid.Bool().Draw(s.t, "only in RAM") {
				delete(e.frames[0], seq)
			}
		}
		for l := range e.next {
			e.next[l] = 0
			for seq := range e.frames[l] {
				e.next[l] = max(e.next[l], seq+1)
			}
		}
		s.undeclared = slices.DeleteFunc(s.undeclared, func(g point.Gap) bool { return g.Epoch == e.id })
		for l := range e.next {
			g := point.Gap{Epoch: e.id, Lane: point.Lane(l + 1), Boot: clock.BootID{1}, Reason: point.GapPowerCut}
			if g.Lane == point.Critical {
				g.From = e.next[l]
			}
			s.undeclared = append(s.undeclared, g)
		}
	}
	s.open()
}

func mapKeys(m map[uint64][]byte) func(func(uint64) bool) {
	return func(yield func(uint64) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// tell sends an inventory. What it shows as closed and empty is settled by the answer.
func (s *sender) tell() {
	s.number++
	inv := wire.Inventory{Number: s.number, Session: "s", Gaps: s.undeclared}
	for i, e := range s.epochs {
		open := i == len(s.epochs)-1
		if e.settled && !open {
			continue
		}
		ei := wire.EpochInventory{Epoch: e.id, Predecessor: e.predecessor, Clean: e.clean, Open: open, Map: s.r.TimeMap()}
		for l := range e.frames {
			li := wire.LaneInventory{Lane: point.Lane(l + 1), Next: e.next[l]}
			for _, seq := range slices.Sorted(mapKeys(e.frames[l])) {
				if n := len(li.Pending); n > 0 && li.Pending[n-1].To == seq {
					li.Pending[n-1].To++
				} else {
					li.Pending = append(li.Pending, wire.PendingRange{From: seq, To: seq + 1})
				}
			}
			ei.Lanes = append(ei.Lanes, li)
		}
		inv.Epochs = append(inv.Epochs, ei)
		e.settled = !open && len(e.frames[0])+len(e.frames[1]) == 0
	}
	s.r.Deliver(log.Inventory, wire.EncodeInventory(inv))
}

// step does something that a gateway does.
func (s *sender) step() {
	switch rapid.SampledFrom([]string{"telemetry", "telemetry", "critical", "send", "send", "send", "drop", "inventory", "inventory", "clean", "cut"}).Draw(s.t, "step") {
	case "telemetry":
		s.batch(point.Telemetry)
	case "critical":
		s.batch(point.Critical)
	case "send":
		s.send()
	case "drop":
		s.drop()
	case "inventory":
		s.tell()
	case "clean":
		s.restart(true)
	case "cut":
		s.restart(false)
	}
	s.r.Now = s.r.Now.Add(time.Duration(rapid.IntRange(0, 40).Draw(s.t, "seconds")) * time.Second)
	s.r.V.Tick()
}

// finish delivers everything that is held, and says so.
func (s *sender) finish() {
	s.batch(point.Critical) // carries what was not declared
	for _, e := range s.epochs {
		for l := range e.frames {
			for seq, f := range e.frames[l] {
				s.r.Deliver(log.Batch, f)
				s.held[point.BatchID{Epoch: e.id, Lane: point.Lane(l + 1), Seq: seq}] = true
				delete(e.frames[l], seq)
			}
		}
	}
	s.tell()
	s.tell() // the answer to the first settled what it could
	s.r.V.Tick()
}

// gapOf returns the gap that covers a batch, nil for none.
func gapOf(gaps []GapView, id point.BatchID) *GapView {
	for i := range gaps {
		g := &gaps[i]
		if g.Epoch == id.Epoch.String() && g.Lane == id.Lane.String() && g.From <= id.Seq && (g.To == 0 || id.Seq < g.To) {
			return g
		}
	}
	return nil
}

// TestI10EachSeqIsDurablePendingOrInAGap: whatever a gateway does that keeps its word, in the end every batch it gave a number to is
// here or in a gap, never both, and at no time there is an alarm.
func TestI10EachSeqIsDurablePendingOrInAGap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := venuetest.New(t)
		r.DeliverTable()
		s := newSender(t, r)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			s.step()
			if n := r.V.Counts().Unaccounted; n != 0 {
				t.Fatalf("an alarm for %d batches of a gateway that declared everything: %+v", n, r.V.Gaps().Gaps)
			}
		}
		s.finish()
		gaps := r.V.Gaps()
		for id := range s.given {
			if g := gapOf(gaps.Gaps, id); s.held[id] == (g != nil) {
				t.Fatalf("%v is here: %v, in a gap: %+v", id, s.held[id], g)
			}
		}
		if c := gaps.Completeness; c.Unaccounted != 0 || c.PendingBatches != 0 || len(gaps.Pending) != 0 {
			t.Fatalf("completeness %+v, pending %+v", c, gaps.Pending)
		}
		if n := r.V.Counts().Unaccounted; n != 0 {
			t.Fatalf("an alarm for %d batches", n)
		}
	})
}

// TestI10OldBackup: an aggregator that was restored from an old copy of its log asks for what gateways still hold and names the
// rest, batch by batch, as unaccounted for.
func TestI10OldBackup(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := venuetest.New(t)
		r.DeliverTable()
		s := newSender(t, r)
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			s.step()
		}
		backup := rapid.IntRange(len(r.Parts()), len(r.Records)).Draw(t, "backup")
		r.Records = r.Records[:backup]
		r.Restart(nil)
		s.held = map[point.BatchID]bool{}
		known := map[point.Epoch]bool{}
		for _, rec := range r.Records {
			if h, err := wire.ParseHeader(rec.Payload); rec.Kind == log.Batch && err == nil {
				s.held[h.ID()], known[h.Epoch] = true, true
			}
			if inv, err := wire.DecodeInventory(rec.Payload); rec.Kind == log.Inventory && err == nil {
				for _, e := range inv.Epochs {
					known[e.Epoch] = true
				}
			}
		}
		for _, e := range s.epochs {
			known[e.id] = known[e.id] || !e.settled
		}
		for range rapid.IntRange(0, 20).Draw(t, "steps after") {
			s.step()
		}
		s.finish()
		gaps := r.V.Gaps().Gaps
		missing := uint64(0)
		for id := range s.given {
			g := gapOf(gaps, id)
			if s.held[id] && g != nil || !s.held[id] && g == nil && known[id.Epoch] {
				t.Fatalf("%v is here: %v, in a gap: %+v; known epochs %v; all %+v", id, s.held[id], g, known, gaps)
			}
			if g != nil && g.Reason == point.GapUnaccounted.String() {
				missing++
				if !g.Alarm {
					t.Fatalf("no alarm for %v: %+v", id, g)
				}
			}
		}
		if missing > 0 && r.V.Counts().Unaccounted == 0 {
			t.Fatalf("%d batches are unaccounted for without an alarm", missing)
		}
	})
}
