package venue_test

import (
	"bytes"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/courtside-edge/courtside/cloud/log"
	. "github.com/courtside-edge/courtside/cloud/venue"
	"github.com/courtside-edge/courtside/cloud/venue/venuetest"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// busy is where a snapshot goes while the venue goes on: with each piece that is written some more records are applied.
type busy struct {
	bytes.Buffer
	more func()
}

func (b *busy) Write(p []byte) (int, error) {
	b.more()
	return b.Buffer.Write(p)
}

// TestSnapshotThenReplayIsTheSameState: a venue that is saved while records come, killed, loaded and given the rest of the log is in the
// state of one that got everything, which is the slow, obvious function's.
func TestSnapshotThenReplayIsTheSameState(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := venuetest.New(t)
		records, o := scenario(t, r)
		order := rapid.Permutation(append(append([]log.Record{}, records...), records[:rapid.IntRange(0, len(records)).Draw(t, "again")]...)).Draw(t, "order")
		for at, part := range r.Parts() {
			order = append(order[:at:at], append([]log.Record{{Kind: log.Table, Payload: part}}, order[at:]...)...)
		}
		if late := rapid.IntRange(0, len(order)-1).Draw(t, "table at"); rapid.Bool().Draw(t, "table comes late") {
			order[0], order[late] = order[late], order[0]
		}
		end := r.Now
		r.Now = end.Add(-time.Duration(rapid.IntRange(0, 20).Draw(t, "minutes before")) * time.Minute)
		deliver := func(n int) {
			for ; n > 0 && len(order) > 0; n-- {
				r.Deliver(order[0].Kind, order[0].Payload)
				order = order[1:]
			}
		}
		deliver(rapid.IntRange(0, len(order)).Draw(t, "before"))
		if rapid.Bool().Draw(t, "tick") {
			r.V.Tick()
		}
		snapshot := busy{more: func() { deliver(rapid.IntRange(0, 3).Draw(t, "meanwhile")) }}
		from, upTo, err := r.V.Save(&snapshot)
		if err != nil || from > upTo || upTo > uint64(len(r.Records)) {
			t.Fatalf("saved from %d to %d of %d: %v", from, upTo, len(r.Records), err)
		}
		deliver(len(order))
		r.Now = end
		r.V.Tick()
		whole := answers(r.V)
		r.Restart(snapshot.Bytes())
		if offset := r.V.Offset(); offset != uint64(len(r.Records)) {
			t.Fatalf("after the replay the offset is %d of %d", offset, len(r.Records))
		}
		r.V.Tick()
		compare(t, r.V, o)
		if got := answers(r.V); got != whole {
			t.Fatalf("without a snapshot:\n%s\nwith one:\n%s", whole, got)
		}
	})
}

// aSnapshot returns a snapshot with something of everything in it.
func aSnapshot(t testing.TB, r *venuetest.Rig) []byte {
	t.Helper()
	r.Deliver(log.Batch, r.Frame(critical(3), wire.Batch{Samples: []point.Sample{{Index: 5, Time: at(time.Minute), Bits: 1}}, Events: []point.EventKey{{Key: [16]byte{9}}}}))
	r.DeliverTable()
	r.Deliver(log.Batch, r.Frame(critical(1), wire.Batch{
		Samples: []point.Sample{{Index: 3, Time: at(40 * time.Minute), Bits: 7}, {Index: 4, Time: at(2 * time.Hour), Bits: 8}},
		Runs:    []point.CounterRun{{Index: 3, Run: 5, First: 9, Bits: 16, Reason: point.RunFirst}, {Index: 4, Run: 6, Bits: 16, Reason: point.RunFirst}},
		Gaps:    []point.Gap{{Epoch: point.Epoch{6}, Lane: point.Telemetry, Boot: [16]byte{1}, Reason: point.GapPowerCut}, {PointKnown: true, Index: 3, Reason: point.GapReset, Boot: [16]byte{1}, First: 1, Last: 2}}}))
	r.Deliver(log.Batch, r.Frame(telemetry(4), wire.Batch{Samples: []point.Sample{{Index: 0, Time: at(40 * time.Minute), Bits: kg(50)}, {Index: 0, Time: at(50 * time.Minute), Bits: kg(17)}, {Index: 7, Time: at(50 * time.Minute), Bits: 0}}, Texts: []string{"GO"}}))
	r.Deliver(log.Batch, []byte("hello"))
	r.Deliver(log.Inventory, wire.EncodeInventory(wire.Inventory{Number: 1, Session: "s", Epochs: []wire.EpochInventory{{Epoch: point.Epoch{7}, Predecessor: point.Epoch{6}, Open: true,
		Lanes: []wire.LaneInventory{{Lane: point.Telemetry, Next: 9, Pending: []wire.PendingRange{{From: 2, To: 3}}}}}}}))
	var out bytes.Buffer
	if _, _, err := r.V.Save(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestSnapshotOfAnotherVenueIsRefused(t *testing.T) {
	r := venuetest.New(t)
	snapshot := aSnapshot(t, r)
	for name, change := range map[string]func(*Options){
		"venue":  func(o *Options) { o.ID = "dal-002" },
		"bucket": func(o *Options) { o.Bucket = time.Second },
	} {
		o := r.Options(venuetest.Map(t), venuetest.Devices())
		change(&o)
		if _, err := Load(o, snapshot); err == nil {
			t.Errorf("another %s: it was loaded", name)
		}
	}
	for n := range snapshot {
		if _, err := Load(r.Options(venuetest.Map(t), venuetest.Devices()), snapshot[:n]); err == nil {
			t.Fatalf("the first %d of %d bytes were loaded", n, len(snapshot))
		}
	}
	if _, err := Load(r.Options(venuetest.Map(t), venuetest.Devices()), append(bytes.Clone(snapshot), 0)); err == nil {
		t.Error("a byte too many was overlooked")
	}
}

// TestGatewayTakenOutOfTheConfiguration: its state goes, the others' stays.
func TestGatewayTakenOutOfTheConfiguration(t *testing.T) {
	r := venuetest.New(t)
	r.More = []point.ID{"gw-south"}
	r.Restart(nil)
	snapshot := aSnapshot(t, r)
	o := r.Options(venuetest.Map(t), venuetest.Devices())
	o.Gateways = o.Gateways[1:]
	v, err := Load(o, snapshot)
	if err != nil {
		t.Fatal(err)
	}
	if p := v.Points(PointFilter{}).Points; len(p) != 0 || len(v.Gateways()) != 1 {
		t.Errorf("of a gateway that is gone remain %+v", p)
	}
}

// FuzzLoad: whatever the bytes, Load returns a venue or an error.
func FuzzLoad(f *testing.F) {
	r := venuetest.New(f)
	f.Add(aSnapshot(f, r))
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := venuetest.New(t)
		v, err := Load(r.Options(venuetest.Map(t), venuetest.Devices()), b)
		if err != nil {
			return
		}
		v.Tick()
		v.Gaps()
		v.Seats()
		v.Gates()
		v.Points(PointFilter{})
		v.History(venuetest.Origin)
		v.Presence()
		if _, _, err := v.Save(&bytes.Buffer{}); err != nil {
			t.Fatal(err)
		}
	})
}
