package crowd

import "time"

// Phase is a part of the event.
type Phase string

// The phases, in order.
const (
	Doors      Phase = "doors"
	FirstHalf  Phase = "first-half"
	HalfTime   Phase = "half-time"
	SecondHalf Phase = "second-half"
	Egress     Phase = "egress"
	Ended      Phase = "ended"
)

// When the phases begin, as shares of the event's length. People stay longer than any event is
// simulated: at the end some are still on their way out.
const (
	tipOffAt     = 0.30
	halfTimeAt   = 0.55
	secondHalfAt = 0.65
	buzzerAt     = 0.86
)

// PhaseAt returns the phase of an event of this length at a simulated time since the doors opened.
func PhaseAt(at, length time.Duration) Phase {
	switch share := float64(at) / float64(length); {
	case share < tipOffAt:
		return Doors
	case share < halfTimeAt:
		return FirstHalf
	case share < secondHalfAt:
		return HalfTime
	case share < buzzerAt:
		return SecondHalf
	case share < 1:
		return Egress
	}
	return Ended
}

// LaneGap is the least simulated time between two passages of one lane in one direction: what a
// turnstile and the person in it need.
const LaneGap = 1200 * time.Millisecond

// Status words of panels: bits of the low byte, content in the high byte.
const (
	PanelPowered uint16 = 1 << 0
	PanelShowing uint16 = 1 << 1
	PanelFault   uint16 = 1 << 2

	ContentNone    uint16 = 0 << 8
	ContentWelcome uint16 = 1 << 8
	ContentGame    uint16 = 2 << 8
	ContentShow    uint16 = 3 << 8
	ContentGoodbye uint16 = 4 << 8
)

// PanelIdle is the status word before the doors open.
const PanelIdle = PanelPowered | ContentNone
