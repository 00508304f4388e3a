package venue_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/cloud/log"
	. "github.com/courtside-edge/courtside/cloud/venue"
	"github.com/courtside-edge/courtside/cloud/venue/venuetest"
	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

func at(d time.Duration) int64 { return int64(d) }

func telemetry(seq uint64) point.BatchID {
	return point.BatchID{Epoch: point.Epoch{7}, Lane: point.Telemetry, Seq: seq}
}

func critical(seq uint64) point.BatchID {
	return point.BatchID{Epoch: point.Epoch{7}, Lane: point.Critical, Seq: seq}
}

func kg(v float64) uint64 { return point.IntBits(int64(v * 10)) }

func TestSeatFollowsHysteresisAndNeverGuesses(t *testing.T) {
	r := venuetest.New(t)
	r.DeliverTable()
	if o := r.V.Occupancy(); o.Unknown != 3 || o.Occupied != 0 || o.Free != 0 {
		t.Fatalf("before any sample: %+v; nothing is known then", o.SeatCount)
	}
	sample := func(seq uint64, minute int, value float64) {
		r.Deliver(log.Batch, r.Frame(telemetry(seq), wire.Batch{Samples: []point.Sample{{Index: 0, Time: at(time.Duration(minute) * time.Minute), Bits: kg(value)}}}))
	}
	steps := []struct {
		value float64
		want  Occupancy
	}{{17, Unknown}, {40, Occupied}, {17, Occupied}, {14.9, Free}, {17, Free}, {20, Occupied}}
	for i, s := range steps {
		sample(uint64(i), 45+i, s.value)
		if _, seats := r.V.Seats(); seats[0].State != s.want {
			t.Errorf("step %d, %g kg: %v, want %v", i, s.value, seats[0].State, s.want)
		}
	}
	r.Now = r.Now.Add(25 * time.Minute) // twice max_silence and more
	if _, seats := r.V.Seats(); seats[0].State != Unknown {
		t.Errorf("a silent seat is %v, want unknown", seats[0].State)
	}
}

func TestBadQualityIsUnknownNotFree(t *testing.T) {
	r := venuetest.New(t)
	r.DeliverTable()
	r.Deliver(log.Batch, r.Frame(telemetry(0), wire.Batch{Samples: []point.Sample{
		{Index: 0, Time: at(55 * time.Minute), Bits: kg(50)},
		{Index: 0, Time: at(56 * time.Minute), Quality: point.BadTimeout}}}))
	_, seats := r.V.Seats()
	if seats[0].State != Unknown {
		t.Errorf("state %v, want unknown", seats[0].State)
	}
	pts := r.V.Points(PointFilter{Device: "plc-seats", Kind: point.Seat, Limit: 1}).Points
	if len(pts) != 1 || pts[0].Value != nil || pts[0].Unknown != "bad-quality" || pts[0].Quality != "bad: timeout" {
		t.Errorf("point %+v", pts)
	}
}

func TestFutureSamplesWait(t *testing.T) {
	r := venuetest.New(t)
	r.DeliverTable()
	r.Deliver(log.Batch, r.Frame(telemetry(0), wire.Batch{Samples: []point.Sample{{Index: 2, Time: at(50 * time.Minute), Bits: 0}, {Index: 2, Time: at(61 * time.Minute), Bits: 1}}}))
	if _, seats := r.V.Seats(); seats[2].State != Free {
		t.Fatalf("a sample dated a minute ahead moved the answer: %v", seats[2].State)
	}
	r.Now = r.Now.Add(56 * time.Second)
	r.V.Tick()
	if _, seats := r.V.Seats(); seats[2].State != Occupied {
		t.Errorf("five seconds before its date a sample counts; got %v", seats[2].State)
	}
}

func TestFrameWaitsForItsTable(t *testing.T) {
	r := venuetest.New(t)
	frame := r.Frame(critical(0), wire.Batch{Samples: []point.Sample{{Index: 3, Time: at(time.Minute), Bits: 12}},
		Runs: []point.CounterRun{{Index: 3, Run: 9, Bits: 16, Reason: point.RunFirst, Start: at(time.Second)}}})
	effects := r.Deliver(log.Batch, frame)
	if len(effects) != 1 || effects[0].TableWanted != r.Hash || effects[0].Gateway != venuetest.Gateway {
		t.Fatalf("effects %+v, want the table", effects)
	}
	r.Deliver(log.Batch, frame) // a resend must not count twice when the table comes
	if c := r.V.Basis().Completeness; c.AwaitingTable != 1 {
		t.Errorf("awaiting %d frames, want 1", c.AwaitingTable)
	}
	r.DeliverTable()
	if g := r.V.Gates(); g.In != 12 {
		t.Errorf("in %d, want 12", g.In)
	}
	if c := r.V.Basis().Completeness; c.AwaitingTable != 0 {
		t.Errorf("still awaiting %d", c.AwaitingTable)
	}
}

func TestConflictIsSetAsideAndCounted(t *testing.T) {
	r := venuetest.New(t)
	r.DeliverTable()
	r.Deliver(log.Batch, r.Frame(telemetry(0), wire.Batch{Samples: []point.Sample{{Index: 2, Time: at(time.Minute), Bits: 1}}}))
	r.Deliver(log.Batch, r.Frame(telemetry(0), wire.Batch{Samples: []point.Sample{{Index: 2, Time: at(2 * time.Minute), Bits: 0}}}))
	if _, seats := r.V.Seats(); seats[2].State != Occupied {
		t.Errorf("the second content moved the state: %v", seats[2].State)
	}
	if c := r.V.Counts(); c.Conflicts != 1 || c.SetAside["conflict"] != 1 || c.Duplicates != 0 {
		t.Errorf("counts %+v", c)
	}
}

func TestForeignDeviceIsRefusedWhole(t *testing.T) {
	r := venuetest.New(t)
	r.V = r.NewVenue(venuetest.Map(t), []point.ID{"plc-seats", "plc-panels"}) // no gates
	r.DeliverTable()
	told := r.Deliver(log.Batch, r.Frame(telemetry(0), wire.Batch{Samples: []point.Sample{{Index: 2, Time: at(time.Minute), Bits: 1}}}))
	if len(told) != 1 || told[0].Gateway != venuetest.Gateway || told[0].SetAside.Reason != "device-not-granted" || !strings.Contains(told[0].SetAside.Detail, "plc-gates") {
		t.Errorf("effects %+v do not tell the gateway", told)
	}
	if told := r.Deliver(log.Inventory, inventoryOf(r, 1, 1)); len(told) != 0 {
		t.Errorf("an inventory tells %+v", told)
	}
	if _, seats := r.V.Seats(); seats[2].State != Unknown {
		t.Errorf("a frame of a refused table moved the state")
	}
	if c := r.V.Counts(); c.SetAside["device-not-granted"] != 1 {
		t.Errorf("set aside %v", c.SetAside)
	}
}

func TestBadFramesAreSetAsideAndTheRestGoesOn(t *testing.T) {
	r := venuetest.New(t)
	r.DeliverTable()
	good := r.Frame(telemetry(0), wire.Batch{Samples: []point.Sample{{Index: 2, Time: at(time.Minute), Bits: 1}}})
	flipped := append([]byte(nil), good...)
	flipped[len(flipped)-1] ^= 1
	for name, payload := range map[string][]byte{"empty": nil, "truncated": good[:len(good)-3], "flipped": flipped, "text": []byte("hello")} {
		before := len(r.V.SetAside())
		r.Deliver(log.Batch, payload)
		if got := r.V.SetAside(); len(got) != before+1 || got[before].Reason == "" || got[before].Offset != uint64(len(r.Records)-1) {
			t.Errorf("%s: set aside %+v", name, got)
		}
	}
	r.Deliver(log.Table, []byte("hello"))
	r.Deliver(log.Inventory, []byte("hello"))
	r.Deliver(log.Status, []byte("{"))
	r.Deliver(log.Batch, good)
	if _, seats := r.V.Seats(); seats[2].State != Occupied {
		t.Error("a good frame after bad ones did not count")
	}
	if n := len(r.V.SetAside()); n != 7 {
		t.Errorf("%d set aside, want 7", n)
	}
}

func TestDeathCountsForItsOwnSessionOnly(t *testing.T) {
	r := venuetest.New(t)
	status := func(session, state string) {
		raw, err := json.Marshal(wire.Status{Venue: venuetest.Venue, Gateway: venuetest.Gateway, Session: session, State: state})
		if err != nil {
			t.Fatal(err)
		}
		r.Deliver(log.Status, raw)
	}
	status("one", "birth")
	status("two", "birth")
	status("one", "death") // the half-open old session's will
	if g := r.V.Gateways()[0]; g.State != "birth" {
		t.Errorf("an old session's will killed the new one: %s", g.State)
	}
	status("two", "death")
	if g := r.V.Gateways()[0]; g.State != "death" {
		t.Errorf("state %s, want death", g.State)
	}
}

func TestGapMakesOlderValuesUnknown(t *testing.T) {
	r := venuetest.New(t)
	r.DeliverTable()
	r.Deliver(log.Batch, r.Frame(telemetry(0), wire.Batch{Samples: []point.Sample{{Index: 2, Time: at(40 * time.Minute), Bits: 1}, {Index: 0, Time: at(59 * time.Minute), Bits: kg(50)}}}))
	r.Deliver(log.Batch, r.Frame(telemetry(2), wire.Batch{Gaps: []point.Gap{{Epoch: point.Epoch{7}, Lane: point.Telemetry, From: 1, To: 2,
		Boot: clock.BootID{1}, First: at(50 * time.Minute), Last: at(52 * time.Minute), Count: 10, Reason: point.GapDropped}}}))
	_, seats := r.V.Seats()
	if seats[2].State != Unknown || seats[0].State != Occupied {
		t.Errorf("before the gap %v, want unknown; after it %v, want occupied", seats[2].State, seats[0].State)
	}
	gaps := r.V.Gaps().Gaps
	if len(gaps) != 1 || gaps[0].Reason != "dropped" || gaps[0].Count != 10 || !gaps[0].First.Equal(venuetest.Origin.Add(50*time.Minute)) {
		t.Errorf("gaps %+v", gaps)
	}
}
