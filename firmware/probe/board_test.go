package probe

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/firmware/diag"
	"github.com/courtside-edge/courtside/sync/point"
)

// fake is a driver whose device has these readings, in order.
type fake struct {
	readings []drivers.Reading
	refuses  error
	away     error
}

func (f fake) Prepare(drivers.Device) (drivers.Source, error) { return f, f.refuses }

func (f fake) Open(context.Context) (drivers.Conn, error) { return f, f.away }
func (f fake) Close() error                               { return nil }
func (f fake) Poll(_ context.Context, _ int, yield func(*drivers.Block)) error {
	b := &drivers.Block{}
	for i, r := range f.readings {
		r.Index = uint32(i)
		b.Readings = append(b.Readings, r)
	}
	yield(b)
	return nil
}

func TestGPIO(t *testing.T) {
	var out strings.Builder
	g := GPIO{Chip: "gpiochip0", Lines: []string{"17", "GPIO27", "5"}, Bias: "up", ActiveLow: true}
	err := g.Read(context.Background(), &out, fake{readings: []drivers.Reading{{Bits: 1, Quality: point.Good}, {Quality: point.Good}, {Quality: point.BadNodeIDUnknown}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"17      1 ", "GPIO27  0 ", "5       – "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
	err = GPIO{Lines: []string{"5"}}.Read(context.Background(), &out, fake{readings: []drivers.Reading{{Quality: point.BadNodeIDUnknown}}})
	if !errors.Is(err, diag.ErrSilent) {
		t.Errorf("no line at all: %v", err)
	}
	err = GPIO{Lines: []string{"5"}}.Read(context.Background(), &out, fake{away: &drivers.Error{Op: "find", Err: errors.New("no chip")}})
	if !errors.Is(err, diag.ErrSilent) || !strings.Contains(err.Error(), "no chip") {
		t.Errorf("no chip: %v", err)
	}
}

func TestI2CConverter(t *testing.T) {
	var out strings.Builder
	b := I2C{Bus: "i2c-1", Chip: "ads1115", Address: 0x48, Range: 4.096}
	volts := drivers.Reading{Bits: math.Float64bits(1.25), Quality: point.Good}
	if err := b.Read(context.Background(), &out, fake{readings: []drivers.Reading{volts, volts, {Quality: point.BadTimeout}, volts}}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "0        1.2500  good") || !strings.Contains(out.String(), "2        –") {
		t.Errorf("it says\n%s", out.String())
	}
	silent := drivers.Reading{Quality: point.BadTimeout}
	if err := b.Read(context.Background(), &out, fake{readings: []drivers.Reading{silent, silent, silent, silent}}); !errors.Is(err, diag.ErrSilent) {
		t.Errorf("nobody at the address: %v", err)
	}
	if err := b.Read(context.Background(), &out, fake{refuses: errors.New("chip x is not known")}); !errors.Is(err, diag.ErrUsage) {
		t.Errorf("what the driver refuses: %v", err)
	}
}
