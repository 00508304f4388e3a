package venuesim

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/courtside-edge/courtside/tools/venuesim/crowd"
	"github.com/courtside-edge/courtside/tools/venuesim/field"
)

// Options of a simulated venue. The zero value is a four-hour event at life's speed on free ports of 127.0.0.1.
type Options struct {
	Seed        uint64
	Speed       float64       // simulated time by real time; 0 stands for 1; at most MaxSpeed
	EventLength time.Duration // simulated, doors to end; 0 stands for DefaultEventLength; at least crowd.MinLength
	Attendance  int           // 0 draws 17,000 to 18,500; short events get fewer (crowd.Fits)

	Host       string // of all listeners; 127.0.0.1 when empty
	ModbusPort int    // of the first Modbus device, the others follow; 0 for free ports
	OPCUAPort  int    // 0 for a free port
	HTTPPort   int    // of the truth; 0 for a free port
	// TrackingPort is that of the tracking system; 0 for a free port.
	TrackingPort int

	// Gates says whether gates have counters (the default), rings, or both; RingSlots how many events a ring has room for.
	Gates     field.Gates
	RingSlots int // field.DefaultRingSlots when 0

	Faults []Fault // what devices do; the control API adds more

	OpenAtOnce bool // do not wait for polls before the doors open
	Log        *slog.Logger
}

func (o Options) plan() field.PlanOptions {
	return field.PlanOptions{Gates: o.Gates, RingSlots: o.RingSlots}
}

// DefaultEventLength is doors to the end of the egress.
const DefaultEventLength = 4 * time.Hour

// MaxSpeed is the fastest simulation: beyond it a lane would pass so many people between two polls that a 16-bit counter
// could not be told from one that was reset.
const MaxSpeed = 1000

// LaneRate returns the most passages a second, in real time, that one lane makes in one direction at a speed.
func LaneRate(speed float64) float64 { return speed / crowd.LaneGap.Seconds() }

// withDefaults returns o with its zero values replaced, or what is wrong with it.
func (o Options) withDefaults() (Options, error) {
	if o.Speed == 0 {
		o.Speed = 1
	}
	if !(o.Speed > 0 && o.Speed <= MaxSpeed) {
		return o, fmt.Errorf("simulate at speed %g: use more than 0 and at most %d", o.Speed, MaxSpeed)
	}
	if o.EventLength == 0 {
		o.EventLength = DefaultEventLength
	}
	if o.Host == "" {
		o.Host = "127.0.0.1"
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o, nil
}
