package filter

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/point"
)

var testMap = clock.Map{Boot: clock.BootID{1}, Offset: time.Duration(1_700_000_000 * time.Second), Source: clock.NTP}

const second = int64(time.Second)

func own(table []point.Point) []uint32 {
	indices := make([]uint32, len(table))
	for i := range indices {
		indices[i] = uint32(i)
	}
	return indices
}

func newFilter(table ...point.Point) *Filter { return New(table, own(table), nil) }

// one applies a single reading and returns what of it passed.
func one(f *Filter, at int64, r drivers.Reading, texts ...string) []point.Sample {
	return samples(f.Apply(&drivers.Block{Time: at, Readings: []drivers.Reading{r}, Texts: texts}, testMap))
}

func samples(telemetry, critical *Report) []point.Sample {
	var all []point.Sample
	for _, r := range []*Report{telemetry, critical} {
		if r != nil {
			all = append(all, r.Samples...)
		}
	}
	return all
}

func seat() point.Point {
	return point.Point{Name: "seat", Type: point.Int, Kind: point.Seat, Class: point.State, Lane: point.Telemetry,
		Scale: 0.1, Deadband: 2, OccupiedAbove: 20, OccupiedBelow: 15}
}

func TestStatePoints(t *testing.T) {
	state := func(ty point.Type, deadband float64) point.Point {
		return point.Point{Type: ty, Class: point.State, Lane: point.Telemetry, Deadband: deadband}
	}
	i, fl := point.IntBits, point.FloatBits
	scaled := state(point.Int, 2)
	scaled.Scale = 0.1
	huge := state(point.Int, math.MaxFloat64)
	for name, c := range map[string]struct {
		p    point.Point
		bits []uint64
		pass []bool
	}{
		"int without deadband":         {state(point.Int, 0), []uint64{i(5), i(5), i(6), i(6), i(-6)}, []bool{true, false, true, false, true}},
		"int deadband is kept from":    {state(point.Int, 2), []uint64{i(5), i(6), i(4), i(7), i(8), i(9)}, []bool{true, false, false, true, false, true}},
		"slow drift passes":            {state(point.Int, 3), []uint64{i(0), i(1), i(2), i(3), i(4), i(5), i(6)}, []bool{true, false, false, true, false, false, true}},
		"deadband counts scaled":       {scaled, []uint64{i(0), i(19), i(20), i(39), i(40)}, []bool{true, false, true, false, true}},
		"int extremes do not wrap":     {state(point.Int, 10), []uint64{i(math.MaxInt64), i(math.MinInt64), i(math.MaxInt64 - 9), i(math.MaxInt64)}, []bool{true, true, true, false}},
		"endless deadband":             {huge, []uint64{i(0), i(1 << 40), i(-1 << 40)}, []bool{true, false, false}},
		"float":                        {state(point.Float, 0.5), []uint64{fl(1), fl(1.4), fl(1.5), fl(1.1), fl(1)}, []bool{true, false, true, false, true}},
		"float across zero":            {state(point.Float, 0.5), []uint64{fl(-0.2), fl(0.2), fl(0.3), fl(-0.1)}, []bool{true, false, true, false}},
		"zeros are one":                {state(point.Float, 0), []uint64{fl(0), fl(math.Copysign(0, -1)), fl(0)}, []bool{true, false, false}},
		"NaN passes once":              {state(point.Float, 0.5), []uint64{fl(1), fl(math.NaN()), fl(math.NaN()) | sign, fl(math.NaN()) + 1, fl(1)}, []bool{true, true, false, false, true}},
		"infinity":                     {state(point.Float, 0.5), []uint64{fl(math.Inf(1)), fl(math.Inf(1)), fl(math.MaxFloat64), fl(math.Inf(-1))}, []bool{true, false, true, true}},
		"deadband lost in rounding":    {state(point.Float, 0.1), []uint64{fl(1e300), fl(1e300), fl(2e300)}, []bool{true, false, true}},
		"any bool but 0 is true":       {state(point.Bool, 0), []uint64{0, 1, 2, 0}, []bool{true, true, false, true}},
		"seat: state beats deadband":   {seat(), []uint64{i(190), i(199), i(200), i(185), i(151), i(150), i(149)}, []bool{true, false, true, false, true, false, true}},
		"seat: unknown, both ways out": {seat(), []uint64{i(170), i(160), i(149), i(155), i(199), i(200)}, []bool{true, false, true, false, true, true}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFilter(c.p)
			for n, bits := range c.bits {
				got := one(f, int64(n)*second, drivers.Reading{Bits: bits})
				if (len(got) == 1) != c.pass[n] {
					t.Errorf("reading %d: %d samples passed, want pass %t", n, len(got), c.pass[n])
				}
			}
		})
	}
}

func TestQualityAlwaysPasses(t *testing.T) {
	for name, p := range map[string]point.Point{
		"int": {Type: point.Int, Class: point.State}, "float": {Type: point.Float, Class: point.State}, "text": {Type: point.Text, Class: point.State},
		"counter": {Type: point.Int, Class: point.Counter, Bits: 16, MaxRate: 1}, "seat": seat(),
	} {
		t.Run(name, func(t *testing.T) {
			f := newFilter(p)
			steps := []struct {
				q    point.Quality
				bits uint64
				want int
			}{
				{point.Good, 0, 1}, {point.BadTimeout, 0, 1}, {point.BadTimeout, 0, 0}, {point.BadTimeout, 77, 0},
				{point.BadCommunication, 0, 1}, {point.Good, 0, 1}, {point.Uncertain, 0, 1}, {point.Uncertain, 0, 0}, {point.Good, 0, 1}, {point.Good, 0, 0},
			}
			for n, s := range steps {
				got := one(f, int64(n)*second, drivers.Reading{Bits: s.bits, Quality: s.q}, "x")
				if len(got) != s.want {
					t.Errorf("step %d: %d samples, want %d", n, len(got), s.want)
				}
				if len(got) == 1 && got[0].Quality != s.q {
					t.Errorf("step %d: quality %v, want %v", n, got[0].Quality, s.q)
				}
			}
		})
	}
}

func TestSeatForgetsItsStateOverABadSpell(t *testing.T) {
	f := newFilter(seat())
	one(f, 0, drivers.Reading{Bits: 300})
	one(f, second, drivers.Reading{Quality: point.BadTimeout})
	if got := one(f, 2*second, drivers.Reading{Bits: 195}); len(got) != 1 {
		t.Fatal("the return of quality did not pass")
	}
	if got := one(f, 3*second, drivers.Reading{Bits: 200}); len(got) != 1 {
		t.Error("a seat that may have been forgotten filled without a report")
	}
}

func TestText(t *testing.T) {
	f := newFilter(point.Point{Type: point.Text, Class: point.State, Lane: point.Telemetry})
	b := &drivers.Block{Readings: []drivers.Reading{{Bits: 1}}, Texts: []string{"other", "hello"}}
	tel, _ := f.Apply(b, testMap)
	if len(tel.Samples) != 1 || tel.Texts[tel.Samples[0].Bits] != "hello" {
		t.Fatalf("first text: %+v", tel)
	}
	b = &drivers.Block{Time: 1, Readings: []drivers.Reading{{Bits: 0}}, Texts: []string{"hello"}}
	if tel, _ = f.Apply(b, testMap); tel != nil {
		t.Error("the same text at another position passed")
	}
	b.Texts[0] = "bye"
	if tel, _ = f.Apply(b, testMap); tel == nil || tel.Texts[0] != "bye" {
		t.Error("another text at the same position did not pass")
	}
	b.Readings[0].Bits = 9
	if tel, _ = f.Apply(b, testMap); tel == nil || tel.Samples[0].Quality != point.BadDataEncodingInvalid || tel.Texts[tel.Samples[0].Bits] != "" {
		t.Error("a text that is not there did not become a bad reading")
	}
}

func TestMaxSilence(t *testing.T) {
	p := point.Point{Type: point.Int, Class: point.State, Lane: point.Telemetry, MaxSilence: 10 * time.Second}
	f := newFilter(p)
	var passed []int64
	for at := int64(0); at <= 35; at++ {
		if len(one(f, at*second, drivers.Reading{Bits: 7})) > 0 {
			passed = append(passed, at)
		}
	}
	if !slices.Equal(passed, []int64{0, 10, 20, 30}) {
		t.Errorf("passed at %v", passed)
	}
	if got := samples(f.Silence(39*second, testMap)); len(got) != 0 {
		t.Errorf("too early: %v", got)
	}
	got := samples(f.Silence(40*second, testMap))
	if len(got) != 1 || got[0].Bits != 7 || got[0].Time != 40*second {
		t.Errorf("silence reports %v", got)
	}
}

func TestFailGoesBadOnce(t *testing.T) {
	counter := point.Point{Name: "c", Type: point.Int, Class: point.Counter, Lane: point.Critical, Bits: 16, MaxRate: 10}
	f := newFilter(seat(), point.Point{Type: point.Text, Class: point.State, Lane: point.Telemetry}, counter, point.Point{Type: point.Int, Class: point.Event, Lane: point.Critical})
	one(f, 0, drivers.Reading{Index: 0, Bits: 100})
	one(f, 0, drivers.Reading{Index: 1, Quality: point.BadNodeIDUnknown})
	tel, crit := f.Fail(point.BadTimeout, second, testMap)
	if got := samples(tel, nil); len(got) != 1 || got[0].Index != 0 || got[0].Quality != point.BadTimeout {
		t.Errorf("telemetry %v: only the point that was not bad is news", got)
	}
	if got := samples(nil, crit); len(got) != 2 {
		t.Errorf("critical %v", got)
	}
	if len(crit.Runs) != 1 || crit.Runs[0].Run == 0 || len(crit.Cursors) != 0 {
		t.Errorf("a counter never read: runs %v cursors %v", crit.Runs, crit.Cursors)
	}
	if got := samples(f.Fail(point.BadNotConnected, 2*second, testMap)); len(got) != 0 {
		t.Errorf("went bad twice: %v", got)
	}
	if got := one(f, 3*second, drivers.Reading{Bits: 100}); len(got) != 1 {
		t.Error("the return did not pass")
	}
}

func TestOwnPointsWithHoles(t *testing.T) {
	table := make([]point.Point, 10)
	for i := range table {
		table[i] = point.Point{Type: point.Int, Class: point.State, Lane: point.Telemetry}
	}
	f := New(table, []uint32{7, 3, 5}, nil)
	b := &drivers.Block{}
	for i := range uint32(10) {
		b.Readings = append(b.Readings, drivers.Reading{Index: i, Bits: uint64(i)})
	}
	b.Readings = append(b.Readings, drivers.Reading{Index: math.MaxUint32})
	var got []uint32
	for _, s := range samples(f.Apply(b, testMap)) {
		got = append(got, s.Index)
	}
	if !slices.Equal(got, []uint32{3, 5, 7}) || f.Stats().Foreign != 8 {
		t.Errorf("passed %v, foreign %d", got, f.Stats().Foreign)
	}
	if tel, crit := New(table, nil, nil).Apply(b, testMap); tel != nil || crit != nil {
		t.Error("a device without points reports")
	}
}

func TestDeviceTimesKeepTheirSamples(t *testing.T) {
	p := point.Point{Type: point.Int, Class: point.State, Lane: point.Telemetry}
	f := newFilter(p, p, p)
	tel, _ := f.Apply(&drivers.Block{Readings: []drivers.Reading{{Index: 0}, {Index: 1}, {Index: 2}}, DeviceTimes: []int64{11, 0, 33}}, testMap)
	if want := []point.DeviceTime{{Position: 0, UnixNano: 11}, {Position: 2, UnixNano: 33}}; !slices.Equal(tel.DeviceTimes, want) {
		t.Errorf("device times %v, want %v", tel.DeviceTimes, want)
	}
}

func TestReductionWidensTelemetryOnly(t *testing.T) {
	p := point.Point{Type: point.Int, Class: point.State, Lane: point.Telemetry, Deadband: 2}
	critical := p
	critical.Lane = point.Critical
	f := newFilter(p, critical)
	for i := range uint32(2) {
		one(f, 0, drivers.Reading{Index: i, Bits: 10})
	}
	note := f.SetReduction(3, 0, 5)
	if note != (point.Reduced{Since: 5, DeadbandFactor: 3}) {
		t.Errorf("note %+v", note)
	}
	for _, c := range []struct {
		index uint32
		bits  uint64
		want  int
	}{{0, 15, 0}, {0, 16, 1}, {1, 11, 0}, {1, 12, 1}} {
		if got := one(f, second, drivers.Reading{Index: c.index, Bits: c.bits}); len(got) != c.want {
			t.Errorf("point %d to %d: %d samples, want %d", c.index, c.bits, len(got), c.want)
		}
	}
	f.SetReduction(math.NaN(), -1, 9)
	if got := one(f, second, drivers.Reading{Bits: 18}); len(got) != 1 {
		t.Error("the deadband did not come back")
	}
}

func TestReductionHoldsBackAndLetsGo(t *testing.T) {
	f := newFilter(point.Point{Type: point.Int, Class: point.State, Lane: point.Telemetry}, seat())
	one(f, 0, drivers.Reading{Bits: 1})
	one(f, 0, drivers.Reading{Index: 1, Bits: 100})
	f.SetReduction(1, 10*time.Second, 0)
	if got := one(f, second, drivers.Reading{Index: 1, Bits: 400}); len(got) != 1 {
		t.Error("a seat that filled was held back")
	}
	if got := one(f, second, drivers.Reading{Bits: 2}); len(got) != 0 {
		t.Error("a change within the interval passed")
	}
	if got := samples(f.Silence(9*second, testMap)); len(got) != 0 {
		t.Errorf("let go too early: %v", got)
	}
	got := samples(f.Silence(10*second, testMap))
	if len(got) != 1 || got[0].Bits != 2 || got[0].Time != second {
		t.Errorf("let go %v", got)
	}
	one(f, 12*second, drivers.Reading{Bits: 3})
	one(f, 13*second, drivers.Reading{Bits: 4})
	if got := one(f, 13*second, drivers.Reading{Bits: 3}); len(got) != 0 {
		t.Error("the way back passed")
	}
	if got := samples(f.Silence(40*second, testMap)); len(got) != 0 {
		t.Errorf("a change that was taken back is reported: %v", got)
	}
	one(f, 14*second, drivers.Reading{Bits: 9})
	f.SetReduction(1, 0, 15*second)
	if got := samples(f.Silence(15*second, testMap)); len(got) != 1 || got[0].Bits != 9 {
		t.Errorf("the end of a reduction leaves %v held", got)
	}
}

func TestEvents(t *testing.T) {
	f := newFilter(point.Point{Device: "d", Name: "e", Type: point.Int, Class: point.Event, Lane: point.Critical})
	block := func(at int64, device ...int64) *drivers.Block {
		b := &drivers.Block{Time: at, DeviceTimes: device}
		for range device {
			b.Readings = append(b.Readings, drivers.Reading{Bits: 1})
		}
		return b
	}
	keys := func(r *Report) []point.EventKey { return slices.Clone(r.Events) }
	_, crit := f.Apply(block(1, 100, 100, 200), testMap)
	first := keys(crit)
	if len(first) != 3 || first[0].Key == first[1].Key || first[1].Key == first[2].Key || first[2].Position != 2 {
		t.Fatalf("three occurrences have keys %v", first)
	}
	_, crit = f.Apply(block(50, 100, 100, 200), testMap)
	if again := keys(crit); !slices.Equal(first, again) {
		t.Error("the same occurrences, delivered again, have other keys")
	}
	_, crit = f.Apply(block(60, 0), testMap)
	early := keys(crit)
	_, crit = f.Apply(block(61, 0), testMap)
	if late := keys(crit); early[0].Key == late[0].Key {
		t.Error("two occurrences without a device time have one key")
	}
	if got := one(f, 70, drivers.Reading{Quality: point.BadTimeout}); len(got) != 1 {
		t.Error("a source out of order was not reported")
	}
	if got := one(f, 71, drivers.Reading{Quality: point.BadTimeout}); len(got) != 0 {
		t.Error("a source out of order was reported twice")
	}
}

func TestTextEventsAlikeAreTold(t *testing.T) {
	f := newFilter(point.Point{Type: point.Text, Class: point.Event, Lane: point.Critical})
	_, crit := f.Apply(&drivers.Block{Readings: []drivers.Reading{{Bits: 0}, {Bits: 1}, {Bits: 2}, {Bits: 7}}, Texts: []string{"a", "a", "b"}}, testMap)
	if len(crit.Events) != 3 || crit.Events[0].Key == crit.Events[1].Key || len(crit.Samples) != 4 || !crit.Samples[3].Quality.IsBad() {
		t.Errorf("%+v", crit)
	}
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	f, b := steady()
	if n := testing.AllocsPerRun(100, func() { b.Time++; f.Apply(b, testMap) }); n != 0 {
		t.Errorf("%v allocations for readings that change nothing", n)
	}
	i := uint64(0)
	if n := testing.AllocsPerRun(100, func() {
		i++
		b.Time++
		for k := range b.Readings {
			b.Readings[k].Bits += 100 * (1 - 2*(i%2))
		}
		f.Apply(b, testMap)
	}); n != 0 {
		t.Errorf("%v allocations for readings that all pass", n)
	}
}

func steady() (*Filter, *drivers.Block) {
	table := make([]point.Point, 1000)
	b := &drivers.Block{}
	for i := range table {
		table[i] = seat()
		b.Readings = append(b.Readings, drivers.Reading{Index: uint32(i), Bits: uint64(100 + i%50)})
	}
	f := New(table, own(table), nil)
	f.Apply(b, testMap)
	return f, b
}

func BenchmarkUnchanged(b *testing.B) {
	f, block := steady()
	b.ReportAllocs()
	for i := 0; i < b.N; i += len(block.Readings) {
		block.Time++
		f.Apply(block, testMap)
	}
}

func BenchmarkPassed(b *testing.B) {
	f, block := steady()
	b.ReportAllocs()
	up := uint64(100)
	for i := 0; i < b.N; i += len(block.Readings) {
		block.Time++
		for k := range block.Readings {
			block.Readings[k].Bits += up
		}
		up = -up
		f.Apply(block, testMap)
	}
}
