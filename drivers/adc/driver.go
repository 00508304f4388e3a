package adc

import (
	"context"
	"errors"
	"log/slog"
	"math"

	"periph.io/x/conn/v3/i2c"

	"github.com/courtside-edge/courtside/drivers"
)

// Driver reads converters. The zero value is ready.
type Driver struct {
	opener opener // nil for the machine's buses
}

var _ drivers.Driver = Driver{}

// opener opens buses.
type opener interface {
	// openI2C opens a bus whose exchanges end after o.Timeout.
	openI2C(o options) (i2c.BusCloser, error)
	// openSPI opens one chip select of a bus.
	openSPI(o options, selected int) (spiChip, error)
}

// spiChip is one chip select. Tx sends and receives as many bytes.
type spiChip interface {
	Tx(w, r []byte) error
	Close() error
}

// Prepare implements drivers.Driver.
func (d Driver) Prepare(dev drivers.Device) (drivers.Source, error) {
	o, err := readOptions(dev.Options)
	errs := []error{err}
	s := &source{device: dev, o: o, opener: d.opener}
	type key struct {
		chip           chipKey
		channel, minus int
	}
	taken, models := make(map[key]bool), make(map[int]string)
	for _, g := range dev.Groups {
		items, err := readGroup(g, o)
		errs = append(errs, err)
		for _, i := range items {
			k := key{i.chip, i.setting.channel, i.setting.minus}
			if taken[k] {
				errs = append(errs, g.Options.Fault("channel", "channel %d of the %v already fills another point; let each point have its own", i.setting.channel, i.chip))
				break
			}
			if m := models[i.chip.at]; m != "" && m != i.chip.name {
				errs = append(errs, g.Options.Fault("chip", "the chip there is an %s already; one chip is one model", m))
				break
			}
			taken[k], models[i.chip.at] = true, i.chip.name
		}
		s.items = append(s.items, items...)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if s.device.Log == nil {
		s.device.Log = slog.New(slog.DiscardHandler)
	}
	if s.opener == nil {
		s.opener = machine{}
	}
	return s, nil
}

// source opens the bus of one device.
type source struct {
	device drivers.Device
	o      options
	opener opener
	items  []item
}

// Open implements drivers.Source. One chip that answers makes a connection.
func (s *source) Open(ctx context.Context) (drivers.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, failed("open bus "+s.o.Bus, err)
	}
	c := newConn(s)
	err := c.open()
	if err == nil {
		err = c.probe()
	}
	if err != nil {
		return nil, errors.Join(failed("open bus "+s.o.Bus, err), c.Close())
	}
	return c, nil
}

func roundHalfAway(v float64) int64 { return int64(math.Round(v)) }
