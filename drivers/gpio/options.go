package gpio

import (
	"errors"
	"strconv"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/sync/point"
)

// The limits of time. Beyond them a value is refused as a slip of the pen.
const (
	maxDebounce = 10 * time.Second
	minResync   = 100 * time.Millisecond
	maxResync   = time.Minute
)

// maxLine is beyond the number of any line of any chip.
const maxLine = 4096

// counterBits is the width of every pulse counter.
const counterBits = 64

// options is a device's "options" section.
type options struct {
	Chip     string        `yaml:"chip"`
	Debounce time.Duration `yaml:"debounce"`
	Resync   time.Duration `yaml:"resync"`
}

// pointSource is a point's "source" section.
type pointSource struct {
	Line      string         `yaml:"line"`
	Step      *int           `yaml:"step"`
	Chip      string         `yaml:"chip"`
	Bias      string         `yaml:"bias"`
	ActiveLow bool           `yaml:"active_low"`
	Debounce  *time.Duration `yaml:"debounce"`
	Edge      string         `yaml:"edge"`
}

// bias is what pulls a line that nothing drives.
type bias uint8

const (
	asIs bias = iota
	biasUp
	biasDown
	biasNone
)

// parseBias returns the bias that s names.
func parseBias(s string) (bias, bool) {
	switch s {
	case "", "as-is":
		return asIs, true
	case "up":
		return biasUp, true
	case "down":
		return biasDown, true
	case "none":
		return biasNone, true
	}
	return asIs, false
}

// counted says at which changes a counter counts; neither for a contact.
type counted struct{ rising, falling bool }

func (c counted) isCounter() bool { return c.rising || c.falling }

// has reports whether a change to level counts.
func (c counted) has(level bool) bool { return level && c.rising || !level && c.falling }

func parseEdge(s string) (counted, bool) {
	switch s {
	case "", "rising":
		return counted{rising: true}, true
	case "falling":
		return counted{falling: true}, true
	case "both":
		return counted{true, true}, true
	}
	return counted{}, false
}

// input is one point and the line that fills it.
type input struct {
	index  uint32
	class  int
	chip   string // empty for any
	line   string // a number or a name
	bias   bias
	low    bool // active low
	wait   int64
	counts counted
}

// edges returns what of the line has to be told. Pulses that need no debouncing are counted by one edge alone: the kernel tells two edges that
// follow each other too quickly as one, and of a short pulse it would only say that the line is as it was.
func (in *input) edges() edges {
	switch {
	case in.wait > 0 || in.counts.rising == in.counts.falling:
		return bothEdges
	case in.counts.rising:
		return risingEdges
	}
	return fallingEdges
}

func readOptions(s drivers.Section) (options, error) {
	o := options{Debounce: 5 * time.Millisecond, Resync: time.Second}
	errs := []error{s.Decode(&o)}
	if o.Debounce < 0 || o.Debounce > maxDebounce {
		errs = append(errs, s.Fault("debounce", "debounce %v is out of range; use 0s to %v", o.Debounce, maxDebounce))
	}
	if o.Resync < minResync || o.Resync > maxResync {
		errs = append(errs, s.Fault("resync", "resync %v is out of range; use %v to %v", o.Resync, minResync, maxResync))
	}
	return o, errors.Join(errs...)
}

// readGroup returns the inputs of one entry of the point list.
func readGroup(g drivers.Group, o options) ([]input, error) {
	var src pointSource
	errs := []error{g.Options.Decode(&src)}
	fault := func(key, format string, args ...any) { errs = append(errs, g.Options.Fault(key, format, args...)) }
	in := input{class: g.Class, chip: src.Chip, low: src.ActiveLow, wait: int64(o.Debounce)}
	if in.chip == "" {
		in.chip = o.Chip
	}
	if src.Debounce != nil {
		if in.wait = int64(*src.Debounce); *src.Debounce < 0 || *src.Debounce > maxDebounce {
			fault("debounce", "debounce %v is out of range; use 0s to %v", *src.Debounce, maxDebounce)
		}
	}
	var ok bool
	if in.bias, ok = parseBias(src.Bias); !ok {
		fault("bias", "%q is not a bias; use up, down, none or as-is", src.Bias)
	}
	if len(g.Targets) > 0 {
		in.counts = checkPoint(g.Targets[0].Point, src, fault)
	}
	first, step := checkLines(src, in.chip, len(g.Targets), fault)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	inputs := make([]input, len(g.Targets))
	for n, t := range g.Targets {
		inputs[n] = in
		inputs[n].index, inputs[n].line = t.Index, src.Line
		if first >= 0 {
			inputs[n].line = strconv.Itoa(first + n*step)
		}
	}
	return inputs, nil
}

// checkPoint reports what a line cannot fill, and returns what is counted.
func checkPoint(p *point.Point, src pointSource, fault func(key, format string, args ...any)) counted {
	c, ok := parseEdge(src.Edge)
	if !ok {
		fault("edge", "%q is not an edge; use rising, falling or both", src.Edge)
	}
	switch {
	case p.Class == point.Event:
		fault("", "a line has no log of events; make the point's class state or counter")
	case p.Class == point.Counter && p.Bits != 0 && p.Bits != counterBits:
		fault("", "pulses are counted here with %d bits; make the point's bits %d", counterBits, counterBits)
	case p.Class == point.Counter:
		return c
	case p.Type != point.Bool:
		fault("", "a contact cannot fill a point of type %s; make it bool, or class counter to count pulses", p.Type)
	case src.Edge != "":
		fault("edge", "edge is for counters; remove the line")
	}
	return counted{}
}

// checkLines returns the first line's number and the step, or −1 for a line that is named.
func checkLines(src pointSource, chip string, count int, fault func(key, format string, args ...any)) (first, step int) {
	step = 1
	if src.Step != nil {
		step = *src.Step
	}
	first, err := strconv.Atoi(src.Line)
	switch {
	case src.Line == "":
		fault("line", "line is missing; give the line's number on its chip, or its name such as GPIO17")
	case err != nil && count > 1:
		fault("line", "%q is a name, which a range cannot count on from; give the first line's number", src.Line)
	case err != nil:
		return -1, 1
	case chip == "":
		fault("line", "line %d of which chip? Give chip, such as gpiochip0, or the line's name", first)
	case step == 0 || first < 0 || first+(count-1)*step < 0 || max(first, first+(count-1)*step) >= maxLine:
		fault("line", "lines %d to %d are out of range; use 0 to %d", first, first+(count-1)*step, maxLine-1)
	}
	return first, step
}
