package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/settings"
)

const (
	maxPlaceBytes = point.MaxLabelLength // of a place; the venue map's own are far shorter
	maxUnitBytes  = 32                   // of a unit
)

// pointEntry is one entry of a device's points as it is written.
type pointEntry struct {
	Name       string           `yaml:"name"`
	Range      string           `yaml:"range"`
	Place      string           `yaml:"place"`
	Type       string           `yaml:"type,required" enum:"bool,int,float,text"`
	Kind       string           `yaml:"kind" enum:"generic,seat,gate,panel,position"`
	Class      string           `yaml:"class" enum:"state,counter,event"`
	Lane       string           `yaml:"lane" enum:"telemetry,critical"`
	Direction  string           `yaml:"direction" enum:"none,in,out"`
	Scan       string           `yaml:"scan,required"`
	Unit       string           `yaml:"unit"`
	Scale      float64          `yaml:"scale"`
	Offset     float64          `yaml:"offset"`
	Deadband   float64          `yaml:"deadband" min:"0"`
	Occupied   *occupied        `yaml:"occupied"`
	MaxSilence time.Duration    `yaml:"max_silence" min:"1s" max:"24h"`
	Bits       int              `yaml:"bits"`
	MaxRate    float64          `yaml:"max_rate"`
	Source     settings.Section `yaml:"source"`
}

type occupied struct {
	Above float64 `yaml:"above,required"`
	Below float64 `yaml:"below,required"`
}

// entries adds the point entries of one device.
type entries struct {
	*loader
	device  *Device
	classes map[string]int     // scan classes in use, by position in device.Classes
	seen    map[point.Name]int // positions in places
	places  []string           // of the entries so far
}

// add checks one entry and, when nothing is wrong with it, adds its points to the table and its group to the device.
func (e *entries) add(s *settings.Section) {
	before := e.faults.Len()
	raw := pointEntry{Scale: 1}
	e.faults.Add(s.Decode(&raw))
	raw.fill(s)
	class := e.scan(s, raw.Scan)
	p := raw.point()
	p.Device = e.device.ID
	if p.Type.Valid() && p.Kind.Valid() && p.Class.Valid() {
		e.rules(s, &raw, &p) // with a word refused, rules across keys would mislead
	}
	name, place, ok := e.templates(s, &raw)
	if !ok {
		return
	}
	targets := e.expand(s, name, place, p, e.faults.Len() == before)
	if e.faults.Len() == before {
		e.device.Groups = append(e.device.Groups, drivers.Group{Options: &raw.Source, Class: class, Targets: targets})
	}
}

// fill sets the words that the entry leaves unsaid. One that was refused stays empty.
func (r *pointEntry) fill(s *settings.Section) {
	for key, word := range map[string]struct {
		at   *string
		word string
	}{"kind": {&r.Kind, "generic"}, "class": {&r.Class, "state"}, "lane": {&r.Lane, "telemetry"}, "direction": {&r.Direction, "none"}} {
		if !s.Has(key) {
			*word.at = word.word
		}
	}
}

// scan returns the position of the scan class in the device, which gets it on first use.
func (e *entries) scan(s *settings.Section, name string) int {
	if i, ok := e.classes[name]; ok {
		return i
	}
	for _, c := range e.config.ScanClasses {
		if c.Name == name {
			e.classes[name] = len(e.device.Classes)
			e.device.Classes = append(e.device.Classes, c)
			return e.classes[name]
		}
	}
	if s.Has("scan") && len(e.config.ScanClasses) > 0 { // without any, that is the fault, once
		e.faults.Add(s.FaultFix("scan", fmt.Sprintf("no scan class is called %q", name), settings.OneOf(name, e.classNames())))
	}
	return 0
}

// templates returns the entry's name and place, taken apart.
func (e *entries) templates(s *settings.Section, raw *pointEntry) (name, place template, ok bool) {
	key, text := "name", raw.Name
	switch {
	case s.Has("name") && s.Has("range"):
		e.fault(s, "range", "both name and range are given; keep one")
		return name, place, false
	case s.Has("range"):
		key, text = "range", raw.Range
	case !s.Has("name"):
		e.fault(s, "", "the entry has neither name nor range; add name for a single point, or range for several")
		return name, place, false
	}
	room := e.most - len(e.config.Table)
	if room <= 0 {
		e.fault(s, key, "%v", errTooMany)
		return name, place, false
	}
	name, err := parseTemplate(text, nil, key == "range", room)
	if err != nil {
		e.fault(s, key, "%s: %v", key, err)
		return name, place, false
	}
	if key == "range" && len(name.vars) == 0 {
		e.fault(s, key, "range %q has no variable such as {seat:1..30}; call it name for a single point", text)
		return name, place, false
	}
	place, err = parseTemplate(raw.Place, name.vars, false, 0)
	if err != nil {
		e.fault(s, "place", "place: %v", err)
		return name, place, false
	}
	return name, place, true
}

// expand adds a point to the table for each combination of the variables, and returns them. Points of an entry that is sound are
// judged once more as the table will be.
func (e *entries) expand(s *settings.Section, name, place template, p point.Point, sound bool) []drivers.Target {
	count := name.count(e.most)
	e.places = append(e.places, s.Place(""))
	entry := len(e.places) - 1
	e.config.Table = slices.Grow(e.config.Table, count)
	targets := make([]drivers.Target, 0, count)
	o := newOdometer(name.vars)
	var text []byte
	var clash overlap
	for range count {
		text = name.render(text[:0], o)
		full := string(text)
		parsed, err := point.ParseName(full)
		if err != nil {
			e.fault(s, whichever(s), "%v", err)
			return nil
		}
		text = place.render(text[:0], o)
		if err := checkText("place", text, maxPlaceBytes); err != nil {
			e.fault(s, "place", "%v", err)
			return nil
		}
		p.Name, p.Place = parsed, string(text)
		if err := p.Check(); err != nil && sound {
			e.fault(s, whichever(s), "%v", err)
			return nil
		}
		if first, twice := e.seen[parsed]; twice {
			clash.note(parsed, e.places[first])
		} else {
			e.seen[parsed] = entry
			targets = append(targets, drivers.Target{Index: uint32(len(e.config.Table))})
			e.device.Own = append(e.device.Own, uint32(len(e.config.Table)))
			e.config.Table = append(e.config.Table, p)
		}
		o.next()
	}
	if clash.count > 0 {
		e.fault(s, whichever(s), "%s; give each point of the device a name of its own", clash.text())
	}
	return targets
}

// overlap counts the names of an entry that the device already has, so that they make one fault.
type overlap struct {
	first point.Name
	place string
	count int
}

func (o *overlap) note(name point.Name, place string) {
	if o.count == 0 {
		o.first, o.place = name, place
	}
	o.count++
}

func (o *overlap) text() string {
	if o.count == 1 {
		return fmt.Sprintf("point %q is already at %s", o.first, o.place)
	}
	return fmt.Sprintf("point %q is already at %s, and %d more of this entry are taken", o.first, o.place, o.count-1)
}

// whichever returns the key that names the entry's points.
func whichever(s *settings.Section) string {
	if s.Has("range") {
		return "range"
	}
	return "name"
}

// checkText refuses a text that is too long or that people could not read.
func checkText(what string, text []byte, most int) error {
	if len(text) > most {
		return fmt.Errorf("%s %q… has %d bytes, at most %d are allowed", what, text[:20], len(text), most)
	}
	if !utf8.Valid(text) || strings.IndexFunc(string(text), unicode.IsControl) >= 0 {
		return fmt.Errorf("%s %q holds a control character; remove it", what, text)
	}
	return nil
}
