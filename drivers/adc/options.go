package adc

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/sync/point"
)

// The limits. Beyond them a value is refused as a slip of the pen.
const (
	minTimeout = 10 * time.Millisecond
	maxTimeout = 2 * time.Second
	minSpeed   = 10_000
	maxSpeed   = 4_000_000
	maxSelect  = 15
	firstADS   = 0x48
	lastADS    = 0x4b
)

// options is a device's "options" section.
type options struct {
	Bus     string        `yaml:"bus"`
	Timeout time.Duration `yaml:"timeout"`
	Speed   int           `yaml:"speed"`

	family family // of its chips
	number int    // of the bus
}

// pointSource is a point's "source" section.
type pointSource struct {
	Chip      string  `yaml:"chip"`
	Address   int     `yaml:"address"`
	Select    int     `yaml:"select"`
	Channel   int     `yaml:"channel"`
	Step      int     `yaml:"step"`
	Minus     int     `yaml:"minus"`
	Range     float64 `yaml:"range"`
	Rate      int     `yaml:"rate"`
	Reference float64 `yaml:"reference"`
	Valid     *struct {
		From float64 `yaml:"from"`
		To   float64 `yaml:"to"`
	} `yaml:"valid"`
	Calibration struct {
		Points     [][]float64 `yaml:"points"`
		Polynomial []float64   `yaml:"polynomial"`
	} `yaml:"calibration"`
}

// absent stands for whole numbers that are not given, where 0 means something.
const absent = -1 << 31

// readOptions returns the section's options, and all its faults joined.
func readOptions(s drivers.Section) (options, error) {
	o := options{Timeout: 100 * time.Millisecond, Speed: 1_000_000}
	errs := []error{s.Decode(&o)}
	m := regexp.MustCompile(`^(?:/dev/)?(?:(i2c)-|(spi))([0-9]{1,3})$`).FindStringSubmatch(o.Bus)
	switch {
	case o.Bus == "":
		errs = append(errs, s.Fault("bus", "bus is missing; give i2c-1 or spi0, as the board numbers them"))
	case m == nil:
		errs = append(errs, s.Fault("bus", "%q is not a bus; use one such as i2c-1 or spi0", o.Bus))
	default:
		o.family = ads
		if m[2] != "" {
			o.family = mcp
		}
		o.number, _ = strconv.Atoi(m[3])
	}
	if o.Timeout < minTimeout || o.Timeout > maxTimeout {
		errs = append(errs, s.Fault("timeout", "timeout %v is out of range; use %v to %v", o.Timeout, minTimeout, maxTimeout))
	}
	if o.Speed < minSpeed || o.Speed > maxSpeed {
		errs = append(errs, s.Fault("speed", "speed %d Hz is out of range; use %d to %d", o.Speed, minSpeed, maxSpeed))
	}
	return o, errors.Join(errs...)
}

// item is one point and how it is measured.
type item struct {
	index   uint32
	class   int
	chip    chipKey
	kind    kind
	setting setting
	measure
}

// chipKey is where a chip is: its address on I2C, its chip select on SPI.
type chipKey struct {
	name string
	at   int
}

// parser collects the faults of one section.
type parser struct {
	drivers.Section
	errs []error
}

func (p *parser) fault(key, format string, args ...any) {
	p.errs = append(p.errs, p.Fault(key, format, args...))
}

// readGroup returns the items of one entry of the point list.
func readGroup(g drivers.Group, o options) ([]item, error) {
	src := pointSource{Address: absent, Select: absent, Channel: absent, Step: 1, Minus: absent, Range: 4.096, Rate: 128, Reference: 3.3}
	p := &parser{Section: g.Options}
	if err := g.Options.Decode(&src); err != nil {
		p.errs = append(p.errs, err)
	}
	k, ok := kindOf(src.Chip)
	if !ok {
		p.fault("chip", "%q is not a chip; use ads1115, ads1015, mcp3004, mcp3008, mcp3204 or mcp3208", src.Chip)
		return nil, errors.Join(p.errs...)
	}
	first := item{class: g.Class, kind: k, setting: setting{channel: src.Channel, minus: noMinus}}
	first.chip = chipKey{src.Chip, p.place(src, k, o)}
	p.channels(src, k, len(g.Targets), &first.setting)
	p.converter(src, k, &first)
	if len(g.Targets) > 0 {
		p.point(g.Targets[0].Point, src, &first.measure)
	}
	if len(p.errs) > 0 {
		return nil, errors.Join(p.errs...)
	}
	items := make([]item, len(g.Targets))
	for n, t := range g.Targets {
		items[n] = first
		items[n].index = t.Index
		items[n].setting.channel += n * src.Step
	}
	return items, nil
}

// place returns the chip's address or select.
func (p *parser) place(src pointSource, k kind, o options) int {
	if o.family != 0 && o.family != k.family {
		p.fault("chip", "a %s is no chip of bus %s", src.Chip, o.Bus)
	}
	if k.family == ads {
		switch {
		case src.Select != absent:
			p.fault("select", "select is for chips on SPI; give address")
		case src.Address < firstADS || src.Address > lastADS:
			p.fault("address", "address is missing or out of range; an %s has %#x to %#x", src.Chip, firstADS, lastADS)
		}
		return src.Address
	}
	switch {
	case src.Address != absent:
		p.fault("address", "address is for chips on I2C; give select")
	case src.Select < 0 || src.Select > maxSelect:
		p.fault("select", "select is missing or out of range; give the chip select, 0 to %d", maxSelect)
	}
	return src.Select
}

// channels checks which channels are measured.
func (p *parser) channels(src pointSource, k kind, count int, s *setting) {
	last := src.Channel + (count-1)*src.Step
	switch {
	case src.Channel == absent:
		p.fault("channel", "channel is missing; a %s has 0 to %d", src.Chip, k.channels-1)
		return
	case src.Step == 0 || min(src.Channel, last) < 0 || max(src.Channel, last) >= k.channels:
		p.fault("channel", "channels %d to %d are out of range; a %s has 0 to %d", src.Channel, last, src.Chip, k.channels-1)
		return
	case src.Minus == absent:
		return
	case count > 1:
		p.fault("minus", "minus goes with a single point; list the pairs one by one")
	}
	s.minus = src.Minus
	if _, ok := s.input(); k.family == ads && !ok {
		p.fault("minus", "an %s cannot measure channel %d against %d; it has the pairs 0 and 1, 0 and 3, 1 and 3, 2 and 3", src.Chip, s.channel, s.minus)
	}
	if k.family == mcp && s.minus != s.channel^1 {
		p.fault("minus", "a %s measures channel %d against %d only", src.Chip, s.channel, s.channel^1)
	}
}

// converter checks range, rate and reference, and says what one count is.
func (p *parser) converter(src pointSource, k kind, i *item) {
	if k.family == mcp {
		if !(src.Reference > 0.1 && src.Reference <= 10) {
			p.fault("reference", "reference %g V is out of range; use 0.1 to 10", src.Reference)
		}
		i.lsb = src.Reference / float64(int(1)<<k.bits)
		return
	}
	i.setting.gain = slices.Index(ranges(), src.Range)
	if i.setting.gain < 0 {
		p.fault("range", "an %s has no range of %g V; use one of %v", src.Chip, src.Range, ranges())
	}
	i.lsb = src.Range / float64(int(1)<<k.bits)
	i.setting.rate = slices.Index(k.rates, src.Rate)
	if i.setting.rate < 0 {
		p.fault("rate", "an %s does not convert %d times a second; use one of %v", src.Chip, src.Rate, k.rates)
	}
}

// point checks what a measurement cannot fill, and says how it becomes the point's value.
func (p *parser) point(t *point.Point, src pointSource, m *measure) {
	switch {
	case t.Type != point.Float && t.Type != point.Int:
		p.fault("", "a voltage cannot fill a point of type %s; make it float or int; occupied {above, below} says when a seat is taken", t.Type)
	case t.Class != point.State:
		p.fault("", "a voltage is a state, not a %s; make the point's class state", t.Class)
	}
	m.isInt, m.scale, m.offset = t.Type == point.Int, t.Scale, t.Offset
	if m.scale == 0 {
		m.scale = 1
	}
	var err error
	if m.calibration, err = newCalibration(src.Calibration.Points, src.Calibration.Polynomial); err != nil {
		p.fault("calibration", "calibration: %v", err)
	}
	if src.Valid != nil {
		if m.checked, m.from, m.to = true, src.Valid.From, src.Valid.To; !(m.from < m.to) {
			p.fault("valid", "valid from %g to %g V holds nothing; write the lower voltage first", m.from, m.to)
		}
	}
}

// measure turns counts into a point's value.
type measure struct {
	lsb           float64 // volts of one count
	calibration   calibration
	isInt         bool
	scale, offset float64
	checked       bool
	from, to      float64 // volts that are valid, when checked
}

// reading returns what counts say.
func (m *measure) reading(index uint32, counts int) drivers.Reading {
	volts := float64(counts) * m.lsb
	if m.checked && (volts < m.from || volts > m.to) {
		return drivers.Reading{Index: index, Quality: point.BadSensorFailure}
	}
	if m.isInt && !m.calibration.given() {
		return drivers.Reading{Index: index, Bits: point.IntBits(int64(counts))}
	}
	v := m.calibration.value(volts)
	if m.isInt {
		v = (v - m.offset) / m.scale
	}
	switch {
	case !finite(v) || m.isInt && (v > 1<<62 || v < -1<<62):
		return drivers.Reading{Index: index, Quality: point.BadOutOfRange}
	case m.isInt:
		return drivers.Reading{Index: index, Bits: point.IntBits(roundHalfAway(v))}
	}
	return drivers.Reading{Index: index, Bits: point.FloatBits(v)}
}

// String names the chip for people.
func (c chipKey) String() string {
	if c.name[0] == 'a' {
		return fmt.Sprintf("%s at %#x", c.name, c.at)
	}
	return fmt.Sprintf("%s at select %d", c.name, c.at)
}
