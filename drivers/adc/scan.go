package adc

import (
	"context"
	"fmt"

	"periph.io/x/conn/v3/i2c"

	"github.com/courtside-edge/courtside/drivers"
)

// FirstAddress and LastAddress are where an ADS1115 or ADS1015 may be.
const (
	FirstAddress = firstADS
	LastAddress  = lastADS
)

// The addresses of an I2C bus that are not reserved.
const (
	firstChip = 0x08
	lastChip  = 0x77
)

// Scan returns the addresses of an I2C bus, such as i2c-1, at which a chip answers. It reads one byte of each and writes none.
func Scan(ctx context.Context, name string) ([]int, error) { return scan(ctx, machine{}, name) }

func scan(ctx context.Context, m opener, name string) (found []int, err error) {
	o, err := readOptions(named(name))
	if err != nil {
		return nil, err
	}
	if o.family != ads {
		return nil, fmt.Errorf("%s is no I2C bus; an SPI bus cannot be searched", name)
	}
	bus, err := m.openI2C(o)
	if err != nil {
		return nil, fmt.Errorf("opening bus %s: %w", name, err)
	}
	defer func(b i2c.BusCloser) { _ = b.Close() }(bus) // nothing was written
	for at := firstChip; at <= lastChip; at++ {
		if err := ctx.Err(); err != nil {
			return found, err
		}
		err := bus.Tx(uint16(at), nil, make([]byte, 1))
		if err == nil {
			found = append(found, at)
		} else if isGone(err) {
			return found, fmt.Errorf("searching bus %s: %w", name, err)
		}
	}
	return found, nil
}

// named is a section that holds a bus's name alone.
type named string

// Decode implements drivers.Section.
func (n named) Decode(v any) error {
	if o, ok := v.(*options); ok {
		o.Bus = string(n)
	}
	return nil
}

// Fault implements drivers.Section.
func (n named) Fault(_, format string, args ...any) error { return fmt.Errorf(format, args...) }

var _ drivers.Section = named("")
