package field

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/courtside-edge/courtside/tools/venuesim/crowd"
)

// Options say where the devices listen. The zero value listens on free ports of 127.0.0.1.
type Options struct {
	Host       string // 127.0.0.1 when empty
	ModbusPort int    // of the first Modbus device, the others follow; 0 for free ports
	OPCUAPort  int    // 0 for a free port
	// TrackingPort is that of the tracking system; 0 for a free port.
	TrackingPort int
	Seed         uint64
	Dated        bool // OPC UA values carry the wall clock as source time
	// EventLength is the simulated length of the event, which says when there is a game; 0 for never.
	EventLength time.Duration
}

// Field is the running devices. Apply and Refresh are for one goroutine at a time; the devices are polled beside it.
type Field struct {
	plan     *Plan
	crowd    *crowd.Crowd
	sensors  sensors
	plcs     []*plc
	building *building
	tracker  *tracker
	length   time.Duration // of the event

	seats    []register    // by seat
	counters [2][]register // by direction and lane
	words    []register    // by panel
	draws    []uint64      // by PLC: how often its noise was drawn
	quadrant []int         // by seat
	gates    []int         // by lane
	rings    []*gateRing   // by gate; nil where there is none
	lifted   [2][]uint16   // by direction and lane: what faults added to a counter

	uptime time.Duration // real

	sinceNoise, sinceAir time.Duration // real
	airTime              time.Duration // simulated, up to which the air has followed
	nextNoisy            int           // PLC
}

// Start starts every device of the plan with the state of c, which the caller advances.
func Start(plan *Plan, c *crowd.Crowd, o Options) (*Field, error) {
	f := &Field{plan: plan, crowd: c, sensors: sensors{o.Seed}, length: o.EventLength}
	for i, d := range plan.Devices {
		if err := f.start(d, Addresses(plan, o)[i], o); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	f.locate()
	if err := f.fill(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Addresses returns where each device of the plan will listen, in its order; port 0 stands for any free one.
func Addresses(plan *Plan, o Options) []string {
	host := o.Host
	if host == "" {
		host = "127.0.0.1"
	}
	addresses := make([]string, len(plan.Devices))
	next := o.ModbusPort
	for i, d := range plan.Devices {
		port := o.OPCUAPort
		switch d.Protocol {
		case Modbus:
			if port = next; next != 0 {
				next++
			}
		case Tracking:
			port = o.TrackingPort
		}
		addresses[i] = net.JoinHostPort(host, strconv.Itoa(port))
	}
	return addresses
}

func (f *Field) start(d Device, addr string, o Options) error {
	switch d.Protocol {
	case Tracking:
		t, err := startTracker(d, addr, o.Seed)
		f.tracker = t
		return err
	case OPCUA:
		b, err := startBuilding(d, f.plan.Arena, addr, f.sensors, o.Dated)
		f.building = b
		return err
	}
	p, err := startPLC(d, addr)
	if err != nil {
		return err
	}
	f.plcs = append(f.plcs, p)
	return nil
}

// locate finds the register of every seat, counter and panel.
func (f *Field) locate() {
	a := f.plan.Arena
	f.seats = make([]register, len(a.Seats))
	f.words = make([]register, len(a.Panels))
	lanes := 0
	for _, g := range a.Gates {
		lanes += g.Lanes
	}
	f.counters = [2][]register{make([]register, lanes), make([]register, lanes)}
	f.lifted = [2][]uint16{make([]uint16, lanes), make([]uint16, lanes)}
	f.rings = make([]*gateRing, len(a.Gates))
	for i, g := range a.Gates {
		f.gates = append(f.gates, slices.Repeat([]int{i}, g.Lanes)...)
	}
	for _, p := range f.plcs {
		if p.ring != nil {
			f.rings[p.ring.plan.Gate] = p.ring
			continue
		}
		for _, list := range [][]Entry{p.device.Entries, p.device.Unlisted} {
			for _, e := range list {
				into := map[Role][]register{
					SeatPressure: f.seats, PassagesIn: f.counters[0], PassagesOut: f.counters[1], PanelStatus: f.words,
				}[e.Role]
				for n := range e.Count {
					into[e.First+n] = register{p, e.Address + n}
				}
			}
		}
	}
	f.draws = make([]uint64, len(f.plcs))
	f.quadrant = make([]int, len(a.Seats))
	for i, s := range a.Seats {
		f.quadrant[i] = quadrant(s.At)
	}
}

// fill writes the state before the first event.
func (f *Field) fill() error {
	for i := range f.plcs {
		f.redraw(i)
	}
	for direction := range f.counters {
		for lane := range f.counters[direction] {
			f.count(lane, direction)
		}
	}
	for panel := range f.words {
		if err := f.show(panel); err != nil {
			return err
		}
	}
	return f.building.breathe(0)
}

// Apply brings the registers and nodes up to what the crowd has just done.
func (f *Field) Apply(events []crowd.Event) error {
	var faults []error
	for _, e := range events {
		index := int(e.Index)
		switch e.Kind {
		case crowd.Enter:
			f.count(index, 0)
			f.pass(e, CodeIn)
		case crowd.Leave:
			f.count(index, 1)
			f.pass(e, CodeOut)
		case crowd.Sit:
			f.building.seated[f.quadrant[index]]++
			f.press(index)
		case crowd.Rise:
			f.building.seated[f.quadrant[index]]--
			f.press(index)
		case crowd.Show:
			faults = append(faults, f.show(index))
		}
	}
	return errors.Join(faults...)
}

// press writes a seat's register as of now.
func (f *Field) press(seat int) {
	r := f.seats[seat]
	r.set(f.sensors.register(seat, f.crowd.Weight(seat), 0))
}

// count writes a lane's counter as of now: 16 bits that wrap.
func (f *Field) count(lane, direction int) {
	in, out := f.crowd.Passed(lane)
	passed := [2]uint32{in, out}[direction]
	f.counters[direction][lane].set(f.sensors.counterStart(lane, direction) + f.lifted[direction][lane] + uint16(passed))
}

func (f *Field) show(panel int) error {
	word := f.crowd.Word(panel)
	f.words[panel].set(word)
	if err := f.building.show(panel, word); err != nil {
		return fmt.Errorf("show %#04x on %s: %w", word, f.plan.Arena.Panels[panel].Place, err)
	}
	return nil
}

// Refresh draws noise anew and lets the air follow, as far as both are due after elapsed of real time.
func (f *Field) Refresh(elapsed time.Duration) error {
	f.tick(elapsed)
	each := NoisePeriod / time.Duration(len(f.plcs))
	f.sinceNoise = min(f.sinceNoise+elapsed, NoisePeriod)
	for f.sinceNoise >= each {
		f.sinceNoise -= each
		f.redraw(f.nextNoisy)
		f.nextNoisy = (f.nextNoisy + 1) % len(f.plcs)
	}
	if f.length > 0 {
		f.tracker.play(elapsed, crowd.PhaseAt(f.crowd.Now(), f.length))
	}
	if f.sinceAir += elapsed; f.sinceAir < airPeriod {
		return nil
	}
	f.sinceAir = 0
	moved := f.crowd.Now() - f.airTime
	f.airTime = f.crowd.Now()
	return f.building.breathe(moved)
}

// redraw writes the seats of one PLC with new noise.
func (f *Field) redraw(i int) {
	p := f.plcs[i]
	if p.device.Entries[0].Role != SeatPressure {
		return
	}
	f.draws[i]++
	p.update(func(registers []uint16) {
		for _, e := range p.device.Entries {
			for n := range e.Count {
				seat := e.First + n
				registers[e.Address+n] = f.sensors.register(seat, f.crowd.Weight(seat), f.draws[i])
			}
		}
	})
}

// Address returns where a device listens, "" for an unknown one.
func (f *Field) Address(id string) string {
	if f.building != nil && id == f.building.device.ID {
		return f.building.addr
	}
	if f.tracker != nil && id == f.tracker.device.ID {
		return f.tracker.server.Addr() // where it listened last
	}
	for _, p := range f.plcs {
		if p.device.ID == id {
			return p.addr
		}
	}
	return ""
}

// Polls returns how often every listed register of each Modbus device was read since the start or
// RestartPolls, as the least of all devices, or of those of the gates only.
func (f *Field) Polls(gatesOnly bool) int {
	least := -1
	for _, p := range f.plcs {
		if gatesOnly && p.device.Entries[0].Table != Input && p.ring == nil {
			continue
		}
		if n := p.polls.count(); least < 0 || n < least {
			least = n
		}
	}
	return max(least, 0)
}

// RestartPolls makes Polls count from 0.
func (f *Field) RestartPolls() {
	for _, p := range f.plcs {
		p.polls.restart()
	}
}

// Close ends all devices and their connections. It may be called twice.
func (f *Field) Close() error {
	var faults []error
	for _, p := range f.plcs {
		faults = append(faults, p.stop())
	}
	if f.building != nil {
		if err := f.building.server.Close(); err != nil {
			faults = append(faults, fmt.Errorf("stop device %s: %w", f.building.device.ID, err))
		}
	}
	if f.tracker != nil {
		if err := f.tracker.server.Close(); err != nil {
			faults = append(faults, fmt.Errorf("stop device %s: %w", f.tracker.device.ID, err))
		}
	}
	return errors.Join(faults...)
}
