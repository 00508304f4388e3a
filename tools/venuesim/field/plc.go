package field

import (
	"fmt"

	"github.com/courtside-edge/courtside/drivers/devicetest/modbusserver"
)

// Unit is the Modbus unit id of every simulated PLC.
const Unit = 1

// plc is one Modbus device.
type plc struct {
	device Device
	addr   string
	memory watched
	bank   *modbusserver.Bank
	polls  *polls
	server *modbusserver.Server // nil while the device is away
	ring   *gateRing            // nil without one
}

// startPLC serves the registers of d at addr.
func startPLC(d Device, addr string) (*plc, error) {
	size := modbusserver.Size{}
	if tableOf(d) == modbusserver.Input {
		size.Input = d.Registers()
	} else {
		size.Holding = d.Registers()
	}
	registers := modbusserver.NewRegisters(map[uint8]modbusserver.Size{Unit: size})
	p := &plc{device: d, addr: addr, bank: registers.Unit(Unit), polls: newPolls(d)}
	p.memory = watched{registers, p.polls}
	if d.Ring != nil {
		p.ring = &gateRing{EventRing: modbusserver.NewEventRing(p.bank, d.Ring.layout()), plan: *d.Ring}
	}
	return p, p.start()
}

// start makes the device serve, where it served before.
func (p *plc) start() error {
	server, err := modbusserver.Start(p.addr, p.memory, modbusserver.Options{})
	if err != nil {
		return fmt.Errorf("start device %s: %w", p.device.ID, err)
	}
	p.server, p.addr = server, server.Addr()
	return nil
}

// stop makes the device go away with its connections; its memory stays.
func (p *plc) stop() error {
	if p.server == nil {
		return nil
	}
	err := p.server.Close()
	p.server = nil
	if err != nil {
		return fmt.Errorf("stop device %s: %w", p.device.ID, err)
	}
	return nil
}

// tableOf returns the one table that a device of this venue uses.
func tableOf(d Device) modbusserver.Table {
	if d.Entries[0].Table == Input {
		return modbusserver.Input
	}
	return modbusserver.Holding
}

// update changes the device's registers; no poll sees them half changed.
func (p *plc) update(change func(registers []uint16)) {
	p.bank.Update(func(v *modbusserver.Values) {
		if tableOf(p.device) == modbusserver.Input {
			change(v.Input)
			return
		}
		change(v.Holding)
	})
}

// register is where a seat, counter or panel lives.
type register struct {
	plc     *plc
	address int
}

// set writes the register, if there is one.
func (r register) set(value uint16) {
	if r.plc != nil {
		r.plc.update(func(v []uint16) { v[r.address] = value })
	}
}
