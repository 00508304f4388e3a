package modbus_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/drivers/devicetest/modbusserver"
	"github.com/courtside-edge/courtside/drivers/driverstest"
	"github.com/courtside-edge/courtside/drivers/modbus"
)

// harness runs the suite with several outstanding requests, or one.
type harness struct{ depth int }

func (harness) Driver() drivers.Driver { return modbus.Driver{} }

func (h harness) Start(t testing.TB, points int) driverstest.Device {
	memory := modbusserver.NewRegisters(map[uint8]modbusserver.Size{1: {Holding: points}})
	d := &device{t: t, memory: memory, points: points, depth: h.depth}
	d.serve("127.0.0.1:0")
	t.Cleanup(d.Stop)
	return d
}

type device struct {
	t      testing.TB
	memory *modbusserver.Registers
	server *modbusserver.Server
	points int
	depth  int
}

func (d *device) serve(addr string) {
	var err error
	if d.server, err = modbusserver.Start(addr, d.memory, modbusserver.Options{}); err != nil {
		d.t.Fatal(err)
	}
}

func (d *device) Options(timeout time.Duration) string {
	return fmt.Sprintf("address: %s\nunit: 1\ntimeout: %v\ndepth: %d", d.server.Addr(), timeout, d.depth)
}

func (d *device) Sources() []driverstest.Source {
	half := d.points / 2
	return []driverstest.Source{
		{Options: "table: holding\naddress: 0", Points: half},
		{Options: fmt.Sprintf("table: holding\naddress: %d", half), Points: d.points - half},
	}
}

func (d *device) Set(values []uint16) { d.memory.Unit(1).SetHolding(0, values...) }

func (d *device) Stop() {
	if err := d.server.Close(); err != nil {
		d.t.Errorf("stopping the device: %v", err)
	}
}

func (d *device) Restart() { d.serve(d.server.Addr()) }

func (d *device) Inject(f driverstest.Trouble) bool {
	faults := map[driverstest.Trouble]modbusserver.Fault{
		driverstest.None:       nil,
		driverstest.Slow:       modbusserver.Delay(20 * time.Millisecond),
		driverstest.Silent:     modbusserver.Drop(),
		driverstest.SomeLate:   modbusserver.Nth(0, 3, modbusserver.Late(200*time.Millisecond)),
		driverstest.Stray:      modbusserver.Stray(),
		driverstest.Twice:      modbusserver.Twice(),
		driverstest.Garbage:    modbusserver.Garbage([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")),
		driverstest.Short:      modbusserver.Short(),
		driverstest.Long:       modbusserver.Long(),
		driverstest.HangUp:     modbusserver.HangUp(),
		driverstest.HalfClose:  modbusserver.HalfClose(),
		driverstest.RefuseSome: modbusserver.Addresses(d.points/2, d.points, modbusserver.Refuse(modbusserver.IllegalAddress)),
	}
	if d.depth >= 3 { // 300 points are three requests
		faults[driverstest.Reorder] = modbusserver.Reverse(3)
	}
	fault, ok := faults[f]
	if ok {
		d.server.SetFault(fault)
	}
	return ok
}

func TestOneRequestAtATimePasses(t *testing.T) { driverstest.Run(t, harness{depth: 1}) }

func TestSixteenRequestsAtOncePass(t *testing.T) { driverstest.Run(t, harness{depth: 16}) }
