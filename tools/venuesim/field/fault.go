package field

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/courtside-edge/courtside/drivers/devicetest/modbusserver"
)

// Ill is what a device can be told to do.
type Ill string

// The ills of devices. The first six last until Heal, the others happen at once.
const (
	Delay     Ill = "delay"     // answers come late
	Drop      Ill = "drop"      // nothing is answered, connections stay
	Exception Ill = "exception" // requests are refused
	Garbage   Ill = "garbage"   // bytes that are not the protocol
	Restart   Ill = "restart"   // it goes away with its connections; Heal brings it back
	Renumber  Ill = "renumber"  // it knows its values by other numbers: another unit id, other nodes, other players
	Overrun   Ill = "overrun"   // its ring is written over by events that are nobody
	Wrap      Ill = "wrap"      // its counters jump to just below their end
	Reset     Ill = "reset"     // its counters jump to 0
)

// Ills returns every ill.
func Ills() []Ill {
	return []Ill{Delay, Drop, Exception, Garbage, Restart, Renumber, Overrun, Wrap, Reset}
}

// Lasts reports whether the ill lasts until the device is healed.
func (i Ill) Lasts() bool { return !slices.Contains([]Ill{Overrun, Wrap, Reset}, i) }

// Fault is what is done to one device.
type Fault struct {
	Device string
	Do     Ill
	Delay  time.Duration // of delay; 0 stands for DefaultDelay
	Code   int           // of exception, 1 to 255, for Modbus; 0 stands for 4, device failure
	Count  int           // of overrun: how many events more than the ring holds; 0 stands for 1
	Forget bool          // of restart: the device's memory is lost, rings and counters begin anew
}

// DefaultDelay is how late answers are when nobody says.
const DefaultDelay = 500 * time.Millisecond

// belowEnd is how far below their end counters stand after Wrap.
const belowEnd = 3

// faulty is a device that can be told to fail.
type faulty interface {
	// cause makes a lasting fault begin in a well device.
	cause(Fault) error
	// heal ends it. When it fails, it may be tried again.
	heal() error
}

// Cause makes a fault happen. A lasting one replaces the one that the device has. The error says which device cannot do what, and why.
func (f *Field) Cause(fault Fault) error {
	if !slices.Contains(Ills(), fault.Do) {
		return fmt.Errorf("no device can %q; use %s", fault.Do, words(Ills()))
	}
	d, p := f.device(fault.Device)
	if d == nil {
		return fmt.Errorf("make %s %s: there is no such device", fault.Device, fault.Do)
	}
	var err error
	switch {
	case fault.Count < 0 || fault.Code < 0 || fault.Code > 255 || fault.Delay < 0:
		err = errors.New("count, code and delay are not negative, a code is at most 255")
	case fault.Do.Lasts():
		if err = d.heal(); err == nil {
			err = d.cause(fault)
		}
	case fault.Do == Overrun:
		err = f.overrun(p, max(fault.Count, 1))
	default:
		err = f.jump(p, fault.Do)
	}
	if err == nil && fault.Forget && fault.Do == Restart {
		err = f.forget(p)
	}
	if err != nil {
		return fmt.Errorf("make %s %s: %w", fault.Device, fault.Do, err)
	}
	return nil
}

// Heal ends the lasting fault of a device. An error says that the device could not come back yet; try again.
func (f *Field) Heal(device string) error {
	d, _ := f.device(device)
	if d == nil {
		return fmt.Errorf("heal %s: there is no such device", device)
	}
	return d.heal()
}

// device returns a device, and its PLC when it is one.
func (f *Field) device(id string) (faulty, *plc) {
	for _, p := range f.plcs {
		if p.device.ID == id {
			return p, p
		}
	}
	switch id {
	case f.building.device.ID:
		return f.building, nil
	case f.tracker.device.ID:
		return f.tracker, nil
	}
	return nil, nil
}

func (f *Field) overrun(p *plc, n int) error {
	if p == nil || p.ring == nil {
		return errors.New("it has no ring")
	}
	f.haunt(p.ring, n)
	return nil
}

// jump moves the counters of a PLC.
func (f *Field) jump(p *plc, to Ill) error {
	some := false
	for direction := range f.counters {
		for lane, r := range f.counters[direction] {
			if p == nil || r.plc != p {
				continue
			}
			some = true
			in, out := f.crowd.Passed(lane)
			passed := uint16([2]uint32{in, out}[direction])
			f.lifted[direction][lane] = -(f.sensors.counterStart(lane, direction) + passed)
			if to == Wrap {
				f.lifted[direction][lane] -= belowEnd
			}
			f.count(lane, direction)
		}
	}
	if !some {
		return errors.New("it has no counters")
	}
	return nil
}

// forget empties what a device that went away had in its memory.
func (f *Field) forget(p *plc) error {
	switch {
	case p != nil && p.ring != nil:
		p.ring.Restart()
		p.ring.ghosts = 0
	case p != nil && p.device.Entries[0].Table == Input:
		return f.jump(p, Reset)
	}
	return nil
}

// cause implements faulty.
func (p *plc) cause(f Fault) error {
	switch f.Do {
	case Delay:
		p.server.SetFault(modbusserver.Delay(delayOf(f)))
	case Drop:
		p.server.SetFault(modbusserver.Drop())
	case Exception:
		code := modbusserver.DeviceFailure
		if f.Code != 0 {
			code = modbusserver.Exception(f.Code)
		}
		p.server.SetFault(modbusserver.Refuse(code))
	case Garbage:
		p.server.SetFault(modbusserver.Garbage([]byte("\x00\x00nothing that anybody asked for")))
	case Renumber:
		p.server.SetFault(modbusserver.Refuse(modbusserver.TargetSilent)) // the unit that is asked for is not there any more
	case Restart:
		return p.stop()
	}
	return nil
}

// heal implements faulty.
func (p *plc) heal() error {
	if p.server == nil {
		return p.start()
	}
	p.server.SetFault(nil)
	return nil
}

// services are those that a building refuses when it answers exceptions.
func services() []string { return []string{"Read", "CreateSubscription", "CreateMonitoredItems"} }

// cause implements faulty.
func (b *building) cause(f Fault) error {
	switch f.Do {
	case Delay:
		b.server.Slow(delayOf(f))
	case Drop:
		b.server.Stall(true)
	case Exception:
		for _, s := range services() {
			b.server.Refuse(s, true)
		}
		b.server.KillSessions() // so that what stands is asked for again
	case Garbage:
		b.server.Garbage(math.MaxInt)
	case Renumber:
		b.renumbered = true
		for _, e := range b.entries() {
			b.server.Remove(e.Node)
		}
	case Restart:
		b.away = true
		return b.server.Close()
	}
	return nil
}

// heal implements faulty.
func (b *building) heal() error {
	b.server.Slow(0)
	b.server.Stall(false)
	b.server.Garbage(0)
	for _, s := range services() {
		b.server.Refuse(s, false)
	}
	if b.renumbered {
		if err := b.declare(); err != nil {
			return err
		}
		b.renumbered = false
		if err := b.recall(); err != nil {
			return err
		}
	}
	if b.away {
		if err := b.server.Start(b.addr); err != nil {
			return fmt.Errorf("start device %s: %w", b.device.ID, err)
		}
		b.away = false
	}
	return nil
}

func delayOf(f Fault) time.Duration {
	if f.Delay == 0 {
		return DefaultDelay
	}
	return f.Delay
}

func words(ills []Ill) string {
	all := make([]string, len(ills))
	for i, ill := range ills {
		all[i] = string(ill)
	}
	return strings.Join(all, ", ")
}
