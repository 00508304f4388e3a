package field

import (
	"fmt"

	"github.com/courtside-edge/courtside/drivers/devicetest/modbusserver"
	"github.com/courtside-edge/courtside/tools/venuesim/arena"
)

// Gates says how gates tell of passages.
type Gates string

// The ways of gates.
const (
	Counters Gates = "counters" // a 16-bit counter a lane and direction, on a PLC of six gates
	Rings    Gates = "rings"    // an event ring a gate, on a controller of its own
	Both     Gates = "both"     // rings; counters beside them are read as generic points
)

// PlanOptions choose the devices of a plan. The zero value has counters.
type PlanOptions struct {
	Gates     Gates // Counters when empty
	RingSlots int   // DefaultRingSlots when 0; a power of two, MinRingSlots to MaxRingSlots
}

// The slots of a ring. They divide where the head begins again, and all of them lie in one device's registers.
const (
	DefaultRingSlots = 1024
	MinRingSlots     = 8
	MaxRingSlots     = 8192
)

// Codes of directions in a slot. A ghost, which nobody is, has none of them.
const (
	CodeIn  = 1
	CodeOut = 2
)

// Ring is where a gate's controller keeps its ring, in holding registers.
type Ring struct {
	Gate  int // position in the arena
	Slots int
}

// The addresses of a ring: head, clock and cursor have two registers each.
const (
	RingHead       = 0
	RingGeneration = 2
	RingClock      = 4
	RingCursor     = 6
	RingFirstSlot  = 16
	RingFirstID    = 1
	RingSlotSize   = modbusserver.SlotSize
)

func (r Ring) end() int { return RingFirstSlot + r.Slots*RingSlotSize }

func (r Ring) layout() modbusserver.RingLayout {
	return modbusserver.RingLayout{Slots: RingFirstSlot, Count: r.Slots, Size: RingSlotSize, Head: RingHead, Generation: RingGeneration,
		Clock: RingClock, Cursor: RingCursor, HeadBits: 32, First: RingFirstID}
}

// PlanOf returns the devices of a.
func PlanOf(a *arena.Arena, o PlanOptions) (*Plan, error) {
	if o.Gates == "" {
		o.Gates = Counters
	}
	if o.RingSlots == 0 {
		o.RingSlots = DefaultRingSlots
	}
	switch {
	case o.Gates != Counters && o.Gates != Rings && o.Gates != Both:
		return nil, fmt.Errorf("plan gates with %q: use %s, %s or %s", o.Gates, Counters, Rings, Both)
	case o.RingSlots < MinRingSlots || o.RingSlots > MaxRingSlots || o.RingSlots&(o.RingSlots-1) != 0:
		return nil, fmt.Errorf("plan rings of %d slots: use a power of two from %d to %d", o.RingSlots, MinRingSlots, MaxRingSlots)
	}
	return newPlan(a, o), nil
}

// addRings adds a controller for each gate. Both of its points read the one ring; what polls have to read is its head.
func (p *Plan) addRings(slots int) {
	for i, g := range p.Arena.Gates {
		d := Device{ID: "plc-" + g.Place, Protocol: Modbus, Sector: g.Sector, Ring: &Ring{Gate: i, Slots: slots}}
		for _, way := range []struct {
			role Role
			name string
		}{{RingIn, "in"}, {RingOut, "out"}} {
			d.Entries = append(d.Entries, Entry{
				Name: fmt.Sprintf("gate/%02d/%s", g.Number, way.name), Place: g.Place, Role: way.role,
				Table: Holding, Address: RingHead, First: i, Count: 1,
			})
		}
		p.Devices = append(p.Devices, d)
	}
}
