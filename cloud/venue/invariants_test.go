package venue_test

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/courtside-edge/courtside/cloud/log"
	. "github.com/courtside-edge/courtside/cloud/venue"
	"github.com/courtside-edge/courtside/cloud/venue/venuetest"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// flat is a sample with everything that orders it, for the slow, obvious function.
type flat struct {
	wall   int64
	id     point.BatchID
	index  int // in its batch
	sample point.Sample
	run    uint64
	key    [16]byte
	text   string
}

func (a flat) before(b flat) bool {
	if a.wall != b.wall {
		return a.wall < b.wall
	}
	if c := bytes.Compare(a.id.Epoch[:], b.id.Epoch[:]); c != 0 {
		return c < 0
	}
	if a.id.Lane != b.id.Lane {
		return a.id.Lane < b.id.Lane
	}
	if a.id.Seq != b.id.Seq {
		return a.id.Seq < b.id.Seq
	}
	return a.index < b.index
}

// obvious is the venue's state computed from the whole set of samples and inventories, sorted, each time anew.
type obvious struct {
	table []point.Point
	all   []flat
	holes []obviousHole
	now   time.Time
}

// upTo returns point's samples with wall ≤ limit in order.
func (o *obvious) upTo(index uint32, limit int64) []flat {
	var out []flat
	for _, f := range o.all {
		if f.sample.Index == index && f.wall <= limit {
			out = append(out, f)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].before(out[j]) })
	return out
}

func (o *obvious) limit() int64 { return o.now.Add(LateBy).UnixNano() }

// occupancy walks the seat's samples from the first to the last before limit, and asks at time at what it still knows.
func (o *obvious) occupancy(index uint32, limit, at, holesBefore int64) Occupancy {
	p := &o.table[index]
	state, last, definite := Unknown, flat{}, flat{}
	samples := o.upTo(index, limit)
	for _, f := range samples {
		last = f
		if f.sample.Quality.IsBad() {
			continue
		}
		v := float64(int64(f.sample.Bits))
		if p.Type == point.Int {
			v *= p.Scale
		}
		switch {
		case p.Type == point.Bool && f.sample.Bits == 1, p.Type == point.Int && v >= p.OccupiedAbove:
			state, definite = Occupied, f
		case p.Type == point.Bool, v < p.OccupiedBelow:
			state, definite = Free, f
		}
	}
	if len(samples) == 0 || last.sample.Quality.IsBad() || o.unknown(p, last, at, holesBefore) {
		return Unknown
	}
	if state != Unknown && o.hidden(definite, holesBefore) {
		return Unknown
	}
	return state
}

func (o *obvious) unknown(p *point.Point, last flat, at, holesBefore int64) bool {
	return p.MaxSilence > 0 && at-last.wall > 2*int64(p.MaxSilence) || o.hidden(last, holesBefore)
}

// hidden reports whether a hole that began before the limit may hold something newer than f.
func (o *obvious) hidden(f flat, before int64) bool {
	for _, h := range o.holes {
		switch {
		case h.lane != f.id.Lane || h.first >= before:
		case h.epoch != f.id.Epoch:
			if h.last > f.wall {
				return true
			}
		case h.to-1 > f.id.Seq && (!h.exact || h.last > f.wall):
			return true
		}
	}
	return false
}

// passages adds each run's largest total and the distinct event keys.
func (o *obvious) passages(index uint32) uint64 {
	best, keys := map[uint64]uint64{}, map[[16]byte]bool{}
	for _, f := range o.upTo(index, o.limit()) {
		switch {
		case o.table[index].Class == point.Event:
			keys[f.key] = true
		case !f.sample.Quality.IsBad():
			best[f.run] = max(best[f.run], f.sample.Bits)
		}
	}
	n := uint64(len(keys))
	for _, total := range best {
		n += total
	}
	return n
}

// drawBatch makes one random batch and the flat samples in it.
func drawBatch(t *rapid.T, r *venuetest.Rig, id point.BatchID) (wire.Batch, []flat) {
	var b wire.Batch
	var flats []flat
	runs, reset := map[uint32]uint64{}, map[uint32]bool{}
	for i := range rapid.IntRange(1, 8).Draw(t, "samples") {
		index := drawIndex(t, id.Lane)
		// Few distinct times, so that ties are common; some lie ahead of now.
		s := point.Sample{Index: index, Time: at(time.Duration(rapid.IntRange(40, 62).Draw(t, "minute")) * time.Minute)}
		if rapid.IntRange(0, 5).Draw(t, "bad") == 0 {
			s.Quality = point.BadTimeout
		}
		f := flat{wall: venuetest.Origin.UnixNano() + s.Time, id: id, index: i}
		switch p := &r.Table[index]; {
		case p.Class == point.Counter:
			if runs[index] == 0 {
				runs[index] = rapid.Uint64Range(1, 3).Draw(t, "run")
				b.Runs = append(b.Runs, point.CounterRun{Index: index, Run: runs[index], Bits: 16, Reason: point.RunReset, Start: at(time.Minute)})
				// Half of the time the counter is reset within the batch: from the fiftieth minute on another run holds.
				if rapid.Bool().Draw(t, "reset") {
					b.Runs = append(b.Runs, point.CounterRun{Index: index, Run: runs[index] + 10, Bits: 16, Reason: point.RunReset, Start: at(50 * time.Minute)})
					reset[index] = true
				}
			}
			s.Bits, f.run = rapid.Uint64Range(0, 500).Draw(t, "total"), runs[index]
			if reset[index] && s.Time >= at(50*time.Minute) {
				f.run += 10
			}
		case p.Class == point.Event:
			f.key = [16]byte{byte(rapid.IntRange(1, 6).Draw(t, "key"))}
			s.Bits = 1
			b.Events = append(b.Events, point.EventKey{Position: uint32(i), Key: f.key})
		case p.Type == point.Bool:
			s.Bits = rapid.Uint64Range(0, 1).Draw(t, "bool")
		case p.Type == point.Text:
			f.text = rapid.SampledFrom([]string{"GATE OPEN", "LET'S GO", ""}).Draw(t, "text")
			s.Bits = uint64(len(b.Texts))
			b.Texts = append(b.Texts, f.text)
		default:
			s.Bits = point.IntBits(int64(rapid.SampledFrom([]int{0, 149, 150, 170, 199, 200, 700}).Draw(t, "value")))
		}
		f.sample = s
		b.Samples, flats = append(b.Samples, s), append(flats, f)
	}
	return b, flats
}

func drawIndex(t *rapid.T, lane point.Lane) uint32 {
	if lane == point.Critical {
		return uint32(rapid.IntRange(3, 5).Draw(t, "point"))
	}
	return uint32(rapid.SampledFrom([]int{0, 1, 2, 6, 7}).Draw(t, "point"))
}

// scenario draws batches of two epochs and two lanes, some of which the cloud never gets, what their gateway says of them, and the set
// of samples in those that it gets.
func scenario(t *rapid.T, r *venuetest.Rig) (records []log.Record, o *obvious) {
	w := newWorld(t, r)
	for range rapid.IntRange(1, 14).Draw(t, "batches") {
		w.add(point.Epoch{byte(rapid.IntRange(1, 2).Draw(t, "epoch"))}, point.Lane(rapid.IntRange(1, 2).Draw(t, "lane")))
	}
	return w.records(), w.obvious()
}

// deliverSomehow delivers all records in a random order, some more than once, the table at a random place, while time passes.
func deliverSomehow(t *rapid.T, r *venuetest.Rig, records []log.Record) {
	end := r.Now
	r.Now = end.Add(-time.Duration(rapid.IntRange(0, 20).Draw(t, "minutes before")) * time.Minute)
	order := make([]int, len(records))
	for i := range order {
		order[i] = i
	}
	order = rapid.Permutation(append(order, order[:rapid.IntRange(0, len(order)).Draw(t, "again")]...)).Draw(t, "order")
	tableAt := rapid.IntRange(0, len(order)).Draw(t, "tableAt")
	for i, k := range order {
		if i == tableAt {
			r.DeliverTable()
		}
		r.Deliver(records[k].Kind, records[k].Payload)
		if rapid.IntRange(0, 4).Draw(t, "tick") == 0 {
			r.Now = r.Now.Add(end.Sub(r.Now) / 2)
			r.V.Tick()
		}
	}
	if tableAt == len(order) {
		r.DeliverTable()
	}
	r.Now = end
	r.V.Tick()
}

func compare(t *rapid.T, v *Venue, o *obvious) {
	_, seats := v.Seats()
	for i := range seats {
		if want := o.occupancy(uint32(i), o.limit(), o.now.UnixNano(), o.limit()); seats[i].State != want {
			t.Fatalf("seat %d is %v, the set says %v", i, seats[i].State, want)
		}
	}
	in := o.passages(3) + o.passages(5)
	if g := v.Gates(); g.In != in || g.Out != o.passages(4) {
		t.Fatalf("passages %d in, %d out; the set says %d and %d", g.In, g.Out, in, o.passages(4))
	}
	for _, h := range v.History(venuetest.Origin.Add(39 * time.Minute)) {
		occupied, unknown := 0, 0
		for i := range seats {
			switch o.occupancy(uint32(i), min(h.At.UnixNano()-1, o.limit()), h.At.UnixNano(), h.At.UnixNano()) {
			case Occupied:
				occupied++
			case Unknown:
				unknown++
			}
		}
		if h.Occupied != occupied || h.Unknown != unknown {
			t.Fatalf("at the end of the bucket before %v %d are occupied and %d unknown, the set says %d and %d", h.At, h.Occupied, h.Unknown, occupied, unknown)
		}
	}
	comparePoints(t, v, o)
	o.compareGaps(t, v)
}

func comparePoints(t *rapid.T, v *Venue, o *obvious) {
	got := map[string]PointValue{}
	for _, p := range v.Points(PointFilter{}).Points {
		got[p.Point] = p
	}
	for i := range o.table {
		p := &o.table[i]
		samples := o.upTo(uint32(i), o.limit())
		have, ok := got[p.Qualified()]
		if ok != (len(samples) > 0) {
			t.Fatalf("%s: reported %v with %d samples", p.Qualified(), ok, len(samples))
		}
		if !ok || p.Class != point.State {
			continue
		}
		last := samples[len(samples)-1]
		if !have.At.Equal(time.Unix(0, last.wall)) || have.Quality != last.sample.Quality.String() {
			t.Fatalf("%s: %+v, the set says %v %v", p.Qualified(), have, time.Unix(0, last.wall), last.sample.Quality)
		}
		if want := o.unknown(p, last, o.now.UnixNano(), o.limit()); !last.sample.Quality.IsBad() && (have.Unknown != "") != want {
			t.Fatalf("%s: unknown %q, the set says %v", p.Qualified(), have.Unknown, want)
		}
		if have.Unknown == "" && fmt.Sprint(have.Value) != valueOf(p, last) {
			t.Fatalf("%s: value %v, the set says %s", p.Qualified(), have.Value, valueOf(p, last))
		}
	}
}

func valueOf(p *point.Point, f flat) string {
	switch p.Type {
	case point.Bool:
		return fmt.Sprint(f.sample.Bits == 1)
	case point.Text:
		return f.text
	}
	n := p.Number(f.sample.Bits)
	if math.IsNaN(n) {
		return "<nil>"
	}
	return fmt.Sprint(n)
}

// TestI2StateIsAFunctionOfTheSet compares the state after any deliveries with a slow, obvious function of the set of batches.
func TestI2StateIsAFunctionOfTheSet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := venuetest.New(t)
		records, o := scenario(t, r)
		deliverSomehow(t, r, records)
		compare(t, r.V, o)
	})
}

// TestI6NoOrderOfArrivalChangesTheState compares two venues that got the same batches differently.
func TestI6NoOrderOfArrivalChangesTheState(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := venuetest.New(t), venuetest.New(t)
		records, _ := scenario(t, a)
		deliverSomehow(t, a, records)
		deliverSomehow(t, b, records)
		if x, y := answers(a.V), answers(b.V); x != y {
			t.Fatalf("one order of arrival:\n%s\nanother:\n%s", x, y)
		}
	})
}

// answers writes everything that does not depend on how the state came about.
func answers(v *Venue) string {
	_, seats := v.Seats()
	g := v.Gates()
	pts := v.Points(PointFilter{}).Points
	slices.SortFunc(pts, func(a, b PointValue) int { return strings.Compare(a.Point, b.Point) })
	gaps := v.Gaps()
	for i := range gaps.Gaps {
		gaps.Gaps[i].Declared, gaps.Gaps[i].Alarm = time.Time{}, false // when and how it was learnt is no part of it
	}
	return fmt.Sprint(seats, g.In, g.Out, g.Gates, pts, v.History(venuetest.Origin), v.Panels().Panels, gaps.Gaps, gaps.Pending)
}
