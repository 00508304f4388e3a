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
	bank   *modbusserver.Bank
	polls  *polls
	server *modbusserver.Server
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
	p := &plc{device: d, bank: registers.Unit(Unit), polls: newPolls(d)}
	server, err := modbusserver.Start(addr, watched{registers, p.polls}, modbusserver.Options{Direct: true})
	if err != nil {
		return nil, fmt.Errorf("start device %s: %w", d.ID, err)
	}
	p.server = server
	return p, nil
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

func (r register) set(value uint16) { r.plc.update(func(v []uint16) { v[r.address] = value }) }
