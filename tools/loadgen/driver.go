package loadgen

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/courtside-edge/courtside/drivers"
)

// DriverName is what configuration calls the driver.
const DriverName = "generator"

// Bounds of a device's options.
const (
	MaxRate  = 1e9   // readings a second
	MaxBlock = 65536 // readings
	// blocksPerSecond is how often a device yields when block is not given: the grain of the scheduler's timers.
	blocksPerSecond = 1000
	// fullBlock is the size of a block at "max" when it is not given, about what ten Modbus answers bring.
	fullBlock = 1000
)

// Driver is the generator as a device protocol.
type Driver struct{ Control *Control }

// Registry returns a registry of the generator alone.
func Registry(c *Control) drivers.Registry { return drivers.Registry{DriverName: Driver{c}} }

type options struct {
	Rate  string `yaml:"rate,required"`
	Block int    `yaml:"block" min:"1" max:"65536"`
	Seed  uint64 `yaml:"seed"`
}

type sourceOptions struct {
	Pattern string        `yaml:"pattern,required" enum:"seat,wall,total"`
	Every   time.Duration `yaml:"every" min:"0s" max:"1h"`
}

// Prepare implements drivers.Driver.
func (d Driver) Prepare(dev drivers.Device) (drivers.Source, error) {
	var o options
	errs := []error{dev.Options.Decode(&o)}
	s := &source{control: d.Control, clock: dev.Clock, seed: o.Seed}
	rate, err := parseRate(o.Rate)
	if err != nil && o.Rate != "" {
		errs = append(errs, dev.Options.Fault("rate", "%v", err))
	}
	s.size = o.Block
	switch {
	case rate == 0 && s.size == 0:
		s.size = fullBlock
	case s.size == 0:
		s.size = min(max(1, int(rate/blocksPerSecond)), MaxBlock)
	}
	if rate > 0 {
		s.interval = time.Duration(float64(s.size) / rate * float64(time.Second))
	}
	for _, g := range dev.Groups {
		var from sourceOptions
		if err := g.Options.Decode(&from); err != nil {
			errs = append(errs, err)
			continue
		}
		s.add(g, from)
	}
	return s, errors.Join(errs...)
}

// parseRate returns readings a second, 0 for "max".
func parseRate(text string) (float64, error) {
	if text == "max" {
		return 0, nil
	}
	rate, err := strconv.ParseFloat(text, 64)
	if err != nil || !(rate > 0) || rate > MaxRate {
		return 0, fmt.Errorf("rate %q is neither \"max\" nor readings a second, more than 0 and at most %g", text, float64(MaxRate))
	}
	return rate, nil
}

// source is one device's points and pace.
type source struct {
	control  *Control
	clock    interface{ Mono() int64 }
	seed     uint64
	size     int
	interval time.Duration // from block to block; 0 for as fast as the spool takes them
	seats    []target
	probes   []target
}

// target is one point.
type target struct {
	index uint32
	class int
	total bool // of a probe: a counter
	every time.Duration
}

func (s *source) add(g drivers.Group, from sourceOptions) {
	for _, t := range g.Targets {
		at := target{index: t.Index, class: g.Class, total: from.Pattern == "total", every: from.Every}
		if from.Pattern == "seat" {
			s.seats = append(s.seats, at)
		} else {
			s.probes = append(s.probes, at)
		}
	}
}

// Open implements drivers.Source.
func (s *source) Open(ctx context.Context) (drivers.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, &drivers.Error{Op: "connect", Err: err}
	}
	if s.interval == 0 {
		s.control.closed.Store(true)
	}
	c := &conn{source: s, crowd: newCrowd(len(s.seats), s.seed), due: make([]int64, len(s.probes)), closed: make(chan struct{})}
	c.block.Readings = make([]drivers.Reading, 0, max(s.size, len(s.seats))+len(s.probes))
	return c, nil
}
