package config

import (
	"fmt"
	"maps"
	"slices"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/settings"
)

// device is a device as it is written.
type device struct {
	ID      point.ID           `yaml:"id,required"`
	Driver  string             `yaml:"driver,required"`
	Options settings.Section   `yaml:"options"`
	Points  []settings.Section `yaml:"points,required"`
}

// device checks one device and its points, lets its driver check the rest, and adds it.
func (l *loader) device(s *settings.Section) {
	var raw device
	l.faults.Add(s.Decode(&raw))
	if raw.ID != "" {
		if first, twice := l.devices[raw.ID]; twice {
			l.fault(s, "id", "device %q is already described at %s; give each device an id of its own", raw.ID, first)
		} else {
			l.devices[raw.ID] = s.Place("id")
		}
	}
	d := Device{Driver: raw.Driver, Device: drivers.Device{ID: raw.ID, Options: &raw.Options}}
	known := slices.Sorted(maps.Keys(l.registry))
	if driver, ok := l.registry[raw.Driver]; ok {
		d.driver = driver
	} else if s.Has("driver") {
		l.faults.Add(s.FaultFix("driver", fmt.Sprintf("no driver is called %q", raw.Driver), settings.OneOf(raw.Driver, known)))
	}
	if s.Len("points") == 0 {
		l.fault(s, "points", "device %q has no points; list at least one", raw.ID)
	}
	e := entries{loader: l, device: &d, classes: make(map[string]int), seen: make(map[point.Name]int)}
	for i := range raw.Points {
		e.add(&raw.Points[i])
	}
	if d.driver != nil {
		l.faults.Add(l.prepare(&d, s))
	}
	l.config.Devices = append(l.config.Devices, d)
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
