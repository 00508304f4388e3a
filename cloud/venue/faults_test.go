package venue_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/cloud/log"
	. "github.com/courtside-edge/courtside/cloud/venue"
	"github.com/courtside-edge/courtside/cloud/venue/venuetest"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// oneSeat is a batch that says of the third seat whether somebody sits there.
func oneSeat(r *venuetest.Rig, id point.BatchID, minute time.Duration, taken uint64) []byte {
	return r.Frame(id, wire.Batch{Samples: []point.Sample{{Index: 2, Time: at(minute * time.Minute), Bits: taken}}})
}

// inventoryOf says of the open epoch 7 how far its telemetry went and what is still held.
func inventoryOf(r *venuetest.Rig, number, next uint64, pending ...wire.PendingRange) []byte {
	return wire.EncodeInventory(wire.Inventory{Number: number, Session: "s", Epochs: []wire.EpochInventory{{Epoch: point.Epoch{7}, Open: true, Map: r.TimeMap(),
		Lanes: []wire.LaneInventory{{Lane: point.Telemetry, Next: next, Pending: pending}}}}})
}

// badBody returns a frame whose header and checksum are right and whose content is none of the table's.
func badBody(t *testing.T, r *venuetest.Rig, id point.BatchID) []byte {
	t.Helper()
	other := venuetest.Table()[6:7]
	enc, err := wire.NewEncoder(wire.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	b := wire.Batch{Venue: "dal-009", Gateway: venuetest.Gateway, Table: r.Hash, Map: r.TimeMap(), Samples: []point.Sample{{Index: 0, Time: 1, Bits: 1 << 40}}}
	f, err := enc.Encode(nil, id.Lane, other, &b)
	if err != nil {
		t.Fatal(err)
	}
	wire.Seal(f, id.Epoch, id.Seq)
	return f
}

func TestGoodHeaderAndBadBody(t *testing.T) {
	r := venuetest.New(t)
	r.DeliverTable()
	r.Deliver(log.Batch, oneSeat(r, telemetry(0), 40, 1))
	bad := badBody(t, r, telemetry(1))
	r.Deliver(log.Batch, bad)
	r.Deliver(log.Batch, bad) // delivered twice
	r.Deliver(log.Batch, oneSeat(r, telemetry(2), 42, 0))
	if _, seats := r.V.Seats(); seats[2].State != Free {
		t.Errorf("what came behind it did not count: %v", seats[2].State)
	}
	if list := r.V.SetAside(); len(list) != 1 {
		t.Errorf("set aside: %+v, want it once", list)
	}
	r.Deliver(log.Inventory, inventoryOf(r, 1, 3))
	if g := r.V.Gaps(); len(g.Gaps) != 0 || g.Completeness.SetAside != 1 {
		t.Errorf("what is in the log is in a gap: %+v", g)
	}
	// Whoever numbered it sends it once more, whole: no order of arrival changes the state.
	r.Deliver(log.Batch, oneSeat(r, telemetry(1), 43, 1))
	if _, seats := r.V.Seats(); seats[2].State != Occupied {
		t.Errorf("the whole one did not count: %v", seats[2].State)
	}
}

// TestSpaceForFramesSetAsideIsFull: the oldest are given up, and what is given up is a gap with an alarm.
func TestSpaceForFramesSetAsideIsFull(t *testing.T) {
	r := venuetest.New(t)
	r.DeliverTable()
	const more = 3
	for seq := range uint64(1000 + more) {
		r.Deliver(log.Batch, badBody(t, r, telemetry(seq)))
	}
	r.Deliver(log.Batch, oneSeat(r, telemetry(1000+more), 50, 1))
	r.Deliver(log.Inventory, inventoryOf(r, 1, 1001+more))
	if _, seats := r.V.Seats(); seats[2].State != Occupied {
		t.Errorf("the rest did not go on: %v", seats[2].State)
	}
	g := r.V.Gaps()
	if n := len(r.V.SetAside()); n != 1000 || r.V.Counts().Forgotten != more {
		t.Errorf("%d are set aside, %d given up", n, r.V.Counts().Forgotten)
	}
	if len(g.Gaps) != 1 || g.Gaps[0].From != 0 || g.Gaps[0].To != more || !g.Gaps[0].Alarm || g.Gaps[0].Reason != "unaccounted" || g.Completeness.Unaccounted != more {
		t.Errorf("gaps %+v", g.Gaps)
	}
}

// TestAnotherGatewaysNumbers: epochs and seqs belong to a gateway; nobody can use another's up.
func TestAnotherGatewaysNumbers(t *testing.T) {
	r := pair(t)
	frame := func(gw point.ID, taken uint64) []byte {
		return r.FrameOf(gw, telemetry(0), wire.Batch{Samples: []point.Sample{{Index: 2, Time: at(40 * time.Minute), Bits: taken}}})
	}
	r.DeliverOf(south, log.Batch, frame(south, 0))
	r.DeliverOf(venuetest.Gateway, log.Batch, frame(venuetest.Gateway, 1))
	if _, seats := r.V.Seats(); seats[2].State != Occupied {
		t.Errorf("the seat is %v", seats[2].State)
	}
	r.DeliverOf(south, log.Batch, frame(venuetest.Gateway, 1)) // under its own topic with another's name inside
	if c := r.V.Counts(); c.Duplicates != 0 || c.Conflicts != 1 || c.Batches != 2 {
		t.Errorf("counts %+v", c)
	}
	other := r.FrameOf(venuetest.Gateway, telemetry(1), wire.Batch{Samples: []point.Sample{{Index: 2, Time: at(41 * time.Minute), Bits: 0}}})
	r.DeliverOf(south, log.Batch, other)
	if c := r.V.Counts(); c.SetAside["foreign-batch"] != 1 {
		t.Errorf("counts %+v", c)
	}
}

// TestTableThatNeverCame: a batch that was acknowledged waits, is in no gap as long as the log has it, and is one with an alarm when the log lets go.
func TestTableThatNeverCame(t *testing.T) {
	r := venuetest.New(t)
	r.Deliver(log.Batch, oneSeat(r, telemetry(0), 40, 1))
	r.Deliver(log.Inventory, inventoryOf(r, 1, 1))
	if g := r.V.Gaps(); len(g.Gaps) != 0 || g.Completeness.AwaitingTable != 1 {
		t.Errorf("while it waits: %+v", g)
	}
	if off, ok := r.V.Needed(venuetest.Origin); !ok || off != 0 {
		t.Errorf("the log is needed from %d, %v", off, ok)
	}
	r.V.Trimmed(1)
	r.Deliver(log.Inventory, inventoryOf(r, 2, 1))
	g := r.V.Gaps()
	if len(g.Gaps) != 1 || !g.Gaps[0].Alarm || g.Completeness.AwaitingTable != 0 {
		t.Errorf("when it is gone: %+v", g)
	}
	if _, ok := r.V.Needed(venuetest.Origin); ok {
		t.Error("the log is still needed")
	}
}

// TestWaitingFramesOutliveARestart: the table comes after a snapshot.
func TestWaitingFramesOutliveARestart(t *testing.T) {
	r := venuetest.New(t)
	r.Deliver(log.Batch, oneSeat(r, telemetry(0), 40, 1))
	var state bytes.Buffer
	if _, _, err := r.V.Save(&state); err != nil {
		t.Fatal(err)
	}
	r.Restart(state.Bytes())
	r.DeliverTable()
	if _, seats := r.V.Seats(); seats[2].State != Occupied {
		t.Errorf("the seat is %v", seats[2].State)
	}
}

// TestHalfATableOutlivesARestart: the other parts come after a snapshot.
func TestHalfATableOutlivesARestart(t *testing.T) {
	r := venuetest.New(t)
	parts, hash, err := wire.EncodeTable(r.Table, 300)
	if err != nil || len(parts) < 2 {
		t.Fatalf("%d parts: %v", len(parts), err)
	}
	for _, p := range parts[1:] {
		r.Deliver(log.Table, p)
	}
	var state bytes.Buffer
	if _, _, err := r.V.Save(&state); err != nil {
		t.Fatal(err)
	}
	if len(r.V.Loose()) != len(parts)-1 {
		t.Errorf("parts at %v", r.V.Loose())
	}
	r.Restart(state.Bytes())
	r.Deliver(log.Table, parts[0])
	if r.Deliver(log.Batch, oneSeat(r, telemetry(0), 40, 1)); hash != r.Hash {
		t.Fatal("another table")
	}
	if _, seats := r.V.Seats(); seats[2].State != Occupied || len(r.V.Loose()) != 0 {
		t.Errorf("the seat is %v, parts at %v", seats[2].State, r.V.Loose())
	}
}

// TestReprocessAfterAGrant: what was refused counts once its device is granted, also when it was set aside before a restart.
func TestReprocessAfterAGrant(t *testing.T) {
	r := venuetest.New(t)
	r.V = r.NewVenue(venuetest.Map(t), []point.ID{"plc-gates"})
	r.DeliverTable()
	r.Deliver(log.Batch, oneSeat(r, telemetry(0), 40, 1))
	off := r.V.SetAside()[0].Offset
	if err := r.V.Reprocess(off); err == nil || len(r.V.SetAside()) != 1 {
		t.Errorf("nothing was granted: %v, %+v", err, r.V.SetAside())
	}
	var state bytes.Buffer
	if _, _, err := r.V.Save(&state); err != nil {
		t.Fatal(err)
	}
	r.Restart(state.Bytes()) // with every device granted
	if err := r.V.Reprocess(off); err != nil {
		t.Fatal(err)
	}
	if _, seats := r.V.Seats(); seats[2].State != Occupied || len(r.V.SetAside()) != 0 {
		t.Errorf("the seat is %v, set aside %+v", seats[2].State, r.V.SetAside())
	}
	if err := r.V.Reprocess(off); !errors.Is(err, ErrNotAside) {
		t.Errorf("again: %v", err)
	}
}

// TestLimitsOfAGateway: beyond each, frames are set aside with the limit's name, and the rest goes on.
func TestLimitsOfAGateway(t *testing.T) {
	r := venuetest.New(t)
	r.DeliverTable()
	epochOf := func(n uint32) (e point.Epoch) {
		binary.LittleEndian.PutUint32(e[:], n+1)
		return e
	}
	for n := range uint32(300) {
		r.Deliver(log.Batch, oneSeat(r, point.BatchID{Epoch: epochOf(n), Lane: point.Telemetry}, 40, 1))
	}
	if n := r.V.Counts().SetAside["too-many-epochs"]; n != 300-256 {
		t.Errorf("%d frames beyond the epochs of a day", n)
	}
	r.Now = r.Now.Add(25 * time.Hour)
	before := r.V.Counts().Batches
	r.Deliver(log.Batch, oneSeat(r, point.BatchID{Epoch: epochOf(1000), Lane: point.Telemetry}, 40, 1))
	if r.V.Counts().Batches != before+1 {
		t.Error("the next day brings no new epoch")
	}
	for n := range uint64(4200) { // every second seq: each is a stretch of its own
		r.Deliver(log.Batch, oneSeat(r, point.BatchID{Epoch: epochOf(0), Lane: point.Telemetry, Seq: 2*n + 10}, 40, 1))
	}
	if n := r.V.Counts().SetAside["too-many-holes"]; n != 4200-4095 {
		t.Errorf("%d frames beyond the holes of an epoch", n)
	}
	before = r.V.Counts().Batches
	r.Deliver(log.Batch, oneSeat(r, point.BatchID{Epoch: epochOf(0), Lane: point.Telemetry, Seq: 11}, 40, 1))
	if r.V.Counts().Batches != before+1 {
		t.Error("a batch that fills a hole is refused")
	}
	tables := 0
	for n := range 1100 {
		p := slices.Clone(r.Table[:1])
		p[0].MaxSilence = time.Duration(n+1) * time.Hour
		parts, _, err := wire.EncodeTable(p, 0)
		if err != nil {
			t.Fatal(err)
		}
		r.Deliver(log.Table, parts[0])
		tables++
	}
	if n := r.V.Counts().SetAside["too-many-tables"]; n != uint64(tables-1023) {
		t.Errorf("%d tables beyond the limit", n)
	}
}

// TestSettledEpochsAreTombs: beyond the horizon an epoch that is over costs a tomb; its duplicates stay duplicates, and nothing can be added to it.
func TestSettledEpochsAreTombs(t *testing.T) {
	r := venuetest.New(t)
	r.DeliverTable()
	old := []byte(nil)
	inventory := func(number uint64, e, before point.Epoch, next uint64) {
		inv := wire.Inventory{Number: number, Session: "s", Epochs: []wire.EpochInventory{{Epoch: e, Predecessor: before, Open: true, Map: r.TimeMap()}}}
		if !before.IsZero() {
			inv.Epochs = append(inv.Epochs, wire.EpochInventory{Epoch: before, Clean: true, Map: r.TimeMap(), Lanes: []wire.LaneInventory{{Lane: point.Telemetry, Next: next}}})
		}
		r.Deliver(log.Inventory, wire.EncodeInventory(inv))
	}
	for n := range byte(40) {
		e, before := point.Epoch{n + 1}, point.Epoch{n}
		inventory(1+uint64(n), e, before, 2)
		minute := time.Duration(n)*90 + 10
		r.Now = venuetest.Origin.Add((minute + 1) * time.Minute)
		old = oneSeat(r, point.BatchID{Epoch: e, Lane: point.Telemetry}, minute, 1)
		if n == 0 {
			defer func(first []byte) {
				before := r.V.Counts()
				r.Deliver(log.Batch, first)
				r.Deliver(log.Batch, oneSeat(r, point.BatchID{Epoch: point.Epoch{1}, Lane: point.Telemetry, Seq: 7}, 12, 1))
				if c := r.V.Counts(); c.Duplicates != before.Duplicates+1 || c.SetAside["settled-epoch"] != 1 || c.Batches != before.Batches {
					t.Errorf("counts %+v, before %+v", c, before)
				}
			}(old)
		}
		r.Deliver(log.Batch, old)
		r.Deliver(log.Batch, oneSeat(r, point.BatchID{Epoch: e, Lane: point.Telemetry, Seq: 1}, minute+1, 0))
		r.V.Tick()
	}
	g := r.V.Gateways()[0]
	if g.Epochs > 25 || g.Batches != 80 || g.Gaps != 0 {
		t.Errorf("%d epochs are kept, %d batches are known, %d gaps: %+v", g.Epochs, g.Batches, g.Gaps, r.V.Gaps().Gaps)
	}
	var state bytes.Buffer
	if _, _, err := r.V.Save(&state); err != nil {
		t.Fatal(err)
	}
	r.Restart(state.Bytes())
	if again := r.V.Gateways()[0]; again.Epochs != g.Epochs || again.Batches != 80 {
		t.Errorf("after a restart %+v", again)
	}
}

// TestRedeliveryMuchLaterChangesNothing: a broker that kept everything gives it once more, an hour and a restart later: batches, their table, an
// inventory of then, which shows as pending what has come since.
func TestRedeliveryMuchLaterChangesNothing(t *testing.T) {
	r := venuetest.New(t)
	type message struct {
		kind    log.Kind
		payload []byte
	}
	passed := func(seq, total uint64) []byte {
		return r.Frame(critical(seq), wire.Batch{Samples: []point.Sample{{Index: 3, Time: at(time.Duration(40+seq) * time.Minute), Bits: total}},
			Runs: []point.CounterRun{{Index: 3, Run: 9, Bits: 16, Reason: point.RunFirst, Start: at(time.Minute)}}})
	}
	var all []message
	for _, part := range r.Parts() {
		all = append(all, message{log.Table, part})
	}
	all = append(all, message{log.Batch, oneSeat(r, telemetry(0), 40, 0)}, message{log.Inventory, inventoryOf(r, 1, 2, wire.PendingRange{From: 1, To: 2, First: 1, Last: 2})},
		message{log.Batch, passed(0, 5)}, message{log.Batch, oneSeat(r, telemetry(1), 44, 1)}, message{log.Batch, passed(1, 9)}, message{log.Inventory, inventoryOf(r, 2, 2)})
	for _, m := range all {
		r.Deliver(m.kind, m.payload)
	}
	look := func(when string) {
		t.Helper()
		_, seats := r.V.Seats()
		g := r.V.Gaps()
		if in := r.V.Gates().In; in != 9 || seats[2].State != Occupied || len(g.Gaps) != 0 || len(g.Pending) != 0 {
			t.Errorf("%s: %d people, the seat is %v, gaps %+v, pending %+v", when, in, seats[2].State, g.Gaps, g.Pending)
		}
	}
	look("once")
	before := r.V.Counts().Batches
	for range 2 {
		for _, m := range all {
			r.Deliver(m.kind, m.payload)
		}
		look("again")
	}
	if c := r.V.Counts(); c.Batches != before || c.Duplicates != 8 || c.Conflicts != 0 {
		t.Errorf("counts %+v, %d batches before", c, before)
	}
	var state bytes.Buffer
	if _, _, err := r.V.Save(&state); err != nil {
		t.Fatal(err)
	}
	r.Restart(state.Bytes())
	for _, m := range all {
		r.Deliver(m.kind, m.payload)
	}
	r.Deliver(log.Inventory, inventoryOf(r, 1, 2, wire.PendingRange{From: 1, To: 2, First: 1, Last: 2})) // the old one last
	look("after a restart")
}

// TestReplacedStorage: a gateway comes back with an empty store, as one whose card was replaced does: nothing says how far its last epoch went. What that took is
// an open gap with an alarm, and ends where the new epoch begins; in any order of arrival, and after a restart from a snapshot.
func TestReplacedStorage(t *testing.T) {
	fresh := point.Epoch{9}
	told := func(r *venuetest.Rig) []byte {
		return wire.EncodeInventory(wire.Inventory{Number: 1, Session: "t", Epochs: []wire.EpochInventory{{Epoch: fresh, Open: true, Map: r.TimeMap(),
			Lanes: []wire.LaneInventory{{Lane: point.Telemetry, Next: 1}, {Lane: point.Critical}}}}})
	}
	first := func(r *venuetest.Rig) []byte {
		return oneSeat(r, point.BatchID{Epoch: fresh, Lane: point.Telemetry}, 50, 1)
	}
	for name, order := range map[string][]func(r *venuetest.Rig){
		"the inventory first": {func(r *venuetest.Rig) { r.Deliver(log.Inventory, told(r)) }, func(r *venuetest.Rig) { r.Deliver(log.Batch, first(r)) }},
		"the batch first":     {func(r *venuetest.Rig) { r.Deliver(log.Batch, first(r)) }, func(r *venuetest.Rig) { r.Deliver(log.Inventory, told(r)) }},
	} {
		t.Run(name, func(t *testing.T) {
			r := venuetest.New(t)
			r.DeliverTable()
			r.Deliver(log.Batch, oneSeat(r, telemetry(0), 40, 0))
			r.Deliver(log.Inventory, inventoryOf(r, 1, 1))
			for _, deliver := range order {
				deliver(r)
			}
			if _, seats := r.V.Seats(); seats[2].State != Occupied {
				t.Errorf("the seat is %v since the new epoch said that it is taken", seats[2].State)
			}
			gaps := r.V.Gaps().Gaps
			open := false
			for _, g := range gaps {
				open = open || g.Lane == point.Telemetry.String() && g.Alarm && g.Last.Equal(venuetest.Origin.Add(50*time.Minute))
			}
			if !open {
				t.Errorf("no open gap with an alarm ends where the new epoch begins: %+v", gaps)
			}
			var saved bytes.Buffer
			if _, _, err := r.V.Save(&saved); err != nil {
				t.Fatal(err)
			}
			r.Restart(saved.Bytes())
			if _, seats := r.V.Seats(); seats[2].State != Occupied {
				t.Errorf("after a restart the seat is %v", seats[2].State)
			}
		})
	}
}
