package field

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/courtside-edge/courtside/tools/venuesim/arena"
	"github.com/courtside-edge/courtside/tools/venuesim/court"
)

// Protocol is what a device speaks; also the name of the gateway's driver for it.
type Protocol string

// The protocols.
const (
	Modbus Protocol = "modbus"
	OPCUA  Protocol = "opcua"
	// Tracking is gRPC, package events: the players on the court.
	Tracking Protocol = "tracking"
)

// Role is what an entry's points are to the venue.
type Role uint8

// The roles.
const (
	SeatPressure Role = 1
	PassagesIn   Role = 2
	PassagesOut  Role = 3
	PanelStatus  Role = 4
	Brightness   Role = 5  // of a panel, in percent
	Temperature  Role = 6  // °C
	Humidity     Role = 7  // percent
	CO2          Role = 8  // ppm
	PlayerAt     Role = 9  // metres from the centre spot, x before y
	RingIn       Role = 10 // a gate's passages inwards, one by one, from its controller's ring
	RingOut      Role = 11
)

// Table is a table of a Modbus device as configuration names it.
type Table string

// The tables in use.
const (
	Holding Table = "holding"
	Input   Table = "input"
)

// Entry is one entry of a device's point list: a single point or a range of points.
type Entry struct {
	Name  string // "seat/101/{row:a,b}/{seat:1..10}" or a single point's name
	Place string // with the range's variables; empty when the points belong to no place
	Role  Role
	First int // position of the first point's seat, lane, panel or quadrant in the arena; those of a range follow
	Count int // points

	// Of Modbus: the n-th point is at Address + n.
	Table   Table
	Address int

	// Witness marks counters that stand beside rings: they are read, and nobody is counted by them.
	Witness bool

	Node string // of OPC UA

	Player int // of tracking: the first one's number
}

// Device is one device of the venue.
type Device struct {
	ID       string
	Protocol Protocol
	Sector   int // where it stands around the bowl, as arena.Section.Sector
	Entries  []Entry
	Unlisted []Entry // served, but left to another device's entries, so that each point has one source
	Ring     *Ring   // of a gate's controller; its entries read from it
}

// Registers returns how many registers a Modbus device holds.
func (d Device) Registers() int {
	n := 0
	for _, list := range [][]Entry{d.Entries, d.Unlisted} {
		for _, e := range list {
			n = max(n, e.Address+e.Count)
		}
	}
	if d.Ring != nil {
		n = max(n, d.Ring.end())
	}
	return n
}

// Plan is all devices of an arena, in the order of their ports.
type Plan struct {
	Arena   *arena.Arena
	Devices []Device
}

const (
	lowerSectionsPerPLC = 6
	upperSectionsPerPLC = 3
	gatesPerPLC         = 6
)

// NewPlan returns the devices of a, whose gates count.
func NewPlan(a *arena.Arena) *Plan {
	return newPlan(a, PlanOptions{Gates: Counters})
}

// newPlan returns the devices of a for options that are within their limits.
func newPlan(a *arena.Arena, o PlanOptions) *Plan {
	p := &Plan{Arena: a}
	p.addSeats()
	if o.Gates != Rings {
		p.addGates(o.Gates == Both)
	}
	if o.Gates != Counters {
		p.addRings(o.RingSlots)
	}
	p.addPanels()
	p.addBuilding()
	p.addCourt()
	return p
}

func (p *Plan) addSeats() {
	sections := p.Arena.Sections
	for len(sections) > 0 {
		n := lowerSectionsPerPLC
		if sections[0].Name[0] != '1' {
			n = upperSectionsPerPLC
		}
		d := Device{ID: "plc-seats-" + sections[0].Name, Protocol: Modbus, Sector: sections[0].Sector}
		address := 0
		for _, s := range sections[:n] {
			for _, e := range seatEntries(s) {
				e.Address = address
				address += e.Count
				d.Entries = append(d.Entries, e)
			}
		}
		p.Devices = append(p.Devices, d)
		sections = sections[n:]
	}
}

// seatEntries returns a range for each stretch of rows that have equally many seats.
func seatEntries(s arena.Section) []Entry {
	var entries []Entry
	for i := 0; i < len(s.Rows); {
		count := s.Rows[i].Count
		var names []string
		first := i
		for ; i < len(s.Rows) && s.Rows[i].Count == count; i++ {
			names = append(names, s.Rows[i].Name)
		}
		row, inPlace := names[0], names[0]
		if len(names) > 1 {
			row, inPlace = "{row:"+strings.Join(names, ",")+"}", "{row}"
		}
		entries = append(entries, Entry{
			Name:  fmt.Sprintf("seat/%s/%s/{seat:1..%d}", s.Name, row, count),
			Place: s.Name + "/" + inPlace + "/{seat}",
			Role:  SeatPressure, Table: Holding,
			First: s.Rows[first].First, Count: count * len(names),
		})
	}
	return entries
}

func (p *Plan) addGates(witness bool) {
	lane := 0
	for i, g := range p.Arena.Gates {
		if i%gatesPerPLC == 0 {
			id := "plc-gates-" + strconv.Itoa(i/gatesPerPLC+1)
			p.Devices = append(p.Devices, Device{ID: id, Protocol: Modbus, Sector: g.Sector})
		}
		d := &p.Devices[len(p.Devices)-1]
		for _, way := range []struct {
			role Role
			name string
		}{{PassagesIn, "in"}, {PassagesOut, "out"}} {
			d.Entries = append(d.Entries, Entry{
				Name:  fmt.Sprintf("gate/%02d/{lane:1..%d}/%s", g.Number, g.Lanes, way.name),
				Place: g.Place, Role: way.role, Table: Input, Address: d.Registers(),
				First: lane, Count: g.Lanes, Witness: witness,
			})
		}
		lane += g.Lanes
	}
}

// addPanels adds the PLC of all panels. The gateways read the ribbons here and the scoreboard over OPC UA.
func (p *Plan) addPanels() {
	d := Device{ID: "plc-panels", Protocol: Modbus}
	for _, board := range []arena.Board{arena.Ribbon, arena.Score} {
		for i, panel := range p.Arena.Panels {
			if panel.Board != board {
				continue
			}
			e := Entry{
				Name: "panel/" + panel.ID + "/status", Place: panel.Place, Role: PanelStatus,
				Table: Holding, Address: d.Registers(), First: i, Count: 1,
			}
			if board == arena.Ribbon {
				d.Entries = append(d.Entries, e)
			} else {
				d.Unlisted = append(d.Unlisted, e)
			}
		}
	}
	p.Devices = append(p.Devices, d)
}

func (p *Plan) addBuilding() {
	d := Device{ID: "building", Protocol: OPCUA, Sector: len(p.Arena.Gates) / 2}
	node := func(role Role, first int, place string, ids ...string) Entry {
		return Entry{
			Name: strings.Join(ids, "/"), Place: place, Role: role, First: first, Count: 1,
			Node: "ns=1;s=" + strings.Join(ids, "."),
		}
	}
	for i, panel := range p.Arena.Panels {
		status := node(PanelStatus, i, panel.Place, "panel", panel.ID, "status")
		if panel.Board == arena.Score {
			d.Entries = append(d.Entries, status)
		} else {
			d.Unlisted = append(d.Unlisted, status)
		}
		d.Entries = append(d.Entries, node(Brightness, i, "", "panel", panel.ID, "brightness"))
	}
	for i, q := range p.Arena.Quadrants {
		d.Entries = append(d.Entries,
			node(Temperature, i, "", "building", q.ID, "temperature"),
			node(Humidity, i, "", "building", q.ID, "humidity"),
			node(CO2, i, "", "building", q.ID, "co2"))
	}
	p.Devices = append(p.Devices, d)
}

// addCourt adds the tracking system, whose gateway is the one of the first sector.
func (p *Plan) addCourt() {
	p.Devices = append(p.Devices, Device{ID: "court", Protocol: Tracking, Entries: []Entry{
		{Name: fmt.Sprintf("player/{player:1..%d}/{axis:x,y}", court.Players), Role: PlayerAt, First: 2, Count: 2 * court.Players, Player: 1},
		{Name: "ball/{axis:x,y}", Role: PlayerAt, First: 2 * court.Ball, Count: 2, Player: court.Ball},
	}})
}
