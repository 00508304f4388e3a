package venue_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/courtside-edge/courtside/cloud/log"
	. "github.com/courtside-edge/courtside/cloud/venue"
	"github.com/courtside-edge/courtside/cloud/venue/venuetest"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

const south = point.ID("gw-south")

// pair is an arena whose devices two gateways poll: gw-north, which speaks for them where it can, and gw-south.
func pair(t rapid.TB) *venuetest.Rig {
	t.Helper()
	r := venuetest.New(t)
	r.More = []point.ID{south}
	r.Restart(nil)
	for _, p := range r.Parts() {
		r.DeliverOf(venuetest.Gateway, log.Table, p)
		r.DeliverOf(south, log.Table, p)
	}
	return r
}

// reader is one gateway that polls the register of the gate's first counter.
type reader struct {
	r       *venuetest.Rig
	gateway point.ID
	seq     uint64
	runs    uint64
	run     point.CounterRun
	total   uint64
	raw     uint64
	on      bool
	batch   wire.Batch
}

// read polls the register, and reports when it moved.
func (g *reader) read(mono int64, raw uint64) {
	if !g.on {
		return
	}
	switch delta := (raw - g.raw) & 0xFFFF; {
	case g.run.Run == 0:
		g.runs++
		g.run = point.CounterRun{Index: 3, Run: uint64(g.gateway[3])<<32 | g.runs, First: raw, Bits: 16, Reason: point.RunFirst, Start: mono}
		g.total = 0
	case delta > 50: // reset
		g.run = point.CounterRun{}
		g.read(mono, raw)
		return
	case delta == 0:
		return
	default:
		g.total += delta
	}
	g.raw = raw
	g.batch.Samples = append(g.batch.Samples, point.Sample{Index: 3, Time: mono, Bits: g.total})
	if n := len(g.batch.Runs); n == 0 || g.batch.Runs[n-1].Run != g.run.Run {
		g.batch.Runs = append(g.batch.Runs, g.run)
	}
}

// repeat reports the total again.
func (g *reader) repeat(mono int64) {
	if g.on && g.run.Run != 0 {
		g.batch.Samples = append(g.batch.Samples, point.Sample{Index: 3, Time: mono, Bits: g.total})
		if n := len(g.batch.Runs); n == 0 || g.batch.Runs[n-1].Run != g.run.Run {
			g.batch.Runs = append(g.batch.Runs, g.run)
		}
	}
}

// send delivers what was read.
func (g *reader) send() {
	if len(g.batch.Samples) == 0 {
		return
	}
	id := point.BatchID{Epoch: point.Epoch{g.gateway[3]}, Lane: point.Critical, Seq: g.seq}
	g.r.DeliverOf(g.gateway, log.Batch, g.r.FrameOf(g.gateway, id, g.batch))
	g.seq++
	g.batch = wire.Batch{}
}

// TestTwoGatewaysOnOneCounter is the counter-example of the design: two gateways read one register 80 ms apart. Merged by time, as
// one series, their raw values counted 65,539 people instead of 3.
func TestTwoGatewaysOnOneCounter(t *testing.T) {
	r := pair(t)
	north, other := &reader{r: r, gateway: venuetest.Gateway, on: true}, &reader{r: r, gateway: south, on: true}
	raw := uint64(65530)
	for ms := int64(0); ms < 10_000; ms += 100 {
		if ms == 3000 || ms == 3100 || ms == 7000 {
			raw = (raw + 1) & 0xFFFF
		}
		north.read(at(30*time.Minute)+ms*1e6, raw)
		other.read(at(30*time.Minute)+(ms+80)*1e6, raw)
	}
	north.send()
	other.send()
	if g := r.V.Gates(); g.In != 3 || g.Gates[0].Uncertain || g.Gates[0].Lanes[0].Gateway != venuetest.Gateway {
		t.Errorf("%d people, want 3: %+v", g.In, g.Gates)
	}
}

// TestI2SharedCounter: while at least one of two gateways reads a register, everybody is counted once, whoever fails when, and whatever the
// order in which their reports arrive. Their clocks lie apart by less than the time between two reads: beyond, what passes within the difference
// while a gateway that lost its cursor takes over is nobody's.
func TestI2SharedCounter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := pair(t)
		readers := []*reader{{r: r, gateway: venuetest.Gateway, on: true}, {r: r, gateway: south, on: true}}
		skew := int64(rapid.IntRange(-300, 300).Draw(t, "skew of the second clock in ms")) * 1e6
		raw, people, late := uint64(rapid.IntRange(0, 0xFFFF).Draw(t, "raw")), uint64(0), rapid.Bool().Draw(t, "the second comes late")
		readers[1].on = !late
		if late { // whose clock says that it read first before the other one did hides what the other one saw before
			skew = max(skew, -skew)
		}
		for step := range int64(rapid.IntRange(20, 300).Draw(t, "steps")) {
			mono := at(20*time.Minute) + step*at(700*time.Millisecond)
			if n := uint64(rapid.IntRange(0, 2).Draw(t, "people")); step > 0 {
				raw, people = (raw+n)&0xFFFF, people+n
			}
			readers[0].read(mono, raw)
			readers[1].read(mono+skew, raw)
			switch rapid.IntRange(0, 29).Draw(t, "event") {
			case 0, 1: // one stops, if the other runs and has read what it read; it forgets its run or keeps it
				k := rapid.IntRange(0, 1).Draw(t, "which")
				if readers[1-k].on && readers[1-k].run.Run != 0 {
					readers[k].on = false
					if rapid.Bool().Draw(t, "forgets") {
						readers[k].run = point.CounterRun{}
					}
				}
			case 2, 3:
				readers[0].on, readers[1].on = true, true
				readers[0].read(mono+1e6, raw)
				readers[1].read(mono+skew+1e6, raw)
			case 4, 5:
				readers[0].send()
			case 6, 7:
				readers[1].send()
			}
		}
		end := at(30 * time.Minute) // those that run repeat themselves, as max_silence has them
		readers[0].repeat(end)
		readers[1].repeat(end + skew)
		for i := range readers {
			readers[i].send()
		}
		// One that kept its run and stopped may be behind; the other one is not.
		if g := r.V.Gates(); g.In != people || g.Gates[0].Uncertain && g.Gates[0].Lanes[0].Unknown == "" {
			t.Fatalf("%d people are counted, %d came: %+v", g.In, people, g.Gates)
		}
		var buf busy
		buf.more = func() {}
		if _, _, err := r.V.Save(&buf); err != nil {
			t.Fatal(err)
		}
		r.Restart(buf.Bytes())
		if g := r.V.Gates(); g.In != people {
			t.Fatalf("after a restart %d people are counted, %d came", g.In, people)
		}
	})
}

// TestSharedCounterBeyondTheHorizon: what is forgotten of a shared counter's past stays counted.
func TestSharedCounterBeyondTheHorizon(t *testing.T) {
	r := pair(t)
	north, other := &reader{r: r, gateway: venuetest.Gateway, on: true}, &reader{r: r, gateway: south, on: true}
	raw, people := uint64(65000), uint64(0)
	start := r.Now
	for hour := range int64(72) {
		north.on = hour%7 != 3
		if !north.on {
			north.run = point.CounterRun{}
		}
		for minute := range int64(60) {
			mono := at(time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute)
			if hour+minute > 0 {
				raw, people = (raw+3)&0xFFFF, people+3
			}
			other.read(mono, raw)
			north.read(mono+1e6, raw)
		}
		north.send()
		other.send()
		r.Now = start.Add(time.Duration(hour) * time.Hour)
		r.V.Tick()
	}
	r.Now = r.Now.Add(time.Hour)
	r.V.Tick()
	if g := r.V.Gates(); g.In != people {
		t.Errorf("%d people are counted, %d came", g.In, people)
	}
}

// TestSharedCounterAcrossAGapThatCannotBeBridged: when the register may have gone round between two gateways, what lies between is not
// guessed, and the answer says so.
func TestSharedCounterAcrossAGapThatCannotBeBridged(t *testing.T) {
	r := pair(t)
	north, other := &reader{r: r, gateway: venuetest.Gateway, on: true}, &reader{r: r, gateway: south, on: true}
	north.read(at(time.Minute), 100)
	north.read(at(2*time.Minute), 110)
	north.send()
	later := at(20 * time.Hour) // 5 a second go round 16 bits in 3.6 hours
	r.Now = venuetest.Origin.Add(21 * time.Hour)
	other.read(later, 500)
	other.read(later+at(time.Minute), 520)
	other.send()
	if g := r.V.Gates(); g.In != 30 || !g.Gates[0].Uncertain {
		t.Errorf("%d people, uncertain %v; want the 10 and the 20 that were seen, and uncertain", g.In, g.Gates[0].Uncertain)
	}
}

// TestSharedSeatIsOfTheBestGatewayWithoutAGap: the better gateway speaks while it knows; in its gap, and while it is away or holds newer samples
// back, the other one does.
func TestSharedSeatIsOfTheBestGatewayWithoutAGap(t *testing.T) {
	r := pair(t)
	say := func(gw point.ID, seq uint64, minute time.Duration, value float64) {
		id := point.BatchID{Epoch: point.Epoch{gw[3]}, Lane: point.Telemetry, Seq: seq}
		r.DeliverOf(gw, log.Batch, r.FrameOf(gw, id, wire.Batch{Samples: []point.Sample{{Index: 0, Time: at(minute * time.Minute), Bits: kg(value)}}}))
	}
	inventory := func(gw point.ID, number, next uint64, pending []wire.PendingRange, gaps ...point.Gap) {
		r.DeliverOf(gw, log.Inventory, wire.EncodeInventory(wire.Inventory{Number: number, Session: "s", Gaps: gaps, Epochs: []wire.EpochInventory{{Epoch: point.Epoch{gw[3]}, Open: true, Map: r.TimeMap(),
			Lanes: []wire.LaneInventory{{Lane: point.Telemetry, Next: next, Pending: pending}}}}}))
	}
	want := func(why string, o Occupancy, gw point.ID) {
		t.Helper()
		_, seats := r.V.Seats()
		p := r.V.Points(PointFilter{Kind: point.Seat}).Points
		if seats[0].State != o || p[0].Gateway != gw {
			t.Errorf("%s: %v by %s, want %v by %s", why, seats[0].State, p[0].Gateway, o, gw)
		}
	}
	say(south, 0, 50, 10)
	want("only the second has reported", Free, south)
	say(venuetest.Gateway, 0, 51, 70)
	want("both have", Occupied, venuetest.Gateway)
	inventory(venuetest.Gateway, 1, 2, []wire.PendingRange{{From: 1, To: 2}})
	want("the first holds something newer back", Free, south)
	inventory(venuetest.Gateway, 2, 2, nil, point.Gap{Epoch: point.Epoch{venuetest.Gateway[3]}, Lane: point.Telemetry, From: 1, To: 2, Reason: point.GapDropped})
	want("the first has a gap", Free, south)
	say(venuetest.Gateway, 2, 52, 70)
	want("the first is behind its gap", Occupied, venuetest.Gateway)
	for _, h := range r.V.History(venuetest.Origin.Add(49 * time.Minute)) {
		if m := h.At.Sub(venuetest.Origin) / time.Minute; (m == 51 || m == 52) && (h.Unknown != 2 || h.Occupied != 0) || m == 53 && h.Occupied != 1 {
			t.Errorf("history %+v", h)
		}
	}
}

// TestSharedEventsMergeByKey: what both gateways saw is one event.
func TestSharedEventsMergeByKey(t *testing.T) {
	r := pair(t)
	for _, gw := range []point.ID{venuetest.Gateway, south} {
		b := wire.Batch{}
		for k := range byte(4) {
			if k == 3 && gw == south || k == 0 && gw == venuetest.Gateway {
				continue // one saw the first three, the other the last three
			}
			b.Events = append(b.Events, point.EventKey{Position: uint32(len(b.Samples)), Key: [16]byte{k + 1}})
			b.Samples = append(b.Samples, point.Sample{Index: 5, Time: at(time.Duration(40+k) * time.Minute), Bits: 1})
		}
		r.DeliverOf(gw, log.Batch, r.FrameOf(gw, point.BatchID{Epoch: point.Epoch{gw[3]}, Lane: point.Critical}, b))
	}
	if g := r.V.Gates(); g.In != 4 {
		t.Errorf("%d events, want 4", g.In)
	}
}
