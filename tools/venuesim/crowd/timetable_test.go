package crowd

import (
	"slices"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/tools/venuesim/arena"
)

func timetable(t *testing.T, a *arena.Arena, o Options) []Event {
	t.Helper()
	events, err := Timetable(a, o)
	if err != nil {
		t.Fatal(err)
	}
	return events
}

func TestSameSeedSameEvent(t *testing.T) {
	a := arena.Dallas()
	o := Options{Seed: 7, Length: 2 * time.Hour}
	first, second := timetable(t, a, o), timetable(t, a, o)
	if !slices.Equal(first, second) {
		t.Fatal("one seed drew two different events")
	}
	o.Seed = 8
	if slices.Equal(first, timetable(t, a, o)) {
		t.Fatal("two seeds drew the same event")
	}
}

// TestItineraries follows each person: in, sitting and rising in turns on their own seat, out, never back in time.
func TestItineraries(t *testing.T) {
	a := arena.Dallas()
	for _, length := range []time.Duration{10 * time.Minute, 2 * time.Hour} {
		events := timetable(t, a, Options{Seed: 3, Length: length})
		type life struct {
			inside, seated, gone bool
			seat                 int32
		}
		people, taken := map[int32]*life{}, map[int32]int32{}
		last := time.Duration(0)
		for i, e := range events {
			if e.At < last || e.At > length {
				t.Fatalf("event %d at %s, after one at %s of an event of %s", i, e.At, last, length)
			}
			last = e.At
			if e.Kind == Show {
				continue
			}
			p := people[e.Person]
			if p == nil {
				p = &life{seat: -1}
				people[e.Person] = p
			}
			ok := false
			switch e.Kind {
			case Enter:
				ok = !p.inside && !p.gone
				p.inside = true
			case Sit:
				owner, sold := taken[e.Index]
				ok = p.inside && !p.seated && (p.seat < 0 || p.seat == e.Index) && (!sold || owner == e.Person) && e.Value >= 300 && e.Value <= 1100
				p.seated, p.seat, taken[e.Index] = true, e.Index, e.Person
			case Rise:
				ok = p.seated && p.seat == e.Index
				p.seated = false
			case Leave:
				ok = p.inside && !p.seated
				p.inside, p.gone = false, true
			}
			if !ok {
				t.Fatalf("length %s: event %d, %+v, does not follow from %+v", length, i, e, *p)
			}
		}
	}
}

// TestLanesKeepTheirGap is what a counter's highest rate rests on.
func TestLanesKeepTheirGap(t *testing.T) {
	a := arena.Dallas()
	type lane struct {
		kind  Kind
		index int32
	}
	for _, length := range []time.Duration{MinLength, 2 * time.Hour} {
		last := map[lane]time.Duration{}
		for _, e := range timetable(t, a, Options{Seed: 11, Length: length}) {
			if e.Kind != Enter && e.Kind != Leave {
				continue
			}
			k := lane{e.Kind, e.Index}
			if before, passed := last[k]; passed && e.At-before < LaneGap {
				t.Fatalf("length %s: lane %+v let two people pass within %s", length, k, e.At-before)
			}
			last[k] = e.At
		}
	}
}

// TestEventLooksLikeOne checks the shape that the demo and the page promise.
func TestEventLooksLikeOne(t *testing.T) {
	a := arena.Dallas()
	const length = 2 * time.Hour
	for seed := range uint64(2) {
		c := New(a, timetable(t, a, Options{Seed: seed, Length: length}))
		at := func(share float64) (inside, seated int) {
			c.Advance(time.Duration(share * float64(length)))
			return c.Inside(), c.Seated()
		}
		early, _ := at(0.05)
		_, game := at(0.50)
		_, half := at(0.59)
		insideLate, second := at(0.74)
		insideEnd, end := at(1)
		t.Logf("seed %d: inside %d early, %d seated in the game, %d at half-time, %d after; at the end %d inside, %d seated",
			seed, early, game, half, second, insideEnd, end)
		switch {
		case early > 2000:
			t.Errorf("seed %d: %d people are inside as soon as the doors open", seed, early)
		case insideLate < 16_800 || insideLate > 18_500:
			t.Errorf("seed %d: %d people are inside late in the game, want 17,000 to 18,500 or a few less", seed, insideLate)
		case game < 15_000 || half > game*85/100 || second < half:
			t.Errorf("seed %d: %d seated in the first half, %d at half-time, %d in the second half", seed, game, half, second)
		case insideEnd < 500 || insideEnd > insideLate/2 || end < 200:
			t.Errorf("seed %d: %d inside and %d seated at the end; want a part of the egress", seed, insideEnd, end)
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	a := arena.Dallas()
	for _, o := range []Options{
		{Length: MinLength - 1},
		{Length: time.Hour, Attendance: -1},
		{Length: time.Hour, Attendance: arena.SeatCount + 1},
	} {
		if events, err := Timetable(a, o); err == nil {
			t.Errorf("%+v drew %d events", o, len(events))
		}
	}
}

func TestAttendance(t *testing.T) {
	a := arena.Dallas()
	enters := func(o Options) int {
		n := 0
		for _, e := range timetable(t, a, o) {
			if e.Kind == Enter {
				n++
			}
		}
		return n
	}
	if n := enters(Options{Seed: 1, Length: 2 * time.Hour, Attendance: 123}); n != 123 {
		t.Errorf("%d people came, want 123", n)
	}
	if n := enters(Options{Seed: 1, Length: time.Hour, Attendance: arena.SeatCount}); n != arena.SeatCount {
		t.Errorf("%d people came, want every seat sold", n)
	}
	if n, most := enters(Options{Seed: 1, Length: MinLength}), Fits(a, MinLength); n == 0 || n > most {
		t.Errorf("%d people came to the shortest event, want 1 to %d", n, most)
	}
}
