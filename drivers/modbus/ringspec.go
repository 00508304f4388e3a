package modbus

import (
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/sync/point"
)

// ringMapping is the "ring" of a point's source: a log of events in the device's registers. The source's own address is that of slot 0.
type ringMapping struct {
	Count      int               `yaml:"count"`      // slots
	Size       int               `yaml:"size"`       // registers of a slot
	Head       *registerMapping  `yaml:"head"`       // events written so far; event n lies in slot n mod count
	Wrap       int64             `yaml:"wrap"`       // where the head begins again at 0; its type's end by default
	Generation *registerMapping  `yaml:"generation"` // changes when the head begins again for another reason
	Clock      *registerMapping  `yaml:"clock"`      // the device's present time, in the unit of the slots'
	Cursor     *registerMapping  `yaml:"cursor"`     // a holding register for the number that is durably read, counted as the head is
	ID         *idMapping        `yaml:"id"`
	Time       *timeMapping      `yaml:"time"`
	Direction  *directionMapping `yaml:"direction"`
	Ticket     *fieldMapping     `yaml:"ticket"`
	Value      *fieldMapping     `yaml:"value"`
}

// registerMapping is a number beside the slots.
type registerMapping struct {
	Address *int   `yaml:"address"`
	Type    string `yaml:"type"` // uint16 by default
	Step    *int   `yaml:"step"` // addresses from one ring of a range to the next; the source's step by default
}

// fieldMapping is a number, or a text, in each slot.
type fieldMapping struct {
	Offset *int   `yaml:"offset"` // registers from the slot's first
	Type   string `yaml:"type"`   // uint16 by default
	Length int    `yaml:"length"` // registers of a string
}

// idMapping is the event's number: that of the first event ever, and one more for each.
type idMapping struct {
	Offset *int   `yaml:"offset"`
	Type   string `yaml:"type"`
	First  int64  `yaml:"first"`
}

// timeMapping is when the event occurred.
type timeMapping struct {
	Offset *int   `yaml:"offset"`
	Type   string `yaml:"type"`
	Unit   string `yaml:"unit"`  // s (default), ms, us or ns
	Epoch  string `yaml:"epoch"` // unix (default), 2000, or none for a time that counts from somewhere
}

// directionMapping is which way the event went.
type directionMapping struct {
	Offset *int   `yaml:"offset"`
	Type   string `yaml:"type"`
	In     *int64 `yaml:"in"` // its codes; a point takes the events of its own direction
	Out    *int64 `yaml:"out"`
}

// ringSpec is a ring as it lies in the device. It is comparable: points of one ring have equal ones.
type ringSpec struct {
	place                 // of slot 0
	count, size           int
	wrap                  uint64 // of the head
	span                  uint64 // after which ids repeat
	first                 uint64 // id of the first event ever
	head, generation      register
	clock, cursor         register
	id, time              field
	direction, ticket     field
	value                 field
	tick                  time.Duration // unit of times
	base                  int64         // Unix ns of time 0
	wall                  bool          // times are dated by base
	takesIn, takesOut     bool          // direction has a code for it
	codeIn, codeOut       uint64
	swapWords, swapOctets bool
}

// register is a number at an address; shape.width 0 for none.
type register struct {
	address uint16
	shape   shape
}

// field is a number or text in a slot; shape.width 0 for none.
type field struct {
	offset int
	shape  shape
}

func (r register) given() bool { return r.shape.width > 0 }
func (f field) given() bool    { return f.shape.width > 0 }

// numberOf returns what the field says in a slot.
func (f field) numberOf(slot []byte) (uint64, point.Quality) {
	return f.shape.value(slot[2*f.offset:])
}

// matches reports whether id is that of event n, as far as both count.
func (s *ringSpec) matches(n, id uint64) bool {
	m := min(s.wrap, s.span)
	return (n+s.first)%m == id%m
}

// epoch2000 is the beginning of the year 2000, Unix ns.
var epoch2000 = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()

// ringParser reads the rings of one group.
type ringParser struct {
	*parser
	m     mapping
	r     *ringMapping
	steps int // addresses from one ring to the next
	spec  ringSpec
}

// rings returns the ring of each target of g, and reports all faults.
func (p *parser) rings(g drivers.Group, m mapping, at place, o options) []ringSpec {
	q := &ringParser{parser: p, m: m, r: m.Ring, spec: ringSpec{place: at, count: m.Ring.Count, size: m.Ring.Size}}
	before := len(p.errs)
	q.orders()
	q.geometry(at, o)
	q.registers()
	q.fields()
	q.numbering()
	if len(p.errs) > before {
		return nil
	}
	specs := make([]ringSpec, len(g.Targets))
	for n := range specs {
		var ok bool
		if specs[n], ok = q.shifted(n); !ok {
			p.fault(m.placeKey(), "ring %d of %d would lie beyond address %d", n+1, len(specs), addresses-1)
			return nil
		}
	}
	return specs
}

func (p *ringParser) orders() {
	p.spec.swapOctets = p.little(p.m.ByteOrder, "byte_order")
	p.spec.swapWords = p.little(p.m.WordOrder, "word_order")
	for key, given := range map[string]bool{"type": p.m.Type != "", "bit": p.m.Bit != absent, "bit_step": p.m.BitStep != absent, "length": p.m.Length != 0} {
		if given {
			p.fault(key, "a ring describes its own fields; leave %s out", key)
		}
	}
	if p.point.Class != point.Event {
		p.fault("ring", "a ring is a source of events; make the point's class event")
	}
	if p.point.Type != point.Int && p.point.Type != point.Text {
		p.fault("ring", "an event of a ring is an int (1, or its direction or value) or a text (its ticket), not a %s", p.point.Type)
	}
}

func (p *ringParser) geometry(at place, o options) {
	if at.table.isBits() {
		p.fault("table", "a ring lies in registers; use holding or input, not %s", at.table)
	}
	if p.r.Count < 2 || p.r.Count > 32768 {
		p.fault("ring.count", "count %d is out of range; use 2 to 32768 slots", p.r.Count)
		p.spec.count = 2
	}
	if p.r.Size < 1 || p.r.Size > o.MaxRegisters {
		p.fault("ring.size", "size %d is out of range; use 1 to %d registers a slot (max_registers)", p.r.Size, o.MaxRegisters)
		p.spec.size = 1
	}
	p.steps = p.spec.count * p.spec.size
	if p.m.UnitStep != 0 {
		p.steps = 0 // the same addresses of each unit
	}
	if p.m.Step != absent && (p.m.Step != 0 || p.m.UnitStep == 0) {
		if p.m.Step < 1 || p.m.Step >= addresses {
			p.fault("step", "step %d is out of range; use 1 to %d, or leave it out for %d, the ring's length", p.m.Step, addresses-1, p.steps)
		} else {
			p.steps = p.m.Step
		}
	}
}

func (p *ringParser) registers() {
	s := &p.spec
	s.head = p.register("head", p.r.Head, true)
	s.generation = p.register("generation", p.r.Generation, false)
	s.clock = p.register("clock", p.r.Clock, false)
	s.cursor = p.register("cursor", p.r.Cursor, false)
	if s.clock.given() && p.r.Time == nil {
		p.fault("ring.clock", "a clock dates the times of slots; describe time, or leave clock out")
	}
}

func (p *ringParser) register(name string, m *registerMapping, required bool) register {
	if m == nil {
		if required {
			p.fault("ring", "%s is missing; give the register that counts the events, as %s: {address: …, type: uint16}", name, name)
		}
		return register{}
	}
	if m.Address == nil || *m.Address < 0 || *m.Address >= addresses {
		p.fault("ring."+name, "%s needs an address, 0 to %d", name, addresses-1)
		return register{}
	}
	return register{uint16(*m.Address), p.unsigned(name, m.Type)}
}

// unsigned returns the shape of a number that a ring needs.
func (p *ringParser) unsigned(name, typ string) shape {
	t, err := parseType(typ, point.Int)
	if err != nil || t.shape.kind != unsigned && t.shape.kind != bcd {
		p.fault("ring."+name, "%q is no type for %s; use uint16, uint32, uint64, bcd16 or bcd32", typ, name)
		return shape{kind: unsigned, width: 1}
	}
	s := t.shape
	s.raw = true
	s.littleBytes, s.littleWords = p.spec.swapOctets, p.spec.swapWords && s.width > 1
	return s
}

func (p *ringParser) fields() {
	s, r := &p.spec, p.r
	if r.ID == nil {
		p.fault("ring", "id is missing; say where a slot holds the event's number, as id: {offset: 0, type: uint32}: a torn slot is told by it")
	} else {
		s.id = p.field("id", r.ID.Offset, r.ID.Type)
		s.first = uint64(max(r.ID.First, 0))
		if r.ID.First < 0 {
			p.fault("ring.id", "first %d is negative; give the id of the first event ever, 0 by default", r.ID.First)
		}
	}
	if t := r.Time; t != nil {
		s.time = p.field("time", t.Offset, t.Type)
		p.times(t)
	}
	if d := r.Direction; d != nil {
		s.direction = p.field("direction", d.Offset, d.Type)
		s.codeIn, s.takesIn = p.code("in", d.In)
		s.codeOut, s.takesOut = p.code("out", d.Out)
		if s.takesIn && s.takesOut && s.codeIn == s.codeOut {
			p.fault("ring.direction", "in and out have the same code %d", s.codeIn)
		}
	}
	if v := r.Value; v != nil {
		s.value = p.field("value", v.Offset, v.Type)
	}
	if t := r.Ticket; t != nil && t.Type == "string" {
		s.ticket = field{p.offset("ticket", t.Offset, t.Length), shape{kind: text, width: uint8(max(0, min(t.Length, maxRegisters))), littleBytes: s.swapOctets}}
	} else if t != nil {
		s.ticket = p.field("ticket", t.Offset, t.Type)
	}
	if p.point.Type == point.Text && !s.ticket.given() {
		p.fault("ring", "an event of type text is its ticket; describe ticket, or make the point's type int")
	}
}

func (p *ringParser) code(name string, v *int64) (uint64, bool) {
	if v == nil {
		return 0, false
	}
	if *v < 0 {
		p.fault("ring.direction", "%s %d is negative; give the code that slots hold", name, *v)
	}
	return uint64(*v), true
}

func (p *ringParser) field(name string, offset *int, typ string) field {
	s := p.unsigned(name, typ)
	return field{p.offset(name, offset, int(s.width)), s}
}

// offset returns where a field of so many registers begins.
func (p *ringParser) offset(name string, offset *int, width int) int {
	switch {
	case offset == nil:
		p.fault("ring."+name, "offset is missing; count registers from the slot's first, which is 0")
		return 0
	case width < 1:
		p.fault("ring."+name, "length is missing; say how many registers the string of %s has", name)
		return 0
	case *offset < 0 || *offset+width > p.spec.size:
		p.fault("ring."+name, "%s has %d registers from %d on; a slot has %d", name, width, *offset, p.spec.size)
		return 0
	}
	return *offset
}

func (p *ringParser) times(t *timeMapping) {
	s := &p.spec
	switch t.Unit {
	case "", "s":
		s.tick = time.Second
	case "ms":
		s.tick = time.Millisecond
	case "us":
		s.tick = time.Microsecond
	case "ns":
		s.tick = time.Nanosecond
	default:
		p.fault("ring.time", "%q is not a unit; use s, ms, us or ns", t.Unit)
	}
	switch t.Epoch {
	case "", "unix":
		s.wall = true
	case "2000":
		s.wall, s.base = true, epoch2000
	case "none":
	default:
		p.fault("ring.time", "%q is not an epoch; use unix, 2000, or none for a time that counts from somewhere", t.Epoch)
	}
}

// numbering checks that head and ids can tell the slots apart.
func (p *ringParser) numbering() {
	s := &p.spec
	if !s.head.given() || !s.id.given() {
		return
	}
	s.wrap, s.span = s.head.shape.end(), s.id.shape.end()
	if p.r.Wrap != 0 {
		if p.r.Wrap < 2 || uint64(p.r.Wrap) > s.wrap {
			p.fault("ring.wrap", "wrap %d is out of range; the head counts to %d", p.r.Wrap, s.wrap)
			return
		}
		s.wrap = uint64(p.r.Wrap)
		s.span = min(s.span, s.wrap)
	}
	count := uint64(s.count)
	switch {
	case s.wrap%count != 0:
		p.fault("ring.count", "a head that begins again after %d is not at slot 0 then; use a count that divides it, or say with wrap where the head begins again", s.wrap)
	case s.wrap < 2*count || min(s.wrap, s.span) < 2*count:
		p.fault("ring.count", "head and id count to %d, too little for %d slots; they must count to twice as many", min(s.wrap, s.span), s.count)
	case s.wrap%min(s.wrap, s.span) != 0 || s.span%min(s.wrap, s.span) != 0:
		p.fault("ring.id", "the head begins again after %d, the id after %d; one must be a multiple of the other", s.wrap, s.span)
	}
}

// shifted returns the n-th ring of the range, and whether it lies within the table.
func (p *ringParser) shifted(n int) (ringSpec, bool) {
	s := p.spec
	first := int(s.address) + n*p.steps
	ok := first+s.count*s.size <= addresses
	s.address = uint16(first)
	for _, r := range []struct {
		at *register
		m  *registerMapping
	}{{&s.head, p.r.Head}, {&s.generation, p.r.Generation}, {&s.clock, p.r.Clock}, {&s.cursor, p.r.Cursor}} {
		if r.m == nil {
			continue
		}
		step := p.steps
		if r.m.Step != nil {
			step = *r.m.Step
		}
		at := int(r.at.address) + n*step
		ok = ok && at >= 0 && at+int(r.at.shape.width) <= addresses
		r.at.address = uint16(at)
	}
	return s, ok
}
