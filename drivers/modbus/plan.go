package modbus

import (
	"fmt"
	"strings"
	"time"

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
	depth    int
	pause    time.Duration
}

// Request is one read of neighbouring addresses.
type Request struct {
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
	return time.Duration(turns)*roundTrip + time.Duration(n-1)*c.pause
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
		fmt.Fprintf(&b, "  scan class %s every %v: %d points in %d requests, %d addresses wasted; %v when each is answered in %v\n",
			c.Name, c.Period, c.Points(), len(c.Requests), c.Wasted(), c.Cycle(printedRoundTrip), printedRoundTrip)
		for _, r := range c.Requests {
			fmt.Fprintf(&b, "    %s\n", r)
		}
		for _, r := range c.Refused {
			fmt.Fprintf(&b, "    %s (refused by the device)\n", r)
		}
	}
	return b.String()
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
	return Request{Table: r.table, Address: int(r.address), Quantity: int(r.quantity), Points: len(r.items), Wasted: int(r.quantity) - r.used()}
}
