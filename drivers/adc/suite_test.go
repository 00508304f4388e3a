package adc

import (
	"fmt"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/drivers/driverstest"
	"github.com/courtside-edge/courtside/sync/point"
)

func TestSuiteI2C(t *testing.T) { driverstest.Run(t, &harness{}) }
func TestSuiteSPI(t *testing.T) { driverstest.Run(t, &harness{spi: true}) }

// harness makes a bus with four ADS1115s, or two MCP3008s, of sixteen channels together.
type harness struct {
	spi bool
	bus *fakeBus
}

// Driver returns the driver of the bus that was started last.
func (h *harness) Driver() drivers.Driver { return Driver{opener: h.bus} }

// Limits implements driverstest.Narrow.
func (h *harness) Limits() (int, uint16, point.Type) {
	if h.spi {
		return 16, 0x3ff, point.Int
	}
	return 16, 0x3fff, point.Int
}

func (h *harness) Start(_ testing.TB, points int) driverstest.Device {
	d := &converters{spi: h.spi, points: points, places: []int{0x48, 0x49, 0x4a, 0x4b}, each: 4}
	if h.spi {
		d.places, d.each = []int{0, 1}, 8
	}
	d.bus = newFakeBus(d.places...)
	h.bus = d.bus
	return d
}

type converters struct {
	spi    bool
	bus    *fakeBus
	points int
	places []int
	each   int
}

// Options keeps the timeout of an exchange short: nothing can end one before, the kernel's neither.
func (d *converters) Options(timeout time.Duration) string {
	d.bus.change(func() { d.bus.timeout = min(timeout, 50*time.Millisecond) })
	if d.spi {
		return "bus: spi0\ntimeout: 50ms"
	}
	return "bus: i2c-1\ntimeout: 50ms"
}

func (d *converters) Sources() []driverstest.Source {
	var all []driverstest.Source
	for n, from := 0, 0; from < d.points; n, from = n+1, from+d.each {
		options := fmt.Sprintf("chip: ads1115\naddress: %#x\nrate: 860\nchannel: 0", d.places[n])
		if d.spi {
			options = fmt.Sprintf("chip: mcp3008\nselect: %d\nchannel: 0", d.places[n])
		}
		all = append(all, driverstest.Source{Options: options, Points: min(d.each, d.points-from)})
	}
	return all
}

func (d *converters) Set(values []uint16) {
	d.bus.change(func() {
		for i, v := range values {
			d.bus.chips[d.places[i/d.each]].input[i%d.each] = int(v)
		}
	})
}

func (d *converters) Inject(f driverstest.Trouble) (can bool) {
	d.bus.change(func() {
		d.bus.slow, d.bus.silent, d.bus.garbage, d.bus.away = 0, false, false, false
		for _, c := range d.bus.chips {
			c.busy = 0
		}
		can = true
		switch f {
		case driverstest.None:
		case driverstest.Slow:
			d.bus.slow = 5 * time.Millisecond // of four exchanges a value
		case driverstest.Silent:
			d.bus.silent = true
		case driverstest.Garbage:
			d.bus.garbage = true
		case driverstest.HangUp:
			d.bus.away = true
		case driverstest.SomeLate:
			can = !d.spi // an MCP converts while it is asked
			d.bus.chips[d.places[0]].busy = 5
		case driverstest.RefuseSome:
			for _, at := range d.places[len(d.places)/2:] {
				d.bus.chips[at].absent = true
			}
		default:
			can = false
		}
	})
	return can
}

func (d *converters) Stop()    { d.bus.change(func() { d.bus.away = true }) }
func (d *converters) Restart() { d.bus.change(func() { d.bus.away = false }) }
