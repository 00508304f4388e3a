package crowd

import (
	"fmt"
	"time"

	"github.com/courtside-edge/courtside/tools/venuesim/arena"
)

// Crowd is the state of an event at a simulated time: the ground truth. It is not safe for concurrent use.
type Crowd struct {
	arena   *arena.Arena
	events  []Event // ordered by time
	next    int     // first event that has not happened
	now     time.Duration
	weights []uint16    // of each seat, in tenths of a kilogram; 0 when nobody sits there
	passed  [2][]uint32 // passages of each lane, inwards and outwards
	words   []uint16    // of each panel
	inside  int
	seated  int
}

// New returns the crowd before the first event of a timetable of this arena.
func New(a *arena.Arena, timetable []Event) *Crowd {
	lanes := 0
	for _, g := range a.Gates {
		lanes += g.Lanes
	}
	c := &Crowd{
		arena: a, events: timetable,
		weights: make([]uint16, len(a.Seats)),
		passed:  [2][]uint32{make([]uint32, lanes), make([]uint32, lanes)},
		words:   make([]uint16, len(a.Panels)),
	}
	for i := range c.words {
		c.words[i] = PanelIdle
	}
	return c
}

// Advance lets everything happen up to and including the simulated time to, and returns it in order. The slice is part
// of the timetable and must not be changed. Time never goes back: an earlier time returns nothing.
func (c *Crowd) Advance(to time.Duration) []Event {
	first := c.next
	for c.next < len(c.events) && c.events[c.next].At <= to {
		c.apply(c.events[c.next])
		c.next++
	}
	c.now = max(c.now, to)
	return c.events[first:c.next]
}

func (c *Crowd) apply(e Event) {
	switch e.Kind {
	case Enter:
		c.passed[0][e.Index]++
		c.inside++
	case Leave:
		c.passed[1][e.Index]++
		c.inside--
	case Sit:
		c.weights[e.Index] = e.Value
		c.seated++
	case Rise:
		c.weights[e.Index] = 0
		c.seated--
	case Show:
		c.words[e.Index] = e.Value
	default:
		panic(fmt.Sprintf("crowd: event of unknown kind %d", e.Kind))
	}
}

// Happened returns everything that has happened, in order. The slice is part of the timetable and must not be changed.
func (c *Crowd) Happened() []Event { return c.events[:c.next] }

// Now returns the simulated time since the doors opened.
func (c *Crowd) Now() time.Duration { return c.now }

// Inside returns how many people are in the building.
func (c *Crowd) Inside() int { return c.inside }

// Seated returns how many people sit.
func (c *Crowd) Seated() int { return c.seated }

// Weight returns the tenths of a kilogram on a seat; 0 when it is free.
func (c *Crowd) Weight(seat int) uint16 { return c.weights[seat] }

// Passed returns how many people passed a lane inwards and outwards.
func (c *Crowd) Passed(lane int) (in, out uint32) { return c.passed[0][lane], c.passed[1][lane] }

// Word returns the status word of a panel.
func (c *Crowd) Word(panel int) uint16 { return c.words[panel] }
