package arena

import (
	"fmt"
	"strconv"
)

// SeatCount is how many numbered seats dal-001 has.
const SeatCount = 19_200

// The court's size (NBA), its long side along x.
const (
	CourtLength = 28.65
	CourtWidth  = 15.24
)

// The bowl's measures in metres.
const (
	seatPitch    = 0.50 // from seat to seat along a row
	rowPitch     = 0.85 // from row to row
	aisle        = 1.10 // between the outer seats of neighbouring sections and their common border, both sides together
	ringSections = 24   // of each ring
)

// ring describes one ring of sections.
type ring struct {
	hundred int     // 100 for sections 101 to 124
	radius  float64 // of its first row
	rows    int
}

func rings() []ring {
	return []ring{
		{hundred: 100, radius: 6, rows: 24},
		{hundred: 200, radius: 30.5, rows: 21},
	}
}

// Seat is one numbered seat.
type Seat struct {
	Section string // "101"
	Row     string // "a", next to the court, to at most "z"
	Number  int    // from 1, counter-clockwise
	At      Spot
}

// Place returns the seat's place on the venue map, "101/a/12".
func (s Seat) Place() string { return s.Section + "/" + s.Row + "/" + strconv.Itoa(s.Number) }

// Row is a row of one section: Arena.Seats[First : First+Count].
type Row struct {
	Name         string
	First, Count int
}

// Section is one wedge of a ring.
type Section struct {
	Name    string
	Sector  int // position around the bowl, 0 to 23, counter-clockwise from east; the first twelve are the north half
	Rows    []Row
	Outline []Spot // closed: the last spot repeats the first
}

// Seats returns the position of the section's first seat in Arena.Seats and how many it has.
func (s Section) Seats() (first, count int) {
	last := s.Rows[len(s.Rows)-1]
	return s.Rows[0].First, last.First + last.Count - s.Rows[0].First
}

// Gate is one of the doors around the concourse.
type Gate struct {
	Number int    // from 1, counter-clockwise from east
	Place  string // "gate-03"
	Name   string // "Gate 3"
	Sector int    // as Section.Sector
	Lanes  int    // turnstiles, each counting in and out
	At     Spot
}

// Panel is one LED panel.
type Panel struct {
	ID    string // "ribbon-n"
	Place string // "panel-ribbon-n"
	Name  string
	Board Board
	At    Spot
}

// Board says which kind of panel it is.
type Board uint8

// The kinds of panels.
const (
	Score  Board = 1 // a face of the scoreboard above the court
	Ribbon Board = 2 // on the fascia between the rings
)

// Quadrant is one quarter of the building's air.
type Quadrant struct {
	ID string // "ne"
	At Spot   // its middle
}

// Arena is the whole venue.
type Arena struct {
	Venue     string
	Seats     []Seat
	Sections  []Section
	Gates     []Gate
	Panels    []Panel
	Quadrants []Quadrant
	Radius    float64 // half of the longest extent, metres: everything lies within
}

// Dallas returns dal-001.
func Dallas() *Arena {
	a := &Arena{Venue: "dal-001"}
	plan := rowPlan()
	for i, g := range rings() {
		a.addRing(g, plan[i])
	}
	outer := rings()[1].radius + float64(rings()[1].rows)*rowPitch
	a.addGates(outer + 5)
	a.addPanels()
	a.addQuadrants()
	a.Radius = halfStraightX + outer + 6
	return a
}

const (
	gateCount = 24
	gateLanes = 4
)

func (a *Arena) addGates(radius float64) {
	whole := perimeter(radius)
	for i := range gateCount {
		at, _ := along((float64(i)+0.5)*whole/gateCount, radius)
		a.Gates = append(a.Gates, Gate{
			Number: i + 1,
			Place:  fmt.Sprintf("gate-%02d", i+1),
			Name:   fmt.Sprintf("Gate %d", i+1),
			Sector: i * ringSections / gateCount,
			Lanes:  gateLanes,
			At:     at,
		})
	}
}

func (a *Arena) addPanels() {
	sides := []struct {
		id, name string
		x, y     float64
	}{{"n", "north", 0, 1}, {"e", "east", 1, 0}, {"s", "south", 0, -1}, {"w", "west", -1, 0}}
	const face, fascia = 3.0, 27.5
	for _, s := range sides {
		a.Panels = append(a.Panels, Panel{
			ID: "score-" + s.id, Place: "panel-score-" + s.id, Name: "Scoreboard " + s.name, Board: Score,
			At: Spot{s.x * face, s.y * face},
		})
	}
	for _, s := range sides {
		a.Panels = append(a.Panels, Panel{
			ID: "ribbon-" + s.id, Place: "panel-ribbon-" + s.id, Name: "Ribbon " + s.name, Board: Ribbon,
			At: Spot{s.x * (halfStraightX + fascia), s.y * (halfStraightY + fascia)},
		})
	}
}

func (a *Arena) addQuadrants() {
	const x, y = 32, 26
	a.Quadrants = []Quadrant{{"ne", Spot{x, y}}, {"nw", Spot{-x, y}}, {"sw", Spot{-x, -y}}, {"se", Spot{x, -y}}}
}
