package gpio

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// machine is the board that the gateway runs on. Its chips are looked at whenever a line is looked for: they come and go with their plugs, and get
// another number then.
type machine struct{}

// chip is one chip of the machine.
type chip struct {
	path, name, label string
	lines             uint32
	names             func(line uint32) (string, error) // of its lines; many have none
}

// find implements board.
func (machine) find(chip, line string) (place, error) {
	chips, unread := chipsOf("/dev")
	if len(chips) == 0 && unread != nil {
		return place{}, unread
	}
	p, err := findIn(chips, chip, line)
	if err != nil && unread != nil {
		err = fmt.Errorf("%w; %v", err, unread) // it may be there; but one chip that is forbidden makes no failure of the others permanent
	}
	return p, err
}

func findIn(chips []chip, wanted, line string) (place, error) {
	number, notNumber := strconv.Atoi(line)
	var unreadable error
	for _, c := range chips {
		if wanted != "" && wanted != c.name && wanted != c.label && wanted != c.path {
			continue
		}
		if notNumber == nil {
			if number < 0 || number >= int(c.lines) {
				return place{}, fmt.Errorf("%w: %s has lines 0 to %d, not %d", errNoLine, c.name, int(c.lines)-1, number)
			}
			return place{c.path, uint32(number)}, nil
		}
		for n := range c.lines {
			name, err := c.names(n)
			if err != nil {
				unreadable = err
				break
			}
			if name == line {
				return place{c.path, n}, nil
			}
		}
	}
	return place{}, errors.Join(fmt.Errorf("%w: line %s of %s; the board's chips are %s", errNoLine, line, orAny(wanted), describe(chips)), unreadable)
}

// describe names chips for people.
func describe(chips []chip) string {
	var all []string
	for _, c := range chips {
		all = append(all, fmt.Sprintf("%s (%s, %d lines)", c.name, c.label, c.lines))
	}
	if len(all) == 0 {
		return "none"
	}
	return strings.Join(all, ", ")
}
