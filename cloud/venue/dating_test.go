package venue_test

import (
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

// mapOf is a time map of boot 1 in which monotonic time 0 was at Origin + late.
func mapOf(s clock.Source, late time.Duration) clock.Map {
	return clock.Map{Boot: clock.BootID{1}, Offset: time.Duration(venuetest.Origin.UnixNano()) + late, Uncertainty: time.Millisecond, Source: s}
}

// nobody is a boot that nothing has dated.
var nobody = clock.Map{Boot: clock.BootID{1}}

// inventory gives the first epoch a map; it is the open one.
func inventory(number uint64, m clock.Map, telemetry uint64) []byte {
	return wire.EncodeInventory(wire.Inventory{Session: "s", Number: number, Epochs: []wire.EpochInventory{{Epoch: first, Open: true, Map: m,
		Lanes: []wire.LaneInventory{{Lane: point.Telemetry, Next: telemetry}, {Lane: point.Critical}}}}})
}

// sit is a batch in which seat 3 is occupied or free.
func sit(r *venuetest.Rig, seq uint64, m clock.Map, mono time.Duration, occupied uint64) []byte {
	return r.Frame(point.BatchID{Epoch: first, Lane: point.Telemetry, Seq: seq},
		wire.Batch{Map: m, Samples: []point.Sample{{Index: 2, Time: at(mono), Bits: occupied}}})
}

func seatAt(t *testing.T, r *venuetest.Rig, want Occupancy, wall time.Duration) {
	t.Helper()
	_, seats := r.V.Seats()
	if s := seats[2]; s.State != want || (want != Unknown && s.Since != venuetest.Origin.Add(wall).UnixNano()) {
		t.Errorf("seat 3 is %v since %v, want %v since %v", s.State, time.Unix(0, s.Since), want, venuetest.Origin.Add(wall))
	}
}

// TestI9UndatedBatchesWaitForTheirEpochsMap: neither no clock nor a system clock that says 2036 dates anything.
func TestI9UndatedBatchesWaitForTheirEpochsMap(t *testing.T) {
	for name, own := range map[string]clock.Map{"no time": nobody, "a clock at 2036": mapOf(clock.System, 12*365*24*time.Hour), "an hour late": mapOf(clock.System, -time.Hour)} {
		t.Run(name, func(t *testing.T) {
			r := venuetest.New(t)
			r.DeliverTable()
			r.Deliver(log.Batch, sit(r, 0, own, 50*time.Minute, 1))
			r.Deliver(log.Inventory, inventory(1, own, 1))
			seatAt(t, r, Unknown, 0)
			b := r.V.Basis()
			if b.Completeness.AwaitingTime != 1 || b.Completeness.AwaitingTable != 0 || b.Completeness.SetAside != 0 || b.Clock != "none" {
				t.Errorf("%+v", b)
			}
			r.Deliver(log.Inventory, inventory(2, mapOf(clock.Cloud, time.Minute), 1))
			seatAt(t, r, Occupied, 51*time.Minute)
			// What comes later is dated the same way, whatever other maps are told.
			r.Deliver(log.Inventory, inventory(3, mapOf(clock.NTP, 5*time.Minute), 2))
			r.Deliver(log.Batch, sit(r, 1, own, 52*time.Minute, 0))
			seatAt(t, r, Free, 53*time.Minute)
			if b := r.V.Basis(); b.Completeness.AwaitingTime != 0 || b.Clock != "cloud" {
				t.Errorf("%+v", b)
			}
			// A batch that something trustworthy dated is dated by its own map.
			r.Deliver(log.Batch, sit(r, 2, mapOf(clock.NTP, 0), 54*time.Minute, 1))
			seatAt(t, r, Occupied, 54*time.Minute)
			if b := r.V.Basis(); b.Clock != "ntp" {
				t.Errorf("%+v", b)
			}
		})
	}
}

// TestI9ABootBetweenBoundsIsUncertain: a boot without any time that ended in a power cut.
func TestI9ABootBetweenBoundsIsUncertain(t *testing.T) {
	r := venuetest.New(t)
	r.DeliverTable()
	r.Deliver(log.Batch, sit(r, 0, nobody, 10*time.Minute, 1))
	bounds := mapOf(clock.Bounds, 30*time.Minute)
	bounds.Uncertainty = time.Hour
	r.Deliver(log.Inventory, wire.EncodeInventory(wire.Inventory{Session: "s", Number: 1, Epochs: []wire.EpochInventory{
		{Epoch: first, Map: bounds, Lanes: []wire.LaneInventory{{Lane: point.Telemetry, Next: 1}}},
		{Epoch: second, Predecessor: first, Open: true, Map: mapOf(clock.NTP, 45*time.Minute)}}}))
	for _, p := range r.V.Points(PointFilter{}).Points {
		if p.Quality != "uncertain" || !p.At.Equal(venuetest.Origin.Add(40*time.Minute)) {
			t.Errorf("%+v", p)
		}
	}
	if b := r.V.Basis(); b.Clock != "bounds" || b.Completeness.AwaitingTime != 0 {
		t.Errorf("%+v", b)
	}
}

func TestI9AMapOfAnotherBootDatesNothing(t *testing.T) {
	r := venuetest.New(t)
	r.DeliverTable()
	other := mapOf(clock.NTP, 0)
	other.Boot = clock.BootID{9}
	r.Deliver(log.Inventory, inventory(1, other, 1))
	r.Deliver(log.Batch, sit(r, 0, nobody, 50*time.Minute, 1))
	seatAt(t, r, Unknown, 0)
	if c := r.V.Basis().Completeness; c.SetAside != 1 || c.AwaitingTime != 0 {
		t.Errorf("%+v", c)
	}
	// An epoch whose record was lost knows no boot: its map dates whatever it held.
	anyBoot := mapOf(clock.Bounds, 0)
	anyBoot.Boot = clock.BootID{}
	s := venuetest.New(t)
	s.DeliverTable()
	s.Deliver(log.Batch, sit(s, 0, nobody, 50*time.Minute, 1))
	s.Deliver(log.Inventory, inventory(1, anyBoot, 1))
	seatAt(t, s, Occupied, 50*time.Minute)
}

// TestI9DatingIsAFunctionOfTheSet: two venues that got the same batches of two epochs, with and without a trustworthy clock, and the
// same inventories, each in an order of its own, give the same answers, and those are what dating everything at once gives.
func TestI9DatingIsAFunctionOfTheSet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, all := venuetest.New(t), venuetest.New(t), venuetest.New(t)
		given := map[point.Epoch]clock.Map{first: mapOf(clock.Cloud, time.Duration(rapid.IntRange(-5, 5).Draw(t, "first"))*time.Minute),
			second: mapOf(clock.Bounds, time.Duration(rapid.IntRange(-5, 5).Draw(t, "second"))*time.Minute)}
		var frames, dated [][]byte
		next := map[point.BatchID]uint64{}
		for range rapid.IntRange(1, 12).Draw(t, "batches") {
			id := point.BatchID{Epoch: rapid.SampledFrom([]point.Epoch{first, second}).Draw(t, "epoch"), Lane: point.Lane(rapid.IntRange(1, 2).Draw(t, "lane"))}
			seq := next[id]
			next[id]++
			id.Seq = seq
			batch, _ := drawBatch(t, a, id)
			batch.Map = rapid.SampledFrom([]clock.Map{nobody, mapOf(clock.System, time.Hour), mapOf(clock.NTP, 0)}).Draw(t, "map")
			frames = append(frames, a.Frame(id, batch))
			if !batch.Map.Source.Dated() {
				batch.Map = given[id.Epoch]
			}
			dated = append(dated, a.Frame(id, batch))
		}
		told := wire.Inventory{Session: "s", Number: 2}
		for _, e := range []point.Epoch{first, second} {
			told.Epochs = append(told.Epochs, wire.EpochInventory{Epoch: e, Clean: true, Open: e == second, Map: given[e], Lanes: []wire.LaneInventory{
				{Lane: point.Telemetry, Next: next[point.BatchID{Epoch: e, Lane: point.Telemetry}]}, {Lane: point.Critical, Next: next[point.BatchID{Epoch: e, Lane: point.Critical}]}}})
		}
		told.Epochs[1].Predecessor = first
		deliverDated(t, a, frames, told)
		deliverDated(t, b, frames, told)
		deliverDated(t, all, dated, told)
		if x, y := answers(a.V), answers(b.V); x != y {
			t.Fatalf("one order of arrival:\n%s\nanother:\n%s", x, y)
		} else if z := answers(all.V); x != z {
			t.Fatalf("dated late:\n%s\ndated at once:\n%s", x, z)
		}
		if n := a.V.Basis().Completeness; n.AwaitingTime != 0 || n.SetAside != 0 {
			t.Fatalf("%+v", n)
		}
	})
}

// deliverDated delivers the frames in a random order, some twice, with the table and the inventory at random places.
func deliverDated(t *rapid.T, r *venuetest.Rig, frames [][]byte, inv wire.Inventory) {
	order := rapid.Permutation(append(append([][]byte{}, frames...), frames[:rapid.IntRange(0, len(frames)).Draw(t, "again")]...)).Draw(t, "order")
	tableAt, invAt := rapid.IntRange(0, len(order)).Draw(t, "tableAt"), rapid.IntRange(0, len(order)).Draw(t, "invAt")
	for i := 0; i <= len(order); i++ {
		if i == tableAt {
			r.DeliverTable()
		}
		if i == invAt {
			r.Deliver(log.Inventory, wire.EncodeInventory(inv))
		}
		if i < len(order) {
			r.Deliver(log.Batch, order[i])
		}
	}
	r.V.Tick()
}
