package court

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/courtside-edge/courtside/tools/venuesim/arena"
	"github.com/courtside-edge/courtside/tools/venuesim/crowd"
)

// TestNobodyFlies: in any steps, everybody stays on the floor and nobody is faster than a body can be.
func TestNobodyFlies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewGame(rapid.Uint64().Draw(t, "seed"))
		phase := rapid.SampledFrom([]crowd.Phase{crowd.FirstHalf, crowd.SecondHalf}).Draw(t, "phase")
		g.Step(time.Millisecond, phase)
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			before := g.bodies
			d := time.Duration(rapid.IntRange(1, 500).Draw(t, "ms")) * time.Millisecond
			if !g.Step(d, phase) {
				t.Fatal("the floor is empty during play")
			}
			for n := range g.bodies {
				top := TopSpeed
				if n == Ball {
					top = PassSpeed
				}
				at := g.At(n)
				if far := distance(before[n].at, at); far > top*d.Seconds()+1e-6 {
					t.Fatalf("number %d went %g m in %v", n, far, d)
				}
				if at.X < -halfLength || at.X > halfLength || at.Y < -halfWidth || at.Y > halfWidth {
					t.Fatalf("number %d is at %v", n, at)
				}
			}
		}
	})
}

// TestTheGameGoesBothWays: within two minutes play is seen at both ends, and everybody has moved.
func TestTheGameGoesBothWays(t *testing.T) {
	g := NewGame(1)
	var west, east bool
	var moved [Players + 1]float64
	last := g.bodies
	for range 1200 {
		g.Step(100*time.Millisecond, crowd.FirstHalf)
		x := g.At(Ball).X
		west, east = west || x < -8, east || x > 8
		for n := range moved {
			moved[n] += distance(last[n].at, g.At(n))
		}
		last = g.bodies
	}
	if !west || !east {
		t.Errorf("the ball was seen in the west %t, in the east %t", west, east)
	}
	for n, far := range moved {
		if far < 60 {
			t.Errorf("number %d moved %g m in two minutes", n, far)
		}
	}
}

func TestTheFloorIsEmptyBetween(t *testing.T) {
	g := NewGame(1)
	for _, phase := range []crowd.Phase{crowd.Doors, crowd.HalfTime, crowd.Egress, crowd.Ended} {
		g.Step(time.Second, crowd.FirstHalf)
		if g.Step(time.Second, phase) {
			t.Errorf("somebody plays during %s", phase)
		}
	}
	g.Step(time.Millisecond, crowd.SecondHalf)
	if at := g.At(Ball); distance(at, arena.Spot{}) > 1 {
		t.Errorf("the second half begins with the ball at %v", at)
	}
}

func TestOneSeedIsOneGame(t *testing.T) {
	a, b, other := NewGame(7), NewGame(7), NewGame(8)
	for range 100 {
		for _, g := range []*Game{a, b, other} {
			g.Step(50*time.Millisecond, crowd.FirstHalf)
		}
	}
	if a.bodies != b.bodies || a.bodies == other.bodies {
		t.Error("the seed does not name the game")
	}
}
