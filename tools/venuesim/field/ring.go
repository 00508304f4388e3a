package field

import (
	"time"

	"github.com/courtside-edge/courtside/drivers/devicetest/modbusserver"
	"github.com/courtside-edge/courtside/tools/venuesim/crowd"
)

// gateRing is the ring of a gate's controller.
type gateRing struct {
	*modbusserver.EventRing
	plan   Ring
	ghosts uint64 // events that were nobody
}

// RingState is what is true of a gate's ring.
type RingState struct {
	Slots        int    `json:"slots"`
	Written      uint64 `json:"written"`      // events since the ring began: passages and ghosts
	Ghosts       uint64 `json:"ghosts"`       // events that were nobody: what an overrun was made of
	Acknowledged uint64 `json:"acknowledged"` // what a gateway wrote to be durable
}

// Ring returns the state of a gate's ring, and whether the gate has one.
func (f *Field) Ring(gate int) (RingState, bool) {
	r := f.rings[gate]
	if r == nil {
		return RingState{}, false
	}
	return RingState{Slots: r.plan.Slots, Written: r.Written(), Ghosts: r.ghosts, Acknowledged: uint64(r.Cursor())}, true
}

// pass writes a passage into the gate's ring, if it has one.
func (f *Field) pass(e crowd.Event, direction uint16) {
	if r := f.rings[f.gates[e.Index]]; r != nil {
		r.Add(modbusserver.RingEvent{Time: f.milliseconds(), Direction: direction, Ticket: uint32(e.Person) + 1})
	}
}

// haunt lets nobody pass n times more than the ring holds, so that whatever was not read is written over.
func (f *Field) haunt(r *gateRing, n int) {
	ghosts := make([]modbusserver.RingEvent, r.plan.Slots+n)
	for i := range ghosts {
		ghosts[i].Time = f.milliseconds()
	}
	r.Add(ghosts...)
	r.ghosts += uint64(len(ghosts))
}

// milliseconds is what the controllers' clocks show.
func (f *Field) milliseconds() uint32 { return uint32(f.uptime / time.Millisecond) }

// tick sets the controllers' clocks.
func (f *Field) tick(elapsed time.Duration) {
	f.uptime += elapsed
	for _, r := range f.rings {
		if r != nil {
			r.SetClock(f.milliseconds())
		}
	}
}
