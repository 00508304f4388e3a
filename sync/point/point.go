package point

import (
	"fmt"
	"math"
	"time"
)

// Type says which column of a batch carries a point's values and how Sample.Bits is read.
type Type uint8

// The types of values. Values of the wire contract; never renumber.
const (
	Bool  Type = 1 // Bits is 0 or 1
	Int   Type = 2 // Bits is an int64; the engineering value is raw × Scale + Offset
	Float Type = 3 // Bits is math.Float64bits of the engineering value
	Text  Type = 4 // Bits is an index into the texts that travel with the sample
)

// Kind is what a point means to the venue.
type Kind uint8

// The kinds of points. Values of the wire contract; never renumber.
const (
	Generic  Kind = 1
	Seat     Kind = 2 // occupied or free; Place is the seat
	Gate     Kind = 3 // passages; Place is the gate, Direction says which way
	Panel    Kind = 4 // a panel's status word; Place is the panel
	Position Kind = 5 // a tracked player or ball
)

// Class is how a point's samples combine.
type Class uint8

// The classes of points. Values of the wire contract; never renumber.
const (
	State   Class = 1 // a value that persists, reported by exception
	Counter Class = 2 // a total, unwrapped by the gateway into runs
	Event   Class = 3 // an occurrence, never merged, with an event key
)

// Lane is the class of service of a batch.
type Lane uint8

// The lanes. Values of the wire contract; never renumber.
const (
	Telemetry Lane = 1
	Critical  Lane = 2
)

// Direction is which way a gate point counts.
type Direction uint8

// The directions of a gate. Values of the wire contract; never renumber.
const (
	NoDirection Direction = 0
	In          Direction = 1
	Out         Direction = 2
)

var (
	typeNames      = [...]string{Bool: "bool", Int: "int", Float: "float", Text: "text"}
	kindNames      = [...]string{Generic: "generic", Seat: "seat", Gate: "gate", Panel: "panel", Position: "position"}
	classNames     = [...]string{State: "state", Counter: "counter", Event: "event"}
	laneNames      = [...]string{Telemetry: "telemetry", Critical: "critical"}
	directionNames = [...]string{NoDirection: "none", In: "in", Out: "out"}
)

func nameOf(names []string, v uint8, what string) string {
	if int(v) < len(names) && names[v] != "" {
		return names[v]
	}
	return fmt.Sprintf("%s(%d)", what, v)
}

func parse(names []string, s, what string) (uint8, error) {
	for i, n := range names {
		if n != "" && n == s {
			return uint8(i), nil
		}
	}
	var known []string
	for _, n := range names {
		if n != "" {
			known = append(known, n)
		}
	}
	return 0, fmt.Errorf("%q is not a %s; use one of %v", s, what, known)
}

// String returns the type's name as configuration and JSON write it.
func (t Type) String() string { return nameOf(typeNames[:], uint8(t), "type") }

// String returns the kind's name as configuration and JSON write it.
func (k Kind) String() string { return nameOf(kindNames[:], uint8(k), "kind") }

// String returns the class's name as configuration and JSON write it.
func (c Class) String() string { return nameOf(classNames[:], uint8(c), "class") }

// String returns the lane's name as configuration, topics and JSON write it.
func (l Lane) String() string { return nameOf(laneNames[:], uint8(l), "lane") }

// String returns the direction's name as configuration and JSON write it.
func (d Direction) String() string { return nameOf(directionNames[:], uint8(d), "direction") }

// ParseType returns the type that s names, or an error that lists the known ones.
func ParseType(s string) (Type, error) { v, err := parse(typeNames[:], s, "type"); return Type(v), err }

// ParseKind returns the kind that s names, or an error that lists the known ones.
func ParseKind(s string) (Kind, error) { v, err := parse(kindNames[:], s, "kind"); return Kind(v), err }

// ParseClass returns the class that s names, or an error that lists the known ones.
func ParseClass(s string) (Class, error) {
	v, err := parse(classNames[:], s, "class")
	return Class(v), err
}

// ParseLane returns the lane that s names, or an error that lists the known ones.
func ParseLane(s string) (Lane, error) { v, err := parse(laneNames[:], s, "lane"); return Lane(v), err }

// ParseDirection returns the direction that s names, or an error that lists the known ones.
func ParseDirection(s string) (Direction, error) {
	v, err := parse(directionNames[:], s, "direction")
	return Direction(v), err
}

// Valid reports whether t is a known type.
func (t Type) Valid() bool { return t >= Bool && t <= Text }

// Valid reports whether k is a known kind.
func (k Kind) Valid() bool { return k >= Generic && k <= Position }

// Valid reports whether c is a known class.
func (c Class) Valid() bool { return c >= State && c <= Event }

// Valid reports whether l is a known lane.
func (l Lane) Valid() bool { return l == Telemetry || l == Critical }

// Valid reports whether d is a known direction; NoDirection is.
func (d Direction) Valid() bool { return d <= Out }

// Point is one named value of a device, one entry of a point table (elsewhere: a tag).
// Batches refer to it by its position in the table.
type Point struct {
	Device    ID
	Name      Name
	Type      Type
	Unit      string // UCUM or the site's own word; empty for none
	Kind      Kind
	Lane      Lane
	Class     Class
	Place     string    // the seat, gate, panel or zone of the venue map that it belongs to; empty for none
	Direction Direction // of a gate point
	Scale     float64   // engineering value = raw × Scale + Offset, for Int; 0 stands for 1
	Offset    float64
	Deadband  float64 // in engineering units; a smaller change is not reported
	// OccupiedAbove and OccupiedBelow are the hysteresis, in engineering units, that turns a
	// numeric seat point into occupied (value ≥ OccupiedAbove) and free (value < OccupiedBelow).
	// Both are 0 for a point without one; a Bool seat needs none.
	OccupiedAbove, OccupiedBelow float64
	MaxSilence                   time.Duration // a sample is reported at least this often; 0 for never
	Bits                         uint8         // width of a counter's register: 16, 32 or 64; 0 for other classes
	MaxRate                      float64       // most counts a second that a counter can make; 0 for other classes
}

// IsCritical reports whether the design makes p critical whatever is configured: counters, events and gates.
func (p *Point) IsCritical() bool {
	return p.Class == Counter || p.Class == Event || p.Kind == Gate
}

// Number returns the engineering value of bits, the raw value of a sample of p.
// It is NaN for Text.
func (p *Point) Number(bits uint64) float64 {
	switch p.Type {
	case Float:
		return math.Float64frombits(bits)
	case Text:
		return math.NaN()
	}
	v := float64(int64(bits))
	if p.Scale != 0 {
		v *= p.Scale
	}
	return v + p.Offset
}

// Qualified returns "device/name", which is unique within a venue.
func (p *Point) Qualified() string { return string(p.Device) + "/" + string(p.Name) }
