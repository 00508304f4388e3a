package crowd

import (
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/courtside-edge/courtside/tools/venuesim/arena"
)

// TestConservation compares the crowd's sums with its parts after steps of any size.
func TestConservation(t *testing.T) {
	a := arena.Dallas()
	drawn := map[time.Duration][]Event{}
	for _, length := range []time.Duration{5 * time.Minute, 20 * time.Minute, time.Hour} {
		drawn[length] = timetable(t, a, Options{Seed: uint64(length), Length: length, Attendance: 800})
	}
	rapid.Check(t, func(t *rapid.T) {
		length := rapid.SampledFrom(slices.Sorted(maps.Keys(drawn))).Draw(t, "length")
		events := drawn[length]
		c := New(a, events)
		happened := 0
		for _, step := range rapid.SliceOfN(rapid.IntRange(0, 30), 1, 20).Draw(t, "steps") {
			happened += len(c.Advance(c.Now() + time.Duration(step)*length/100))
			check(t, a, c)
		}
		happened += len(c.Advance(length))
		check(t, a, c)
		if happened != len(events) {
			t.Fatalf("%d of %d events happened", happened, len(events))
		}
	})
}

func check(t *rapid.T, a *arena.Arena, c *Crowd) {
	var in, out, seated int
	for lane := range len(c.passed[0]) {
		i, o := c.Passed(lane)
		in, out = in+int(i), out+int(o)
	}
	for seat := range a.Seats {
		if c.Weight(seat) > 0 {
			seated++
		}
	}
	if in-out != c.Inside() || seated != c.Seated() || seated > c.Inside() || c.Inside() < 0 {
		t.Fatalf("at %s: %d in, %d out, %d inside; %d seats taken, %d seated", c.Now(), in, out, c.Inside(), seated, c.Seated())
	}
}

func TestTimeNeverGoesBack(t *testing.T) {
	c := New(arena.Dallas(), []Event{{At: time.Second, Kind: Enter}, {At: 2 * time.Second, Kind: Leave}})
	if n := len(c.Advance(time.Second)); n != 1 || c.Inside() != 1 {
		t.Fatalf("%d events by the first second, %d inside", n, c.Inside())
	}
	if n := len(c.Advance(0)); n != 0 || c.Now() != time.Second {
		t.Fatalf("going back let %d events happen and left the time at %s", n, c.Now())
	}
}

func TestPanelsFollowTheEvent(t *testing.T) {
	a := arena.Dallas()
	const length = 2 * time.Hour
	c := New(a, timetable(t, a, Options{Seed: 5, Length: length, Attendance: 1}))
	if w := c.Word(0); w != PanelIdle {
		t.Fatalf("word %#04x before the doors open, want %#04x", w, PanelIdle)
	}
	faults := 0
	for _, moment := range []struct {
		share   float64
		content uint16
	}{{0.1, ContentWelcome}, {0.40, ContentGame}, {0.60, ContentShow}, {0.70, ContentGame}, {0.95, ContentGoodbye}} {
		c.Advance(time.Duration(moment.share * float64(length)))
		for i := range a.Panels {
			if w := c.Word(i); w&0xff00 != moment.content || w&PanelPowered == 0 {
				t.Errorf("panel %d shows %#04x at %g, want content %#04x", i, w, moment.share, moment.content)
			} else if w&PanelFault != 0 {
				faults++
			}
		}
	}
	if faults != 1 {
		t.Errorf("%d panel faults seen, want the one during the first half", faults)
	}
}

func TestPhases(t *testing.T) {
	const length = 100 * time.Minute
	for minute, want := range map[int]Phase{0: Doors, 29: Doors, 30: FirstHalf, 54: FirstHalf, 55: HalfTime, 65: SecondHalf, 86: Egress, 99: Egress, 100: Ended, 200: Ended} {
		if got := PhaseAt(time.Duration(minute)*time.Minute, length); got != want {
			t.Errorf("phase %s at minute %d of 100, want %s", got, minute, want)
		}
	}
}
