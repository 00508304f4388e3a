package config

import (
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/settings"
)

// point returns the point that the entry describes, without device, name and place. Decode has checked the words.
func (r *pointEntry) point() point.Point {
	p := point.Point{Unit: r.Unit, Scale: r.Scale, Offset: r.Offset, Deadband: r.Deadband,
		MaxSilence: r.MaxSilence, MaxRate: r.MaxRate}
	if r.Bits == 16 || r.Bits == 32 || r.Bits == 64 {
		p.Bits = uint8(r.Bits)
	}
	p.Type, _ = point.ParseType(r.Type)
	p.Kind, _ = point.ParseKind(r.Kind)
	p.Class, _ = point.ParseClass(r.Class)
	p.Lane, _ = point.ParseLane(r.Lane)
	p.Direction, _ = point.ParseDirection(r.Direction)
	if p.IsCritical() {
		p.Lane = point.Critical
	}
	if r.Occupied != nil {
		p.OccupiedAbove, p.OccupiedBelow = r.Occupied.Above, r.Occupied.Below
	}
	return p
}

// rules refuses what contradicts itself across keys.
func (e *entries) rules(s *settings.Section, r *pointEntry, p *point.Point) {
	if s.Has("lane") && r.Lane == "telemetry" && p.IsCritical() {
		e.fault(s, "lane", "%s cannot be telemetry: its samples are never dropped; remove the line", e.critical(p))
	}
	if err := checkText("unit", []byte(r.Unit), maxUnitBytes); err != nil {
		e.fault(s, "unit", "%v", err)
	}
	numeric := p.Type == point.Int || p.Type == point.Float
	if p.Type != point.Int || p.Class == point.Counter {
		for _, key := range []string{"scale", "offset"} {
			if s.Has(key) {
				e.fault(s, key, "%s is for int points that are no counters: other types come in engineering units and counters count; remove the line", key)
			}
		}
	} else if p.Scale == 0 {
		e.fault(s, "scale", "scale is 0, which makes every value the same; remove the line for 1")
	}
	if s.Has("deadband") && (!numeric || p.Class != point.State) {
		e.fault(s, "deadband", "deadband is for int and float state points; remove the line")
	}
	e.occupied(s, r, p, numeric)
	e.counter(s, p)
	switch {
	case p.Direction != point.NoDirection && p.Kind != point.Gate:
		e.fault(s, "direction", "direction is for gates; add kind: gate or remove the line")
	case p.Kind == point.Gate && p.Class != point.State && !s.Has("direction"):
		e.fault(s, "kind", "a gate that counts needs direction: in or out")
	}
}

func (e *entries) critical(p *point.Point) string {
	switch {
	case p.Class == point.Counter:
		return "a counter"
	case p.Class == point.Event:
		return "an event"
	}
	return "a gate"
}

func (e *entries) occupied(s *settings.Section, r *pointEntry, p *point.Point, numeric bool) {
	seat := p.Kind == point.Seat && p.Class == point.State
	switch {
	case r.Occupied != nil && (!seat || !numeric):
		e.fault(s, "occupied", "occupied is for seats of type int or float; remove the line")
	case r.Occupied == nil && seat && numeric:
		e.fault(s, "kind", "a seat of type %s needs occupied: {above: …, below: …}, the values at which it is taken and free", p.Type)
	case r.Occupied == nil && p.Kind == point.Seat && p.Type == point.Text:
		e.fault(s, "type", "a seat is bool, int or float")
	case r.Occupied != nil && r.Occupied.Above < r.Occupied.Below:
		e.fault(s, "occupied", "above %g is less than below %g; a seat is taken at or above the one and free below the other", r.Occupied.Above, r.Occupied.Below)
	case r.Occupied != nil && r.Occupied.Above == 0 && r.Occupied.Below == 0:
		e.fault(s, "occupied", "above and below are both 0, which stands for no hysteresis; give the value at which a seat is taken")
	}
}

func (e *entries) counter(s *settings.Section, p *point.Point) {
	if p.Class != point.Counter {
		for _, key := range []string{"bits", "max_rate"} {
			if s.Has(key) {
				e.fault(s, key, "%s is for counters; add class: counter or remove the line", key)
			}
		}
		return
	}
	if p.Type != point.Int {
		e.fault(s, "type", "a counter is an int, not a %s", p.Type)
	}
	if p.Bits == 0 {
		e.fault(s, "bits", "a counter needs the width of its register, bits: 16, 32 or 64; a wrap is told from a reset by it")
	}
	if !(p.MaxRate > 0) {
		e.fault(s, "max_rate", "a counter needs max_rate, the most counts a second that it can make, more than 0; a wrap is told from a reset by it")
	}
}
