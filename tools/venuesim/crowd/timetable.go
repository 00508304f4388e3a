package crowd

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/courtside-edge/courtside/tools/venuesim/arena"
)

// Kind says what happens.
type Kind uint8

// What can happen.
const (
	Enter Kind = 1 // Person passes lane Index inwards
	Leave Kind = 2 // Person passes lane Index outwards
	Sit   Kind = 3 // Person, of Value tenths of a kilogram, sits down on seat Index
	Rise  Kind = 4 // Person gets up from seat Index
	Show  Kind = 5 // panel Index takes the status word Value; Person is -1
)

// Event is one happening. 24 bytes: a full house makes some 90,000 of them.
type Event struct {
	At     time.Duration // simulated, since the doors opened
	Person int32
	Index  int32 // a seat's or panel's position in the arena; of a passage the lane, counted over all gates in order
	Value  uint16
	Kind   Kind
}

// Options choose an event.
type Options struct {
	Seed       uint64
	Length     time.Duration // simulated, from the doors' opening to the end; at least MinLength
	Attendance int           // people who come; 0 draws 17,000 to 18,500. Short events get at most what Fits says
}

// MinLength is the shortest event: below it hardly anybody would get through a lane.
const MinLength = time.Minute

// Fits returns how many people an event of this length can take in without queues that
// outlast the tip-off: half of what all lanes can pass from the doors' opening to then.
func Fits(a *arena.Arena, length time.Duration) int {
	lanes := 0
	for _, g := range a.Gates {
		lanes += g.Lanes
	}
	doors := time.Duration(tipOffAt * float64(length))
	return int(min(int64(len(a.Seats)), int64(lanes)*int64(doors/LaneGap)/2))
}

// Timetable draws the event. Events are ordered by time; those of one time keep a fixed order.
func Timetable(a *arena.Arena, o Options) ([]Event, error) {
	if o.Length < MinLength {
		return nil, fmt.Errorf("draw an event of %s: it must last at least %s of simulated time", o.Length, MinLength)
	}
	if o.Attendance < 0 || o.Attendance > len(a.Seats) {
		return nil, fmt.Errorf("draw an event with %d people: give 0 to %d, the arena's seats", o.Attendance, len(a.Seats))
	}
	house := rand.New(rand.NewPCG(o.Seed, 0))
	attendance := o.Attendance
	if drawn := 17_000 + house.IntN(1_501); attendance == 0 {
		attendance = drawn
	}
	attendance = min(attendance, Fits(a, o.Length))

	d := newDraw(a, o.Length)
	for _, seat := range soldSeats(a, house)[:attendance] {
		d.add(seat, o.Seed)
	}
	d.enter()
	d.stay()
	d.leave()
	d.panels(house)
	events := slices.DeleteFunc(d.events, func(e Event) bool { return e.At > o.Length })
	slices.SortStableFunc(events, func(x, y Event) int { return cmp.Compare(x.At, y.At) })
	return events, nil
}

// soldSeats returns all seats in the order in which they sell: at random, the lower ring a little sooner.
func soldSeats(a *arena.Arena, house *rand.Rand) []int32 {
	const headStart = 0.06
	type offer struct {
		seat int32
		rank float64
	}
	offers := make([]offer, len(a.Seats))
	for i, s := range a.Seats {
		rank := house.Float64()
		if s.Section[0] == '1' {
			rank -= headStart
		}
		offers[i] = offer{int32(i), rank}
	}
	slices.SortFunc(offers, func(x, y offer) int {
		return cmp.Or(cmp.Compare(x.rank, y.rank), cmp.Compare(x.seat, y.seat))
	})
	seats := make([]int32, len(offers))
	for i, o := range offers {
		seats[i] = o.seat
	}
	return seats
}
