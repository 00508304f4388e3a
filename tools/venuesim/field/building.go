package field

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/courtside-edge/courtside/drivers/devicetest/opcuaserver"
	"github.com/courtside-edge/courtside/tools/venuesim/arena"
	"github.com/courtside-edge/courtside/tools/venuesim/crowd"
)

// airPeriod is how often the building's values are worked out and offered, in real time.
const airPeriod = time.Second

// airInertia is how much simulated time the air needs to follow the people by two thirds.
const airInertia = 12 * time.Minute

// building is the OPC UA server of panels and air. It is not safe for concurrent use.
type building struct {
	device Device
	arena  *arena.Arena
	server *opcuaserver.Server
	seated []int     // people sitting in each quadrant
	full   []float64 // each quadrant's air: 0 as outside, 1 as with every seat taken for long
	dated  bool      // values carry source times: only when the simulation runs at life's speed
	draw   uint64
	noise  sensors
	words  []uint16 // by panel: what it shows

	addr       string
	away       bool // it was told to restart
	renumbered bool // its nodes have other ids, which nobody knows
}

// startBuilding serves the nodes of d at addr.
func startBuilding(d Device, a *arena.Arena, addr string, noise sensors, dated bool) (*building, error) {
	b := &building{
		device: d, arena: a, server: opcuaserver.New(opcuaserver.Options{}), noise: noise, dated: dated,
		seated: make([]int, len(a.Quadrants)), full: make([]float64, len(a.Quadrants)), words: make([]uint16, len(a.Panels)),
	}
	if err := b.declare(); err != nil {
		return nil, fmt.Errorf("start device %s: %w", d.ID, err)
	}
	if err := b.server.Start(addr); err != nil {
		return nil, fmt.Errorf("start device %s: %w", d.ID, err)
	}
	b.addr = b.server.Addr()
	return b, nil
}

// entries returns every node, whether a gateway is to read it here or not.
func (b *building) entries() []Entry { return slices.Concat(b.device.Entries, b.device.Unlisted) }

// declare makes every node known.
func (b *building) declare() error {
	for _, e := range b.entries() {
		if err := b.server.Declare(e.Node, nodeType(e.Role)); err != nil {
			return fmt.Errorf("declare node %s: %w", e.Node, err)
		}
	}
	return nil
}

// recall gives nodes that were declared anew what they held.
func (b *building) recall() error {
	var faults []error
	for panel, word := range b.words {
		faults = append(faults, b.show(panel, word))
	}
	return errors.Join(append(faults, b.breathe(0))...)
}

func nodeType(r Role) opcuaserver.Type {
	if r == PanelStatus {
		return opcuaserver.UInt16
	}
	return opcuaserver.Double
}

// show gives a panel its status word and the brightness that goes with it.
func (b *building) show(panel int, word uint16) error {
	b.words[panel] = word
	if b.renumbered {
		return nil
	}
	var faults []error
	for _, e := range b.entries() {
		switch {
		case e.Role == PanelStatus && e.First == panel:
			faults = append(faults, b.server.Set(e.Node, word, b.source()))
		case e.Role == Brightness && e.First == panel:
			faults = append(faults, b.server.Set(e.Node, brightness(word), b.source()))
		}
	}
	return errors.Join(faults...)
}

func brightness(word uint16) float64 {
	if word&crowd.PanelShowing == 0 {
		return 0
	}
	switch word & 0xff00 {
	case crowd.ContentGame:
		return 100
	case crowd.ContentShow:
		return 60
	}
	return 80
}

// breathe lets the air follow the people for a stretch of simulated time and offers its values.
func (b *building) breathe(elapsed time.Duration) error {
	b.draw++
	follow := 1 - math.Exp(-elapsed.Seconds()/airInertia.Seconds())
	seats := float64(len(b.arena.Seats)) / float64(len(b.arena.Quadrants))
	for q := range b.full {
		b.full[q] += follow * (float64(b.seated[q])/seats - b.full[q])
	}
	var faults []error
	for _, e := range b.device.Entries {
		value, isAir := b.air(e)
		if isAir && !b.renumbered {
			faults = append(faults, b.server.Set(e.Node, value, b.source()))
		}
	}
	return errors.Join(faults...)
}

// air returns the present value of an entry, and whether it is one of the air's.
func (b *building) air(e Entry) (value float64, isAir bool) {
	flicker := float64(b.noise.noise(int(e.Role)<<20|e.First, b.draw)) / NoisePeak
	switch e.Role {
	case Temperature:
		return round(19.5+4.5*b.full[e.First]+0.03*flicker, 100), true
	case Humidity:
		return round(38+17*b.full[e.First]+0.1*flicker, 100), true
	case CO2:
		return round(430+820*b.full[e.First]+2*flicker, 10), true
	}
	return 0, false
}

func round(v, parts float64) float64 { return math.Round(v*parts) / parts }

// source returns the source time of a value: none when the simulation runs faster than life.
func (b *building) source() time.Time {
	if b.dated {
		return time.Now()
	}
	return time.Time{}
}

// quadrant returns which quarter of the building a seat is in.
func quadrant(at arena.Spot) int {
	switch {
	case at.Y >= 0 && at.X >= 0:
		return 0
	case at.Y >= 0:
		return 1
	case at.X < 0:
		return 2
	}
	return 3
}
