package modbus_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/drivers/devicetest/modbusserver"
	"github.com/courtside-edge/courtside/drivers/driverstest"
	"github.com/courtside-edge/courtside/drivers/modbus"
)

// rtuHarness runs the suite over an RTU line: a pseudo-terminal, or a TCP port as serial servers offer it.
type rtuHarness struct{ serial bool }

func (rtuHarness) Driver() drivers.Driver { return modbus.Driver{} }

func (h rtuHarness) Start(t testing.TB, points int) driverstest.Device {
	d := &rtuDevice{t: t, serial: h.serial, points: points, memory: modbusserver.NewRegisters(map[uint8]modbusserver.Size{1: {Holding: points}}),
		link: filepath.Join(t.TempDir(), "line")}
	d.serve("127.0.0.1:0")
	t.Cleanup(d.Stop)
	return d
}

type rtuDevice struct {
	t      testing.TB
	serial bool
	memory *modbusserver.Registers
	rtu    *modbusserver.RTU
	link   string // to the terminal of the present device, as /dev/serial/by-id does
	points int
}

func (d *rtuDevice) serve(addr string) {
	var err error
	if d.serial {
		if d.rtu, err = modbusserver.StartPTY(d.memory); err == nil {
			os.Remove(d.link)
			err = os.Symlink(d.rtu.Addr(), d.link)
		}
	} else {
		d.rtu, err = modbusserver.StartRTU(addr, d.memory)
	}
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d *rtuDevice) Options(timeout time.Duration) string {
	if d.serial {
		return fmt.Sprintf("serial: {port: %s, baud: 921600, parity: none}\nunit: 1\ntimeout: %v", d.link, timeout)
	}
	return fmt.Sprintf("address: %s\nframing: rtu\nunit: 1\ntimeout: %v", d.rtu.Addr(), timeout)
}

func (d *rtuDevice) Sources() []driverstest.Source {
	return (&device{points: d.points}).Sources()
}

func (d *rtuDevice) Set(values []uint16) { d.memory.Unit(1).SetHolding(0, values...) }

func (d *rtuDevice) Stop() {
	if err := d.rtu.Close(); err != nil {
		d.t.Errorf("stopping the device: %v", err)
	}
	if d.serial {
		os.Remove(d.link)
	}
}

func (d *rtuDevice) Restart() { d.serve(d.rtu.Addr()) }

func (d *rtuDevice) Inject(f driverstest.Trouble) bool {
	otherUnit := func(e *modbusserver.Exchange) {
		stray := append([]byte(nil), e.Answers[0]...)
		stray[6] = 77
		e.Answers = append([][]byte{stray}, e.Answers...)
	}
	faults := map[driverstest.Trouble]modbusserver.Fault{
		driverstest.None:       nil,
		driverstest.Slow:       modbusserver.Delay(20 * time.Millisecond),
		driverstest.Silent:     modbusserver.Drop(),
		driverstest.SomeLate:   modbusserver.Nth(0, 3, modbusserver.Late(200*time.Millisecond)),
		driverstest.Stray:      otherUnit,
		driverstest.Twice:      modbusserver.Twice(),
		driverstest.Garbage:    modbusserver.Garbage([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")),
		driverstest.Short:      modbusserver.Short(),
		driverstest.Long:       modbusserver.Long(),
		driverstest.HangUp:     modbusserver.HangUp(),
		driverstest.HalfClose:  modbusserver.HalfClose(),
		driverstest.RefuseSome: modbusserver.Addresses(d.points/2, d.points, modbusserver.Refuse(modbusserver.IllegalAddress)),
	}
	if d.serial { // a line that hangs up is gone until the device is plugged in again
		delete(faults, driverstest.HangUp)
		delete(faults, driverstest.HalfClose)
	}
	fault, ok := faults[f]
	if ok {
		d.rtu.SetFault(fault)
	}
	return ok
}

func TestRTUOverTCPPasses(t *testing.T) { driverstest.Run(t, rtuHarness{}) }

func TestRTUOverASerialLinePasses(t *testing.T) { driverstest.Run(t, rtuHarness{serial: true}) }
