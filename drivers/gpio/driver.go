package gpio

import (
	"errors"
	"log/slog"

	"github.com/courtside-edge/courtside/drivers"
)

// Driver reads the board's lines. The zero value is ready.
type Driver struct {
	board board // nil for the machine's
}

var _ drivers.Driver = Driver{}

// Prepare implements drivers.Driver.
func (d Driver) Prepare(dev drivers.Device) (drivers.Source, error) {
	o, err := readOptions(dev.Options)
	errs := []error{err}
	s := &source{device: dev, o: o, board: d.board}
	type key struct{ chip, line string }
	taken := make(map[key]bool)
	for _, g := range dev.Groups {
		inputs, err := readGroup(g, o)
		errs = append(errs, err)
		for _, in := range inputs {
			k := key{in.chip, in.line}
			if taken[k] {
				errs = append(errs, g.Options.Fault("line", "line %s of %s already fills another point; let each point have its own", in.line, orAny(in.chip)))
				break
			}
			taken[k] = true
		}
		s.inputs = append(s.inputs, inputs...)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if s.device.Log == nil {
		s.device.Log = slog.New(slog.DiscardHandler)
	}
	if s.board == nil {
		s.board = machine{}
	}
	return s, nil
}

func orAny(chip string) string {
	if chip == "" {
		return "any chip"
	}
	return chip
}
