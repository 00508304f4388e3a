package point

import (
	"errors"
	"fmt"
	"math"
	"unicode/utf8"
)

// MaxLabelLength is the longest unit or place in bytes.
const MaxLabelLength = 127

// ErrPoint is what every refused point wraps.
var ErrPoint = errors.New("not a valid point")

// Check returns an error, which wraps ErrPoint and names the point and what is wrong with it, unless p can stand in
// a point table: its names are valid, its enums known, its numbers finite, and what belongs to counters or gates alone stands nowhere else.
func (p *Point) Check() error {
	err := p.checkNames()
	if err == nil {
		err = p.checkEnums()
	}
	if err == nil {
		err = p.checkClass()
	}
	if err == nil {
		err = p.checkNumbers()
	}
	if err != nil {
		return fmt.Errorf("%w: %q: %w", ErrPoint, p.Qualified(), err)
	}
	return nil
}

func (p *Point) checkNames() error {
	if _, err := ParseID(string(p.Device)); err != nil {
		return err
	}
	if _, err := ParseName(string(p.Name)); err != nil {
		return err
	}
	if err := checkLabel("unit", p.Unit); err != nil {
		return err
	}
	return checkLabel("place", p.Place)
}

func checkLabel(what, s string) error {
	if len(s) > MaxLabelLength {
		return fmt.Errorf("%s of %d bytes, at most %d are allowed", what, len(s), MaxLabelLength)
	}
	if !utf8.ValidString(s) {
		return fmt.Errorf("%s %q is not UTF-8", what, s)
	}
	return nil
}

func (p *Point) checkEnums() error {
	switch {
	case !p.Type.Valid():
		return fmt.Errorf("unknown %v", p.Type)
	case !p.Kind.Valid():
		return fmt.Errorf("unknown %v", p.Kind)
	case !p.Class.Valid():
		return fmt.Errorf("unknown %v", p.Class)
	case !p.Lane.Valid():
		return fmt.Errorf("unknown %v", p.Lane)
	case !p.Direction.Valid():
		return fmt.Errorf("unknown %v", p.Direction)
	}
	return nil
}

func (p *Point) checkClass() error {
	counter := p.Class == Counter
	switch {
	case p.IsCritical() && p.Lane != Critical:
		return fmt.Errorf("counters, events and gates travel in the critical lane, not in %v", p.Lane)
	case counter && p.Type != Int:
		return fmt.Errorf("a counter counts in ints, not in %v", p.Type)
	case counter && p.Bits != 16 && p.Bits != 32 && p.Bits != 64:
		return fmt.Errorf("a counter has a register of 16, 32 or 64 bits, not %d", p.Bits)
	case !counter && p.Bits != 0:
		return fmt.Errorf("bits %d stand at a point that is no counter", p.Bits)
	case !counter && p.MaxRate != 0:
		return fmt.Errorf("a max rate of %v stands at a point that is no counter", p.MaxRate)
	case p.Kind != Gate && p.Direction != NoDirection:
		return fmt.Errorf("direction %v stands at a point that is no gate", p.Direction)
	}
	return nil
}

func (p *Point) checkNumbers() error {
	for _, n := range [...]struct {
		what     string
		v        float64
		negative bool // may be
	}{
		{"scale", p.Scale, true}, {"offset", p.Offset, true}, {"deadband", p.Deadband, false}, {"max rate", p.MaxRate, false},
		{"occupied above", p.OccupiedAbove, true}, {"occupied below", p.OccupiedBelow, true},
	} {
		if math.IsNaN(n.v) || math.IsInf(n.v, 0) || n.v < 0 && !n.negative {
			return fmt.Errorf("%s is %v", n.what, n.v)
		}
	}
	if p.OccupiedAbove < p.OccupiedBelow {
		return fmt.Errorf("occupied above %v lies below occupied below %v", p.OccupiedAbove, p.OccupiedBelow)
	}
	if p.MaxSilence < 0 {
		return fmt.Errorf("max silence is %v", p.MaxSilence)
	}
	return nil
}
