package filter

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/sync/point"
)

// Whatever comes: what Why says of a reading beforehand is what Apply then does.
func TestWhySaysWhatApplyDoes(t *testing.T) {
	table := []point.Point{
		{Name: "int", Type: point.Int, Class: point.State, Lane: point.Telemetry, Scale: 0.1, Deadband: 0.5, MaxSilence: 20 * time.Second},
		{Name: "float", Type: point.Float, Class: point.State, Lane: point.Telemetry, Deadband: 0.5},
		{Name: "bool", Type: point.Bool, Class: point.State, Lane: point.Telemetry},
		{Name: "count", Type: point.Int, Class: point.Counter, Lane: point.Critical, Bits: 16, MaxRate: 10},
		{Name: "text", Type: point.Text, Class: point.State, Lane: point.Telemetry},
		seat(),
	}
	random := rand.New(rand.NewPCG(1, 2))
	f := newFilter(table...)
	texts := []string{"a", "b"}
	held := 0
	for at := int64(1); at < 4000; at++ {
		index := uint32(random.IntN(len(table)))
		r := drivers.Reading{Index: index}
		switch p := &table[index]; p.Type {
		case point.Int:
			r.Bits = uint64(150 + random.IntN(20))
		case point.Float:
			r.Bits = point.FloatBits(random.Float64())
		case point.Bool, point.Text:
			r.Bits = random.Uint64N(2)
		}
		if random.IntN(8) == 0 {
			r.Quality = point.BadTimeout
		}
		st := f.States(nil, func(i uint32) bool { return i == index })[0]
		text := ""
		if table[index].Type == point.Text && !r.Quality.IsBad() {
			text = texts[r.Bits]
		}
		why := st.Why(&table[index], r.Bits, text, r.Quality, at*second)
		passed := len(one(f, at*second, r, texts...)) > 0
		if passed != strings.HasPrefix(why, "passes") {
			t.Fatalf("reading %+v of %s at %d s with %+v: passed %t, but %q", r, table[index].Name, at, st, passed, why)
		}
		if !passed {
			held++
		}
	}
	if held < 400 {
		t.Errorf("only %d readings were held back; the test proves little", held)
	}
}

func TestStatesTellWhatIsNoNews(t *testing.T) {
	f := newFilter(point.Point{Name: "v", Type: point.Float, Class: point.State, Lane: point.Telemetry, Deadband: 2})
	one(f, second, drivers.Reading{Bits: point.FloatBits(-10)})
	st := f.States(nil, nil)
	if len(st) != 1 || !st[0].Bounded {
		t.Fatalf("states %+v", st)
	}
	p := point.Point{Type: point.Float}
	if low, high := p.Number(st[0].Low), p.Number(st[0].High); low < -12 || low > -11.99 || high > -8 || high < -8.01 {
		t.Errorf("no news from %v to %v, want all but -12 to all but -8", low, high)
	}
	if why := st[0].Why(&point.Point{Type: point.Float, Deadband: 2}, point.FloatBits(-11), "", point.Good, 2*second); why != "held back: -11 is within the deadband 2 of the reported -10" {
		t.Errorf("why %q", why)
	}
}

func TestRebaseMovesReportsToAnotherTable(t *testing.T) {
	a := point.Point{Device: "d", Name: "a", Type: point.Int, Class: point.State, Lane: point.Telemetry}
	c := point.Point{Device: "d", Name: "c", Type: point.Int, Class: point.Counter, Lane: point.Critical, Bits: 16, MaxRate: 10}
	f := newFilter(a, c)
	one(f, second, drivers.Reading{Index: 0, Bits: 5})
	one(f, second, drivers.Reading{Index: 1, Bits: 100})
	other := []point.Point{{Device: "new", Name: "x"}, a, c}
	if err := f.Rebase(other, []uint32{1, 2}); err != nil {
		t.Fatal(err)
	}
	if got := one(f, 2*second, drivers.Reading{Index: 0, Bits: 5}); len(got) != 0 {
		t.Errorf("an unchanged value passed: %+v", got)
	}
	if got := one(f, 2*second, drivers.Reading{Index: 0, Bits: 6}); len(got) != 1 || got[0].Index != 1 {
		t.Errorf("reported %+v, want index 1", got)
	}
	_, critical := f.Apply(&drivers.Block{Time: 3 * second, Readings: []drivers.Reading{{Index: 1, Bits: 103}}, Gaps: []drivers.Gap{{Index: 1, Count: 1}}}, testMap)
	if critical == nil || critical.Samples[0].Index != 2 || critical.Samples[0].Bits != 3 || critical.Runs[0].Index != 2 || critical.Gaps[0].Index != 2 {
		t.Errorf("critical %+v: want the run to go on at index 2, and the gap there", critical)
	}
	changed := []point.Point{a, c}
	changed[0].Deadband = 1
	if err := f.Rebase(changed, []uint32{0, 1}); err == nil {
		t.Error("a point that differs was taken for the same")
	}
	if err := f.Rebase(other, []uint32{1}); err == nil {
		t.Error("a table without one of the points was taken")
	}
}

// However qualities change, and whatever fails, Bad counts the points that were last reported as bad.
func TestBadCountsWhatWasLastReportedAsBad(t *testing.T) {
	table := []point.Point{
		{Name: "int", Type: point.Int, Class: point.State, Lane: point.Telemetry},
		{Name: "count", Type: point.Int, Class: point.Counter, Lane: point.Critical, Bits: 16, MaxRate: 10},
		{Name: "text", Type: point.Text, Class: point.State, Lane: point.Telemetry},
		{Name: "event", Type: point.Int, Class: point.Event, Lane: point.Critical},
	}
	random := rand.New(rand.NewPCG(3, 4))
	f := newFilter(table...)
	for at := int64(1); at < 1000; at++ {
		switch r := (drivers.Reading{Index: uint32(random.IntN(len(table)))}); random.IntN(40) {
		case 0:
			f.Fail(point.BadNotConnected, at*second, testMap)
		default:
			if random.IntN(2) == 0 {
				r.Quality = point.BadTimeout
			}
			one(f, at*second, r, "a")
		}
		want := 0
		for _, st := range f.States(nil, nil) {
			if st.Started && st.Quality.IsBad() {
				want++
			}
		}
		if f.Bad() != want {
			t.Fatalf("at %d s Bad is %d, but %d points are bad", at, f.Bad(), want)
		}
	}
}

func TestResetsAreCounted(t *testing.T) {
	f := newFilter(point.Point{Name: "count", Type: point.Int, Class: point.Counter, Lane: point.Critical, Bits: 16, MaxRate: 2})
	for i, raw := range []uint64{100, 102, 40, 90, 91} { // 40 went back, 90 is further than the rate allows
		one(f, int64(i+1)*second, drivers.Reading{Index: 0, Bits: raw})
	}
	if n := f.States(nil, nil)[0].Resets; n != 2 {
		t.Errorf("%d resets, want 2", n)
	}
}
