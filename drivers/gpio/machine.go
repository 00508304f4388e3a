package gpio

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"periph.io/x/conn/v3/driver/driverreg"
	"periph.io/x/host/v3/gpioioctl"
)

// machine is the board that the gateway runs on: periph.io finds its chips and lines, the kernel's character device reads them.
type machine struct{}

// find implements board. periph.io looks for chips once a process; one that came later is known by its number alone.
func (machine) find(chip, line string) (place, error) {
	if _, err := driverreg.Init(); err != nil {
		return place{}, fmt.Errorf("looking at the board: %w", err)
	}
	number, err := strconv.Atoi(line)
	for _, c := range gpioioctl.Chips {
		if chip != "" && chip != c.Name() && chip != c.Label() && chip != c.Path() {
			continue
		}
		if err == nil {
			if number < c.LineCount() {
				return place{c.Path(), uint32(number)}, nil
			}
			return place{}, fmt.Errorf("%w: %s has lines 0 to %d, not %d", errNoLine, c.Name(), c.LineCount()-1, number)
		}
		if l := c.ByName(line); l != nil {
			return place{c.Path(), uint32(l.Number())}, nil
		}
	}
	if path := filepath.Join("/dev", filepath.Base(chip)); err == nil && chip != "" {
		if _, err := os.Stat(path); err == nil {
			return place{path, uint32(number)}, nil
		}
	}
	return place{}, fmt.Errorf("%w: line %s of %s; the board's chips are %s", errNoLine, line, orAny(chip), chipNames())
}

// chipNames returns what the board has, for people.
func chipNames() string {
	if len(gpioioctl.Chips) == 0 {
		return "none"
	}
	names := ""
	for i, c := range gpioioctl.Chips {
		if i > 0 {
			names += ", "
		}
		names += fmt.Sprintf("%s (%s, %d lines)", c.Name(), c.Label(), c.LineCount())
	}
	return names
}
