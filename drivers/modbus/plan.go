package modbus

import (
	"fmt"
	"strings"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/sync/point"
)

// Plan is how a device is polled, for people to read. It is a copy: what a device refuses changes later plans, not this one.
type Plan struct {
	Device  point.ID
	Address string
	Unit    uint8
	Depth   int
	Pause   time.Duration
	Classes []ClassPlan
}

// ClassPlan is how one scan class is polled.
type ClassPlan struct {
	Name     string
	Period   time.Duration
	Requests []Request
	Refused  []Request // what the device refused; asked for once a minute
	Rings    []RingPlan
	Measured time.Duration // how long the last whole scan took; 0 for none yet
	depth    int
	pause    time.Duration
	perByte  time.Duration // on a serial line
	gap      time.Duration // between frames, likewise
}

// RingPlan is one event ring: its slots are read only when its head has moved.
type RingPlan struct {
	Name        point.Name // of the point that its events go to, or the first of them
	Unit        uint8
	Table       Table
	Address     int // of slot 0
	Slots, Size int // slots, and registers of each
	PerRequest  int // slots that one request reads
	Cursor      int // holding register that is told what is durable; -1 for none
}

// Request is one read of neighbouring addresses.
type Request struct {
	Unit     uint8
	Table    Table
	Address  int // of the first, zero-based
	Quantity int // registers, or bits of a bit table
	Points   int
	Wasted   int // addresses that no point needs, read because that is cheaper than another request
}

// Cycle predicts how long a scan takes when the device answers each request after roundTrip.
func (c ClassPlan) Cycle(roundTrip time.Duration) time.Duration {
	n := len(c.Requests)
	if n == 0 {
		return 0
	}
	turns := (n + c.depth - 1) / c.depth
	wire := time.Duration(0)
	if c.perByte > 0 {
		for _, r := range c.Requests {
			bytes := 2*r.Quantity + requestSize + checksumSize
			if r.Table.isBits() {
				bytes = (r.Quantity+7)/8 + requestSize + checksumSize
			}
			wire += time.Duration(bytes)*c.perByte + 2*c.gap
		}
	}
	return time.Duration(turns)*roundTrip + time.Duration(n-1)*c.pause + wire
}

// Wasted returns how many addresses a scan reads that no point needs.
func (c ClassPlan) Wasted() (n int) {
	for _, r := range c.Requests {
		n += r.Wasted
	}
	return n
}

// Points returns how many points a scan reads.
func (c ClassPlan) Points() (n int) {
	for _, r := range c.Requests {
		n += r.Points
	}
	return n
}

// Plan returns how the device is polled at present. It may be called beside a poll.
func (s *Source) Plan() Plan {
	p := Plan{Device: s.device.ID, Address: s.options.where(), Unit: uint8(s.options.Unit), Depth: s.options.Depth, Pause: s.options.Pause}
	for n, c := range s.courses {
		class := ClassPlan{Name: s.device.Classes[n].Name, Period: s.device.Classes[n].Period, Measured: time.Duration(c.took.Load()), depth: p.Depth, pause: p.Pause}
		if s.options.Serial != nil {
			class.perByte, class.gap = s.options.Serial.perByte(), s.options.Serial.gap()
		}
		requests, refusals, _ := c.current()
		for _, r := range requests {
			class.Requests = append(class.Requests, r.printed())
		}
		for _, f := range refusals {
			class.Refused = append(class.Refused, f.request.printed())
		}
		for _, r := range s.rings {
			if r.class == n {
				class.Rings = append(class.Rings, s.ringPlan(r))
			}
		}
		p.Classes = append(p.Classes, class)
	}
	return p
}

func (s *Source) ringPlan(r *ring) RingPlan {
	p := RingPlan{Name: r.outlets[0].Point.Name, Unit: r.place.unit, Table: r.table, Address: int(r.address), Slots: r.count, Size: r.size,
		PerRequest: min(r.count, max(s.options.MaxRegisters/r.size, 1)), Cursor: -1}
	if r.cursor.given() && s.options.acknowledges() {
		p.Cursor = int(r.cursor.address)
	}
	return p
}

// PollPlan implements drivers.Planner.
func (s *Source) PollPlan() drivers.PollPlan {
	p := s.Plan()
	out := drivers.PollPlan{Text: p.String()}
	for _, c := range p.Classes {
		out.Classes = append(out.Classes, drivers.PollClass{Name: c.Name, Period: c.Period, Points: c.Points(), Requests: len(c.Requests),
			Predicted: c.Cycle(printedRoundTrip), Measured: c.Measured})
	}
	return out
}

// printedRoundTrip is the answer time for which String predicts cycles: a PLC on the same switch.
const printedRoundTrip = 5 * time.Millisecond

// String prints the plan, one line a request.
func (p Plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "device %s: unit %d at %s, depth %d", p.Device, p.Unit, p.Address, p.Depth)
	if p.Pause > 0 {
		fmt.Fprintf(&b, ", pause %v", p.Pause)
	}
	b.WriteByte('\n')
	for _, c := range p.Classes {
		fmt.Fprintf(&b, "  scan class %s every %v: %d points in %d requests, %d addresses wasted; %v when each is answered in %v",
			c.Name, c.Period, c.Points(), len(c.Requests), c.Wasted(), c.Cycle(printedRoundTrip), printedRoundTrip)
		if c.Measured > 0 {
			fmt.Fprintf(&b, ", the last one took %v", c.Measured)
		}
		b.WriteByte('\n')
		for _, r := range c.Requests {
			fmt.Fprintf(&b, "    %s\n", p.line(r))
		}
		for _, r := range c.Refused {
			fmt.Fprintf(&b, "    %s (refused by the device)\n", p.line(r))
		}
		for _, r := range c.Rings {
			fmt.Fprintf(&b, "    %s\n", r)
		}
	}
	return b.String()
}

// line returns a request as the plan prints it; units that are not the device's own are named.
func (p Plan) line(r Request) string {
	if r.Unit != p.Unit {
		return fmt.Sprintf("unit %d: %s", r.Unit, r)
	}
	return r.String()
}

// String returns the ring on one line.
func (r RingPlan) String() string {
	s := fmt.Sprintf("ring %s: %d slots of %d registers at %s %d of unit %d, up to %d a request", r.Name, r.Slots, r.Size, r.Table, r.Address, r.Unit, r.PerRequest)
	if r.Cursor >= 0 {
		s += fmt.Sprintf(", durable up to holding %d", r.Cursor)
	}
	return s
}

// String returns the request on one line.
func (r Request) String() string {
	s := fmt.Sprintf("%-8s %5d to %5d: %d points", r.Table, r.Address, r.Address+r.Quantity-1, r.Points)
	if r.Wasted > 0 {
		s += fmt.Sprintf(", %d wasted", r.Wasted)
	}
	return s
}

// printed returns r for a Plan.
func (r *request) printed() Request {
	return Request{Unit: r.unit, Table: r.table, Address: int(r.address), Quantity: int(r.quantity), Points: len(r.items), Wasted: int(r.quantity) - r.used()}
}
