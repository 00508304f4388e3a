package crowd

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/courtside-edge/courtside/tools/venuesim/arena"
)

// person is somebody with a ticket. Each draws from a source of their own, so that what one does
// never depends on the order in which others are looked at.
type person struct {
	id, seat int32
	sector   int // of the seat
	weight   uint16
	dice     *rand.Rand
	at       time.Duration // when they last did something
	seated   bool
}

// draw is a timetable in the making.
type draw struct {
	arena   *arena.Arena
	length  time.Duration
	lanes   []int32 // the first lane of each gate, and one more for the end
	sectors []int   // of each seat
	people  []person
	events  []Event
}

func newDraw(a *arena.Arena, length time.Duration) *draw {
	d := &draw{arena: a, length: length, lanes: make([]int32, 1, len(a.Gates)+1), sectors: make([]int, len(a.Seats))}
	for _, g := range a.Gates {
		d.lanes = append(d.lanes, d.lanes[len(d.lanes)-1]+int32(g.Lanes))
	}
	for _, s := range a.Sections {
		first, count := s.Seats()
		for i := first; i < first+count; i++ {
			d.sectors[i] = s.Sector
		}
	}
	return d
}

// share returns this part of the event's length, in whole milliseconds.
func (d *draw) share(part float64) time.Duration {
	return time.Duration(part * float64(d.length)).Round(time.Millisecond)
}

// between draws a time between two shares of the event's length.
func (d *draw) between(p *person, from, to float64) time.Duration {
	return d.share(from + (to-from)*p.dice.Float64())
}

// add adds a ticket holder for seat.
func (d *draw) add(seat int32, seed uint64) {
	p := person{id: int32(len(d.people)), seat: seat, sector: d.sectors[seat]}
	p.dice = rand.New(rand.NewPCG(seed, uint64(p.id)+1))
	const mean, spread, least, most = 74, 15, 36, 104 // kilograms
	p.weight = uint16(10 * min(max(mean+spread*p.dice.NormFloat64(), least), most))
	d.people = append(d.people, p)
}

// note writes down what p does at p.at.
func (d *draw) note(p *person, k Kind, index int32, value uint16) {
	d.events = append(d.events, Event{At: p.at, Person: p.id, Kind: k, Index: index, Value: value})
}

// lane draws the lane that p takes: of a gate beside the seat mostly, of any gate sometimes.
func (d *draw) lane(p *person) int32 {
	gates := len(d.arena.Gates)
	gate := p.sector * gates / sectors
	switch luck := p.dice.Float64(); {
	case luck < 0.2:
		gate = (gate + 1) % gates
	case luck < 0.4:
		gate = (gate + gates - 1) % gates
	case luck < 0.5:
		gate = p.dice.IntN(gates)
	}
	first, end := d.lanes[gate], d.lanes[gate+1]
	return first + p.dice.Int32N(end-first)
}

// sectors is how many sectors the bowl has.
const sectors = 24

// pass lets everybody through the lanes of one direction, in the order in which they came, one per lane and LaneGap.
func (d *draw) pass(k Kind) {
	order := make([]*person, len(d.people))
	for i := range d.people {
		order[i] = &d.people[i]
	}
	slices.SortFunc(order, func(x, y *person) int { return cmp.Or(cmp.Compare(x.at, y.at), cmp.Compare(x.id, y.id)) })
	free := make([]time.Duration, d.lanes[len(d.lanes)-1])
	for _, p := range order {
		lane := d.lane(p)
		p.at = max(p.at, free[lane])
		free[lane] = p.at + LaneGap
		d.note(p, k, lane, 0)
	}
}

// enter brings everybody in: most of them well before the tip-off, a few during the first half.
func (d *draw) enter() {
	const peak, spread, earliest, latest = 0.68, 0.22, 0.01, 1.30 // of the time from doors to tip-off
	for i := range d.people {
		p := &d.people[i]
		p.at = d.share(tipOffAt * min(max(peak+spread*p.dice.NormFloat64(), earliest), latest))
	}
	d.pass(Enter)
}

// stay seats everybody and sends some of them for a drink, and many out of their seats at half-time.
func (d *draw) stay() {
	for i := range d.people {
		p := &d.people[i]
		p.at += d.between(p, 0.008, 0.030)
		d.sit(p)
		d.trip(p, 0.15, tipOffAt, halfTimeAt)
		d.trip(p, 0.40, halfTimeAt, halfTimeAt+0.05)
		d.trip(p, 0.15, secondHalfAt, buzzerAt)
	}
}

// trip sends p out of the seat with this chance, at a time between two shares of the event, and most likely back.
func (d *draw) trip(p *person, chance, from, to float64) {
	const homeward = 0.04 // of those who get up do not come back to their seats
	goes, when, away, stays := p.dice.Float64() < chance, d.between(p, from, to), d.between(p, 0.010, 0.045), p.dice.Float64() >= homeward
	if !goes || !p.seated || when <= p.at {
		return
	}
	p.at = when
	d.rise(p)
	if p.at+away < d.share(buzzerAt) && stays {
		p.at += away
		d.sit(p)
	}
}

// leave gets everybody up and out: a few before the buzzer, the rest in the rush after it.
func (d *draw) leave() {
	for i := range d.people {
		p := &d.people[i]
		up := d.share(buzzerAt + 0.003 + 0.055*p.dice.ExpFloat64())
		if p.dice.Float64() < 0.08 {
			up = d.between(p, 0.76, buzzerAt)
		}
		if p.seated {
			p.at = max(p.at+d.share(0.001), up)
			d.rise(p)
		}
		p.at += d.between(p, 0.006, 0.022)
	}
	d.pass(Leave)
}

func (d *draw) sit(p *person) {
	d.note(p, Sit, p.seat, p.weight)
	p.seated = true
}

func (d *draw) rise(p *person) {
	d.note(p, Rise, p.seat, 0)
	p.seated = false
}

// panels lets the panels follow the event, each a moment after the other, and breaks one ribbon for a while.
func (d *draw) panels(house *rand.Rand) {
	const on = PanelPowered | PanelShowing
	broken := house.IntN(len(d.arena.Panels))
	for i := range d.arena.Panels {
		show := func(part float64, word uint16) {
			at := d.share(part) + time.Duration(house.IntN(800))*time.Millisecond
			d.events = append(d.events, Event{At: at, Person: -1, Kind: Show, Index: int32(i), Value: word})
		}
		show(0, on|ContentWelcome)
		show(tipOffAt, on|ContentGame)
		if i == broken {
			show(0.38, PanelPowered|PanelFault|ContentGame)
			show(0.46, on|ContentGame)
		}
		show(halfTimeAt, on|ContentShow)
		show(secondHalfAt, on|ContentGame)
		show(buzzerAt, on|ContentGoodbye)
	}
}
