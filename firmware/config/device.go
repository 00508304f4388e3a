package config

import (
	"fmt"
	"maps"
	"slices"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/settings"
)

// device is a device as it is written, or as its template completes it.
type device struct {
	Keys   deviceKeys `yaml:",inline"`
	Driver string     `yaml:"driver,required"`
}

// deviceKeys are the keys that a device has with or without a template.
type deviceKeys struct {
	ID         point.ID           `yaml:"id,required"`
	Template   string             `yaml:"template"`
	With       map[string]string  `yaml:"with"`
	Options    settings.Section   `yaml:"options"`
	PointsFile settings.Path      `yaml:"points_file"`
	Points     []settings.Section `yaml:"points"`
}

// device checks one device and its points, lets its driver check the rest, and adds it.
func (l *loader) device(s *settings.Section) {
	base, points := l.template(s)
	if s.Has("with") && !s.Has("template") {
		l.fault(s, "with", "with gives a template its parameters, and no template is named; name one, or remove with")
	}
	if s.Has("template") && base == nil { // what it lacks is in the template
		var raw struct {
			Keys   deviceKeys `yaml:",inline"`
			Driver string     `yaml:"driver"`
		}
		l.faults.Add(s.Decode(&raw))
		l.describe(s, raw.Keys.ID)
		return
	}
	var own []settings.Section
	_ = s.Get("points", &own) // Decode says what is wrong with it
	s = s.Over(base)
	var raw device
	l.faults.Add(s.Decode(&raw))
	l.describe(s, raw.Keys.ID)
	d := Device{Driver: raw.Driver, Device: drivers.Device{ID: raw.Keys.ID, Options: &raw.Keys.Options}}
	known := slices.Sorted(maps.Keys(l.registry))
	if driver, ok := l.registry[raw.Driver]; ok {
		d.driver = driver
	} else if s.Has("driver") {
		l.faults.Add(s.FaultFix("driver", fmt.Sprintf("no driver is called %q", raw.Driver), settings.OneOf(raw.Driver, known)))
	}
	if l.pointless(s, raw.Keys.ID, points) {
		l.faults.Add(s.FaultFix("", `required key "points" is missing`, "add it, or points_file, or template"))
	}
	e := entries{loader: l, device: &d, classes: make(map[string]int), seen: make(map[point.Name]int)}
	for _, list := range [][]settings.Section{merge(points, own), l.tags(s, raw.Keys.PointsFile)} {
		for i := range list {
			e.add(&list[i])
		}
	}
	if d.driver != nil {
		l.faults.Add(l.prepare(&d, s))
	}
	l.config.Devices = append(l.config.Devices, d)
}

// describe notes where a device is described, and refuses to do so twice.
func (l *loader) describe(s *settings.Section, id point.ID) {
	if id == "" {
		return
	}
	if first, twice := l.devices[id]; twice {
		l.fault(s, "id", "device %q is already described at %s; give each device an id of its own", id, first)
		return
	}
	l.devices[id] = s.Place("id")
}

// pointless reports whether nothing says where the device's points are. An empty list is a fault of its own, a misspelt key
// already is one.
func (l *loader) pointless(s *settings.Section, id point.ID, points []settings.Section) bool {
	sources := []string{"points", "points_file", "template"}
	if empty(s, "points", new([]settings.Section)) && len(points) == 0 && !s.Has("points_file") {
		l.fault(s, "points", "device %q has no points; list at least one", id)
		return false
	}
	for _, k := range s.Keys() {
		if slices.Contains(sources, k) || k != "options" && settings.Nearest(k, sources) != "" {
			return false
		}
	}
	return len(s.Keys()) > 0
}

// prepare lets the driver check d. A driver that panics on a configuration has a fault, and so has the configuration.
func (l *loader) prepare(d *Device, s *settings.Section) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = s.Fault("driver", "driver %q gave up on this device: %v", d.Driver, p)
		}
	}()
	for g := range d.Groups { // the table may still move; a driver must not keep these
		for t := range d.Groups[g].Targets {
			target := &d.Groups[g].Targets[t]
			target.Point = &l.config.Table[target.Index]
		}
	}
	_, err = d.Prepare(noClock{}, quiet())
	return err
}
