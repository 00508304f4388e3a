package opcua

import (
	"errors"
	"slices"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/drivers/opcua/internal/uabinary"
	"github.com/courtside-edge/courtside/sync/point"
)

// Driver is the OPC UA protocol. The zero value is ready.
type Driver struct{}

var _ drivers.Driver = Driver{}

// pointSource is the "source" of a point or a range, see the package's documentation.
type pointSource struct {
	Node  string `yaml:"node"`
	First *int64 `yaml:"first"`
	Step  *int64 `yaml:"step"`
	Type  string `yaml:"type"`
}

// item is one point and the node that it comes from.
type item struct {
	index uint32
	point *point.Point
	class int
	node  node
	text  string // the node id as it was written, for logs
}

// Prepare checks the options and every point; see drivers.Driver.
func (Driver) Prepare(d drivers.Device) (drivers.Source, error) {
	var errs []error
	o, err := readOptions(d.Options)
	if err != nil {
		errs = append(errs, err)
	}
	s := &source{device: d, o: o}
	for _, g := range d.Groups {
		items, err := prepareGroup(g)
		if err != nil {
			errs = append(errs, err)
		}
		s.items = append(s.items, items...)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	slices.SortStableFunc(s.items, func(a, b item) int { return a.class - b.class })
	return s, nil
}

// prepareGroup returns the items of one entry of the point list.
func prepareGroup(g drivers.Group) ([]item, error) {
	var src pointSource
	if err := g.Options.Decode(&src); err != nil {
		return nil, err
	}
	if src.Node == "" {
		return nil, g.Options.Fault("node", `node is missing; write a node id such as "ns=2;s=Panel.1.Status"`)
	}
	first, step := int64(1), int64(1)
	if src.First != nil {
		first = *src.First
	}
	if src.Step != nil {
		step = *src.Step
	}
	var errs []error
	declared, ok := uabinary.ParseType(src.Type)
	if src.Type != "" && !ok {
		errs = append(errs, g.Options.Fault("type", "type %q is none that a point can have; use Boolean, SByte, Byte, Int16 to UInt64, Float, Double or String", src.Type))
	}
	seen := make(map[string]bool, len(g.Targets))
	items := make([]item, 0, len(g.Targets))
	for k, t := range g.Targets {
		text, err := expand(src.Node, first+int64(k)*step, t.Point.Name)
		if err != nil {
			return nil, errors.Join(append(errs, g.Options.Fault("node", "node %q: %v", src.Node, err))...)
		}
		n, err := parseNode(text)
		if err != nil {
			return nil, errors.Join(append(errs, g.Options.Fault("node", "node id %q of point %s: %v", text, t.Point.Name, err))...)
		}
		if seen[text] {
			return nil, errors.Join(append(errs, g.Options.Fault("node",
				"node %q gives two points of the range the same node %q; use {n}, or {1} to {8} for the ids of the point's name", src.Node, text))...)
		}
		seen[text] = true
		items = append(items, item{index: t.Index, point: t.Point, class: g.Class, node: n, text: text})
	}
	if ok && len(g.Targets) > 0 && !slices.Contains(wants(declared), g.Targets[0].Point.Type) {
		errs = append(errs, g.Options.Fault("type", "a node of type %s cannot be a point of type %s; change type to one of %v", src.Type, g.Targets[0].Point.Type, wants(declared)))
	}
	return items, errors.Join(errs...)
}
