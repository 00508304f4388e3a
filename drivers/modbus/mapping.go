package modbus

import (
	"errors"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/sync/point"
)

// item is where one point lies in the device.
type item struct {
	index   uint32
	address uint16
	unit    uint8
	table   Table
	shape   shape
}

// place returns where the item begins.
func (i item) place() place { return place{i.unit, i.table, i.address} }

// end returns the first address behind the item.
func (i item) end() int { return int(i.address) + int(i.shape.width) }

// mapping is a point's "source" section.
type mapping struct {
	Table     string `yaml:"table"`
	Address   int    `yaml:"address"`   // zero-based, as the protocol counts
	Reference string `yaml:"reference"` // as manuals count, instead of table and address
	Type      string `yaml:"type"`
	Bit       int    `yaml:"bit"`
	WordOrder string `yaml:"word_order"` // big (default) or little
	ByteOrder string `yaml:"byte_order"` // big (default) or little
	Step      int    `yaml:"step"`       // addresses from one point of a range to the next; the type's width by default, 0 with unit_step
	BitStep   int    `yaml:"bit_step"`   // instead of step: bits from one point of a range to the next, on into the next register
	Length    int    `yaml:"length"`     // registers of a string
	Unit      int    `yaml:"unit"`       // unit id; the device's by default
	UnitStep  int    `yaml:"unit_step"`  // unit ids from one point of a range to the next; 0 by default

	Ring *ringMapping `yaml:"ring"` // a log of events
}

// absent stands for numbers that are not given, where 0 means something.
const absent = -1 << 31

// parseGroup returns where the group's points lie, or the rings that they read, and all faults of its section joined.
func parseGroup(g drivers.Group, o options) ([]item, []ringSpec, error) {
	m := mapping{Address: absent, Bit: absent, Step: absent, BitStep: absent, Unit: absent}
	err := g.Options.Decode(&m)
	if len(g.Targets) == 0 {
		return nil, nil, err
	}
	p := parser{section: g.Options, point: g.Targets[0].Point} // a range differs in names and places only
	if err != nil {
		p.errs = append(p.errs, err) // what could be decoded is checked all the same
	}
	table, first := p.place(m)
	unit := p.unit(m, o, len(g.Targets))
	if m.Ring != nil {
		specs := p.rings(g, m, place{uint8(unit), table, uint16(first)}, o)
		for n := range specs {
			specs[n].place.unit = uint8(unit + n*m.UnitStep)
		}
		return nil, specs, errors.Join(p.errs...)
	}
	sh := p.shape(m, table)
	p.counter(sh)
	sh.raw = p.point.Class == point.Counter
	step := p.step(m, sh)
	if len(p.errs) > 0 {
		return nil, nil, errors.Join(p.errs...)
	}
	items := make([]item, len(g.Targets))
	last := 0
	for n, t := range g.Targets {
		at := first + n*step
		if m.BitStep != absent {
			bit := m.Bit + n*m.BitStep
			at, sh.bit = first+bit/16, uint8(bit%16)
		}
		last = max(last, at+int(sh.width)-1)
		items[n] = item{index: t.Index, address: uint16(at), unit: uint8(unit + n*m.UnitStep), table: table, shape: sh}
	}
	if last >= addresses {
		p.fault(m.placeKey(), "the last of %d points would lie at address %d; a table ends at %d", len(g.Targets), last, addresses-1)
	}
	if !table.isBits() && int(sh.width) > o.MaxRegisters {
		p.fault("type", "a value of %d registers does not fit max_registers %d; raise it", sh.width, o.MaxRegisters)
	}
	return items, nil, errors.Join(p.errs...)
}

// unit returns the unit id of the first of n points.
func (p *parser) unit(m mapping, o options, n int) int {
	unit := o.Unit
	if m.Unit != absent {
		unit = m.Unit
	}
	if unit < 0 || unit > 255 {
		p.fault("unit", "unit %d is out of range; use 0 to 255", unit)
		return 1
	}
	if last := unit + (n-1)*m.UnitStep; last < 0 || last > 255 {
		p.fault("unit_step", "the last of %d points would have unit %d; units end at 255", n, last)
		return 1
	}
	return unit
}

// placeKey returns the key that says where the points lie.
func (m mapping) placeKey() string {
	if m.Reference != "" {
		return "reference"
	}
	return "address"
}

// parser collects the faults of one section.
type parser struct {
	section drivers.Section
	point   *point.Point
	errs    []error
}

func (p *parser) fault(key, format string, args ...any) {
	p.errs = append(p.errs, p.section.Fault(key, format, args...))
}

// place returns the table and the first address.
func (p *parser) place(m mapping) (Table, int) {
	if m.Reference != "" {
		t, a, err := parseReference(m.Reference)
		if err != nil {
			p.fault("reference", "%v", err)
			return Holding, 0
		}
		if m.Address != absent {
			p.fault("address", "reference %s is address %d; give one of the two, never both", m.Reference, a)
		}
		if m.Table != "" && m.Table != t.String() {
			p.fault("table", "reference %s is in table %s, not %s; leave table out", m.Reference, t, m.Table)
		}
		return t, a
	}
	table := Holding
	if m.Table == "" {
		p.fault("table", "table is missing; use holding, input, coil or discrete, or give a reference such as 40001")
	} else if t, err := parseTable(m.Table); err != nil {
		p.fault("table", "%v", err)
	} else {
		table = t
	}
	switch {
	case m.Address == absent:
		p.fault("address", "address is missing; give the zero-based address, or a reference such as 40001")
		return table, 0
	case m.Address >= 300001 && m.Address < 500000:
		p.fault("address", "address %d is beyond %d; if it is a reference from a manual, write reference: \"%d\"", m.Address, addresses-1, m.Address)
		return table, 0
	case m.Address < 0 || m.Address >= addresses:
		p.fault("address", "address %d is out of range; use 0 to %d", m.Address, addresses-1)
		return table, 0
	}
	return table, m.Address
}

// shape returns how each value lies in table.
func (p *parser) shape(m mapping, table Table) shape {
	if table.isBits() {
		if m.Type != "" && m.Type != "bool" {
			p.fault("type", "a %s is a bool, not %s; leave type out", table, m.Type)
		}
		if key := m.firstOf("bit", "bit_step", "word_order", "byte_order", "length"); key != "" {
			p.fault(key, "a %s has no bits, orders and lengths; leave bit, bit_step, word_order, byte_order and length out", table)
		}
		if p.point.Type != point.Bool {
			p.fault("type", "a %s cannot fill a point of type %s; make the point's type bool", table, p.point.Type)
		}
		return shape{kind: flag, width: 1}
	}
	t, err := parseType(m.Type, p.point.Type)
	if err != nil {
		p.fault("type", "%v", err)
		return shape{width: 1}
	}
	if t.point != p.point.Type {
		p.fault("type", "%s cannot fill a point of type %s; make the point's type %s", t.name, p.point.Type, t.point)
	}
	s := t.shape
	s.littleBytes = p.little(m.ByteOrder, "byte_order")
	s.littleWords = p.little(m.WordOrder, "word_order")
	p.length(m, &s)
	if s.littleWords && s.kind == text {
		p.fault("word_order", "a string has no word order; leave word_order out")
	} else if s.littleWords && s.width == 1 {
		p.fault("word_order", "%s is one register and has no word order; leave word_order out", t.name)
	}
	switch {
	case s.kind != bitOf && m.Bit != absent:
		p.fault("bit", "bit goes with type bit only, not with %s", t.name)
	case s.kind != bitOf && m.BitStep != absent:
		p.fault("bit_step", "bit_step goes with type bit only, not with %s", t.name)
	case s.kind == bitOf && m.Bit == absent:
		p.fault("bit", "bit is missing; say which bit of the register, 0 (least significant) to 15")
	case s.kind == bitOf && (m.Bit < 0 || m.Bit > 15):
		p.fault("bit", "bit %d is out of range; use 0 (least significant) to 15", m.Bit)
	case s.kind == bitOf:
		s.bit = uint8(m.Bit)
	}
	return s
}

// firstOf returns the first of keys that is given.
func (m mapping) firstOf(keys ...string) string {
	given := map[string]bool{"bit": m.Bit != absent, "bit_step": m.BitStep != absent, "word_order": m.WordOrder != "", "byte_order": m.ByteOrder != "", "length": m.Length != 0}
	for _, k := range keys {
		if given[k] {
			return k
		}
	}
	return ""
}

// length sets how many registers a string has.
func (p *parser) length(m mapping, s *shape) {
	switch {
	case s.kind != text && m.Length != 0:
		p.fault("length", "length goes with type string only; leave it out")
	case s.kind == text && (m.Length < 1 || m.Length > maxRegisters):
		p.fault("length", "a string needs its length in registers of two characters, 1 to %d, not %d", maxRegisters, m.Length)
		s.width = 1
	case s.kind == text:
		s.width = uint8(m.Length)
	}
}

func (p *parser) little(s, key string) bool {
	switch s {
	case "", "big":
		return false
	case "little":
		return true
	}
	p.fault(key, "%q is not an order; use big (most significant first, the default) or little", s)
	return false
}

// counter checks what only counters and events have to fulfil.
func (p *parser) counter(s shape) {
	switch {
	case p.point.Class == point.Event:
		p.fault("", "an event comes from a ring in the device; describe it as ring, or make the point's class state or counter")
	case p.point.Class != point.Counter:
	case s.kind != unsigned:
		p.fault("type", "a counter needs an unsigned register: use uint16, uint32 or uint64")
	case p.point.Bits != 0 && int(p.point.Bits) != 16*int(s.width):
		p.fault("type", "the counter has %d bits, its register %d: a wrap would be misjudged; make bits and type agree", p.point.Bits, 16*int(s.width))
	}
}

// step returns how many addresses lie between the points of a range.
func (p *parser) step(m mapping, s shape) int {
	switch {
	case m.BitStep != absent && m.Step != absent:
		p.fault("step", "step and bit_step contradict each other; leave one of them out")
		return int(s.width)
	case m.BitStep != absent && (m.BitStep < 1 || m.BitStep > 1024):
		p.fault("bit_step", "bit_step %d is out of range; use 1 to 1024, or step for one bit a register", m.BitStep)
		return int(s.width)
	case m.Step == absent && m.UnitStep != 0, m.Step == 0 && m.UnitStep != 0:
		return 0 // the same address of each unit
	case m.Step == absent:
		return int(s.width)
	case m.Step < 1 || m.Step >= addresses:
		p.fault("step", "step %d is out of range; use 1 to %d, or leave it out for %d, the type's width", m.Step, addresses-1, s.width)
		return int(s.width)
	}
	return m.Step
}
