package modbus

import (
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/sync/point"
)

// Driver reads Modbus devices. The zero value is ready.
type Driver struct{}

// Prepare implements drivers.Driver. The source that it returns is a *Source.
func (Driver) Prepare(d drivers.Device) (drivers.Source, error) {
	o, err := parseOptions(d.Options)
	errs := []error{err}
	s := &Source{device: d, options: o, log: d.Log, began: time.Now(), packer: packer{rtu: o.rtu()}, units: map[uint8]*unit{}, tickets: tickets{mode: o.Tickets}}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	classes := make([][]item, len(d.Classes))
	for _, g := range d.Groups {
		items, rings, err := parseGroup(g, o)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		classes[g.Class] = append(classes[g.Class], items...)
		errs = append(errs, s.addRings(g, rings))
	}
	errs = append(errs, s.completeRings(d.Options))
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	s.addControls(classes)
	s.addUnits(classes)
	for _, items := range classes {
		c, err := newCourse(items, limits{o.MaxRegisters, o.MaxBits, o.MaxGap}, s.packer)
		if err != nil {
			return nil, err
		}
		s.courses = append(s.courses, c)
	}
	if o.Proxy != "" {
		s.image = newImage()
	}
	return s, nil
}

// Source opens connections to one device and keeps what was learned about it.
type Source struct {
	device   drivers.Device
	options  options
	packer   packer
	courses  []*course // one a scan class
	rings    []*ring
	controls []controlPlace // of rings, by the index that their items have
	units    map[uint8]*unit
	order    []uint8 // of units, ascending
	late     latecomers
	tickets  tickets
	image    *image // nil without a proxy
	log      *slog.Logger
	began    time.Time
	opened   uint64 // connections, to tell them apart

	statsMu sync.Mutex
	past    Stats     // of connections before the present one
	current *counters // of the present or last one
}

// controlPlace says which number of which ring an item reads.
type controlPlace struct {
	ring *ring
	n    int
}

// control returns where the number at a place is kept.
func (s *Source) control(index uint32) *control {
	at := s.controls[index]
	return &at.ring.controls[at.n]
}

// addRings makes the points of g take the events of rings, one each.
func (s *Source) addRings(g drivers.Group, specs []ringSpec) error {
	var errs []error
	for n := range specs {
		spec, target := &specs[n], g.Targets[n]
		at := slices.IndexFunc(s.rings, func(r *ring) bool { return r.place == spec.place })
		if at < 0 {
			s.rings = append(s.rings, &ring{ringSpec: *spec, outlets: []drivers.Target{target}, section: g.Options, class: g.Class})
			continue
		}
		if wrong := s.rings[at].add(target, spec, g.Class); wrong != "" {
			errs = append(errs, g.Options.Fault("ring", "point %q: %s", target.Point.Name, wrong))
		}
	}
	return errors.Join(errs...)
}

// completeRings reports events that would be lost for want of a point, and tickets that would leave for want of a key.
func (s *Source) completeRings(options drivers.Section) error {
	var errs []error
	keyed := s.options.Tickets != ticketsHashed || s.options.TicketKey != ""
	for _, r := range s.rings {
		if wrong := r.complete(); wrong != "" {
			errs = append(errs, r.section.Fault("ring.direction", "point %q: %s", r.outlets[0].Point.Name, wrong))
		}
		if r.ticket.given() && !keyed {
			errs = append(errs, options.Fault("ticket_key_file", "tickets are personal and leave as a keyed hash: name a file that holds a secret of 16 bytes or more, or set tickets: none (or plain)"))
			keyed = true
		}
	}
	return errors.Join(errs...)
}

// addControls adds the numbers beside the slots of rings to what their classes read.
func (s *Source) addControls(classes [][]item) {
	for _, r := range s.rings {
		for n, reg := range [controlCount]register{r.head, r.ringSpec.generation, r.clock} {
			if !reg.given() {
				continue
			}
			sh := reg.shape
			sh.control = true
			classes[r.class] = append(classes[r.class], item{index: uint32(len(s.controls)), address: reg.address, unit: r.place.unit, table: r.table, shape: sh})
			s.controls = append(s.controls, controlPlace{r, n})
			r.controls[n].quality = point.BadWaitingForInitialData
		}
	}
}

// addUnits lists the units of all items. A unit that stands alone has no breaker.
func (s *Source) addUnits(classes [][]item) {
	for _, items := range classes {
		for _, i := range items {
			if !slices.Contains(s.order, i.unit) {
				s.order = append(s.order, i.unit)
			}
		}
	}
	if len(s.order) == 0 {
		s.order = []uint8{uint8(s.options.Unit)}
	}
	slices.Sort(s.order)
	for _, id := range s.order {
		s.units[id] = newUnit(id, len(s.order) == 1)
	}
}

// pointsBad fills b with a reading of quality q for each point of r.
func (s *Source) pointsBad(b *drivers.Block, r *request, q point.Quality) {
	for _, i := range r.items {
		if i.shape.control {
			s.control(i.index).quality = q
			continue
		}
		b.Readings = append(b.Readings, drivers.Reading{Index: i.index, Quality: q})
	}
}

var _ drivers.Driver = Driver{}
