package filter

import (
	"slices"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/point"
)

func passages(name point.Name) point.Point {
	return point.Point{Device: "plc", Name: name, Type: point.Int, Kind: point.Gate, Class: point.Event, Lane: point.Critical, Direction: point.In}
}

// logged is a block of one event of point index.
func logged(at int64, index uint32, e drivers.Event, deviceTime int64) *drivers.Block {
	return &drivers.Block{Time: at, Readings: []drivers.Reading{{Index: index, Bits: 1}}, DeviceTimes: []int64{deviceTime}, Events: []drivers.Event{e}}
}

func keyOf(t *testing.T, f *Filter, b *drivers.Block, now clock.Map) [16]byte {
	t.Helper()
	_, critical := f.Apply(b, now)
	if critical == nil || len(critical.Events) != 1 {
		t.Fatalf("%+v", critical)
	}
	return critical.Events[0].Key
}

// Whoever reads an event, on whatever boot and however late, makes the same key; whatever differs makes another.
func TestLoggedEventsHaveTheKeyOfTheDevice(t *testing.T) {
	e := drivers.Event{Generation: 3, ID: 7, Time: 99, Direction: 1, Ticket: []byte("hash")}
	want := keyOf(t, newFilter(passages("a"), passages("b")), logged(10*second, 0, e, 0), testMap)
	other := clock.Map{Boot: clock.BootID{9}}
	if got := keyOf(t, newFilter(passages("a"), passages("b")), logged(77*second, 0, e, 5*second), other); got != want {
		t.Error("another reader makes another key")
	}
	f := newFilter(passages("a"), passages("b"))
	seen := map[[16]byte]string{want: "the event"}
	for name, change := range map[string]func(*drivers.Event){
		"generation": func(e *drivers.Event) { e.Generation++ }, "id": func(e *drivers.Event) { e.ID++ }, "time": func(e *drivers.Event) { e.Time++ },
		"direction": func(e *drivers.Event) { e.Direction++ }, "ticket": func(e *drivers.Event) { e.Ticket = []byte("other") }, "no ticket": func(e *drivers.Event) { e.Ticket = nil },
	} {
		c := e
		change(&c)
		got := keyOf(t, f, logged(20*second, 0, c, 0), testMap)
		if seen[got] != "" {
			t.Errorf("%s makes the key of %s", name, seen[got])
		}
		seen[got] = name
	}
	if got := keyOf(t, f, logged(30*second, 1, e, 0), testMap); seen[got] != "" {
		t.Errorf("another point makes the key of %s", seen[got])
	}
}

// Two events that look alike are two events when the device numbers them.
func TestLoggedEventsAreNotMerged(t *testing.T) {
	f := newFilter(passages("a"))
	b := &drivers.Block{Time: second}
	for id := range uint64(3) {
		b.Readings = append(b.Readings, drivers.Reading{Bits: 1})
		if id != 1 { // one that nothing is said about stands between
			b.Events = append(b.Events, drivers.Event{Position: uint32(id), ID: id})
		}
	}
	_, critical := f.Apply(b, testMap)
	if len(critical.Samples) != 3 || len(critical.Events) != 3 {
		t.Fatalf("%+v", critical)
	}
	for n, e := range critical.Events {
		if e.Position != uint32(n) || slices.ContainsFunc(critical.Events[:n], func(o point.EventKey) bool { return o.Key == e.Key }) {
			t.Errorf("keys %v", critical.Events)
		}
	}
}

func TestLoggedEventsAreDatedByTheDevice(t *testing.T) {
	wall := func(mono int64) int64 { return testMap.Wall(mono) }
	undated := clock.Map{Boot: testMap.Boot}
	for name, c := range map[string]struct {
		e      drivers.Event
		device int64
		now    clock.Map
		want   int64
	}{
		"no time at all":              {drivers.Event{}, 0, testMap, 100},
		"the device's wall clock":     {drivers.Event{From: 50 * second}, wall(70 * second), testMap, 70},
		"no earlier than last asked":  {drivers.Event{From: 80 * second}, wall(70 * second), testMap, 80},
		"no later than it came":       {drivers.Event{From: 80 * second}, wall(170 * second), testMap, 100},
		"from before this boot":       {drivers.Event{}, wall(-70 * second), testMap, 0},
		"the gateway knows no time":   {drivers.Event{From: 50 * second}, wall(70 * second), undated, 100},
		"the driver dates it":         {drivers.Event{From: 50 * second, At: 60 * second}, wall(70 * second), testMap, 60},
		"the driver dates it too old": {drivers.Event{From: 50 * second, At: 20 * second}, 0, undated, 50},
	} {
		_, critical := newFilter(passages("a")).Apply(logged(100*second, 0, c.e, c.device), c.now)
		if got := critical.Samples[0].Time; got != c.want*second {
			t.Errorf("%s: %v, want %d s", name, time.Duration(got), c.want)
		}
	}
	// A device clock that is set back does not reorder what it numbers.
	f := newFilter(passages("a"))
	for n, at := range []int64{90, 70, 95} {
		_, critical := f.Apply(logged(100*second, 0, drivers.Event{ID: uint64(n), At: at * second}, 0), testMap)
		if got, want := critical.Samples[0].Time, []int64{90, 90, 95}[n]*second; got != want {
			t.Errorf("event %d at %v", n, time.Duration(got))
		}
	}
}

// A source that is in order again says so once, without inventing an event.
func TestAnEventSourceIsBadAndGoodAgain(t *testing.T) {
	f := newFilter(passages("a"))
	var got []point.Quality
	for n, q := range []point.Quality{point.GoodNoData, point.GoodNoData, point.BadTimeout, point.BadTimeout, point.GoodNoData, point.GoodNoData, point.Good, point.GoodNoData} {
		_, critical := f.Apply(&drivers.Block{Time: int64(n) * second, Readings: []drivers.Reading{{Quality: q}}}, testMap)
		if critical == nil {
			continue
		}
		for _, s := range critical.Samples {
			got = append(got, s.Quality)
		}
		if keys := len(critical.Events); keys != 0 && q != point.Good || keys == 0 && q == point.Good {
			t.Errorf("%v has %d keys", q, keys)
		}
	}
	if want := []point.Quality{point.GoodNoData, point.BadTimeout, point.GoodNoData, point.Good}; !slices.Equal(got, want) {
		t.Errorf("passed %v, want %v", got, want)
	}
	if _, critical := f.Fail(point.BadNotConnected, 9*second, testMap); len(critical.Samples) != 1 {
		t.Error("a connection that fails does not make the source bad")
	}
}

func TestLossesAndCursorsPass(t *testing.T) {
	f := New([]point.Point{seat(), passages("a"), seat(), passages("b")}, []uint32{1, 3}, nil)
	cursor := point.Cursor{Device: "plc", Name: "a", Bytes: []byte{1, 2}}
	telemetry, critical := f.Apply(&drivers.Block{Time: 9 * second, Cursors: []point.Cursor{cursor},
		Gaps: []drivers.Gap{{Index: 3, First: second, Last: 9 * second, Count: 12, Reason: point.GapOverrun}, {Index: 2, Count: 1}}}, testMap)
	want := point.Gap{PointKnown: true, Index: 3, Boot: testMap.Boot, First: second, Last: 9 * second, Count: 12, Reason: point.GapOverrun}
	if !telemetry.Empty() || len(critical.Gaps) != 1 || critical.Gaps[0] != want || len(critical.Cursors) != 1 || critical.Cursors[0].Name != "a" {
		t.Errorf("%+v", critical)
	}
	if f.Stats().Foreign != 1 {
		t.Error("a loss of another device's point is not counted")
	}
	if _, critical = f.Apply(&drivers.Block{Time: 10 * second, Cursors: []point.Cursor{cursor}}, testMap); critical.Empty() || len(critical.Gaps) != 0 {
		t.Errorf("a cursor alone: %+v", critical)
	}
}
