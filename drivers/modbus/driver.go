package modbus

import (
	"errors"
	"log/slog"

	goburrow "github.com/goburrow/modbus"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/sync/point"
)

// Driver reads Modbus TCP devices. The zero value is ready.
type Driver struct{}

// Prepare implements drivers.Driver. The source that it returns is a *Source.
func (Driver) Prepare(d drivers.Device) (drivers.Source, error) {
	o, err := parseOptions(d.Options)
	errs := []error{err}
	classes := make([][]item, len(d.Classes))
	for _, g := range d.Groups {
		items, err := parseGroup(g, o)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		classes[g.Class] = append(classes[g.Class], items...)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	s := &Source{device: d, options: o, log: d.Log}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	// Only the packager of the handler is used: it carries the unit id. Its transport is never called.
	packager := goburrow.NewTCPClientHandler(o.Address)
	packager.SlaveId = byte(o.Unit)
	s.packager = packager
	for _, items := range classes {
		c, err := newCourse(items, limits{o.MaxRegisters, o.MaxBits, o.MaxGap}, packager)
		if err != nil {
			return nil, err
		}
		s.courses = append(s.courses, c)
	}
	return s, nil
}

// Source opens connections to one device and keeps what was learned about it.
type Source struct {
	device   drivers.Device
	options  options
	packager goburrow.Packager
	courses  []*course // one a scan class
	log      *slog.Logger
	opened   uint64 // connections, to tell them apart
}

// Plan returns how the device is polled at present. It may be called beside a poll.
func (s *Source) Plan() Plan {
	p := Plan{Device: s.device.ID, Address: s.options.Address, Unit: uint8(s.options.Unit), Depth: s.options.Depth, Pause: s.options.Pause}
	for n, c := range s.courses {
		class := ClassPlan{Name: s.device.Classes[n].Name, Period: s.device.Classes[n].Period, depth: p.Depth, pause: p.Pause}
		requests, refusals, _ := c.current()
		for _, r := range requests {
			class.Requests = append(class.Requests, r.printed())
		}
		for _, f := range refusals {
			class.Refused = append(class.Refused, f.request.printed())
		}
		p.Classes = append(p.Classes, class)
	}
	return p
}

var _ drivers.Driver = Driver{}

// pointsBad fills b with a reading of quality q for each point of r.
func pointsBad(b *drivers.Block, r *request, q point.Quality) {
	for _, i := range r.items {
		b.Readings = append(b.Readings, drivers.Reading{Index: i.index, Quality: q})
	}
}
