package tracking

import (
	"errors"
	"log/slog"
	"math"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/sync/point"
)

// Driver listens to tracking systems. The zero value is ready.
type Driver struct{}

var _ drivers.Driver = Driver{}

// pointSource is a point's "source" section.
type pointSource struct {
	Player *int64 `yaml:"player"`
	Axis   string `yaml:"axis"`
	Step   *int64 `yaml:"step"`
}

// Prepare implements drivers.Driver.
func (Driver) Prepare(d drivers.Device) (drivers.Source, error) {
	o, err := readOptions(d.Options)
	errs := []error{err}
	b := newBook(int64(o.StaleAfter))
	for _, g := range d.Groups {
		errs = append(errs, addGroup(b, g))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	return &source{device: d, o: o, book: b}, nil
}

// addGroup adds the points of one entry to b, or returns all that is wrong with it.
func addGroup(b *book, g drivers.Group) error {
	var src pointSource
	errs := []error{g.Options.Decode(&src)}
	fault := func(key, format string, args ...any) { errs = append(errs, g.Options.Fault(key, format, args...)) }
	if len(g.Targets) > 0 {
		checkPoint(g.Targets[0].Point, fault)
	}
	axes := []axis{axisX, axisY}
	switch src.Axis {
	case "", "xy":
		if len(g.Targets)%2 != 0 {
			fault("axis", "%d points are no pairs of x and y; add {axis:x,y} at the end of the range, or say axis: x or y", len(g.Targets))
		}
	case "x":
		axes = axes[:1]
	case "y":
		axes = axes[1:]
	default:
		fault("axis", "%q is not an axis; use x, y, or xy for pairs", src.Axis)
	}
	step := int64(1)
	if src.Step != nil {
		step = *src.Step
	}
	players := int64((len(g.Targets) + len(axes) - 1) / len(axes))
	switch {
	case src.Player == nil:
		fault("player", "player is missing; give the player's number in the tracking system")
	case step == 0 || step > math.MaxInt32 || step < math.MinInt32:
		fault("step", "step %d is out of range; use the difference of two players' numbers, such as 1", step)
	case !fits(*src.Player) || !fits(*src.Player+(players-1)*step):
		fault("player", "players %d to %d are out of range; use 32-bit numbers", *src.Player, *src.Player+(players-1)*step)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for n, t := range g.Targets {
		id := int32(*src.Player + int64(n/len(axes))*step)
		if !b.add(id, axes[n%len(axes)], t) {
			return g.Options.Fault("player", "axis %v of player %d already fills another point; let each point have its own", axes[n%len(axes)], id)
		}
	}
	return nil
}

func fits(n int64) bool { return n >= math.MinInt32 && n <= math.MaxInt32 }

// checkPoint reports what a position cannot fill.
func checkPoint(p *point.Point, fault func(key, format string, args ...any)) {
	if p.Type != point.Float && p.Type != point.Int {
		fault("", "a position cannot fill a point of type %s; make it float, or int with a scale", p.Type)
	}
	if p.Class != point.State {
		fault("", "a position is a state, not a %s; make the point's class state", p.Class)
	}
}
