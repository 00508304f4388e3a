// Package venuemap reads a venue's map: a GeoJSON FeatureCollection (RFC 7946) whose coordinates are
// metres from the centre spot, x along the floor's length, y across it.
//
// GeoJSON proper means WGS 84; the collection's foreign member "crs": "local-metres" says that
// this one does not, as RFC 7946 section 4 allows by prior arrangement.
package venuemap

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
)

// MaxBytes limits a map's file; an arena of 20,000 seats takes about 4 MB.
const MaxBytes = 64 << 20

// MaxExtent is the largest coordinate in metres; anything beyond is a longitude or a mistake.
const MaxExtent = 2000

// maxFaults is how many faults of one file are named; nobody reads on beyond.
const maxFaults = 20

// Seat is one numbered seat.
type Seat struct {
	Place, Section, Row, Number string
	X, Y                        float64 // metres
}

// Spot is a gate or a panel.
type Spot struct {
	Place, Name string
	X, Y        float64 // metres
}

// Area is a section's outline or the floor.
type Area struct {
	Place   string
	Outline [][2]float64 // metres, closed
}

// Bounds is a rectangle in metres.
type Bounds struct{ MinX, MinY, MaxX, MaxY float64 }

// Map is a venue's map. Seats, gates, panels and sections keep the file's order, which is their index everywhere.
type Map struct {
	Seats    []Seat
	Gates    []Spot
	Panels   []Spot
	Sections []Area
	Floor    Area
	Raw      []byte // the file as it is, for those who draw it
}

type collection struct {
	Type     string    `json:"type"`
	CRS      string    `json:"crs"`
	Features []feature `json:"features"`
}

type feature struct {
	Properties struct {
		Kind    string `json:"kind"`
		Place   string `json:"place"`
		Section string `json:"section"`
		Row     string `json:"row"`
		Seat    string `json:"seat"`
		Name    string `json:"name"`
	} `json:"properties"`
	Geometry struct {
		Type        string          `json:"type"`
		Coordinates json.RawMessage `json:"coordinates"`
	} `json:"geometry"`
}

// Load reads the map in the file at path.
func Load(path string) (*Map, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("venue map: %w", err)
	}
	if info.Size() > MaxBytes {
		return nil, fmt.Errorf("venue map %s has %d bytes, at most %d are read", path, info.Size(), MaxBytes)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("venue map: %w", err)
	}
	m, err := Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("venue map %s: %w", path, err)
	}
	return m, nil
}

// Parse reads a map. All faults come at once, each naming its feature by number (from 0) and place.
func Parse(raw []byte) (*Map, error) {
	var c collection
	if err := json.Unmarshal(raw, &c); err != nil {
		return nil, fmt.Errorf("not GeoJSON: %w", err)
	}
	if c.Type != "FeatureCollection" {
		return nil, fmt.Errorf("type is %q; a GeoJSON FeatureCollection is wanted", c.Type)
	}
	if c.CRS != "local-metres" {
		return nil, fmt.Errorf(`"crs" is %q; write "crs": "local-metres" to say that coordinates are metres from the centre spot`, c.CRS)
	}
	m := &Map{Raw: raw}
	var faults []error
	seen := map[string]int{}
	for i := range c.Features {
		f := &c.Features[i]
		key := f.Properties.Kind + " " + f.Properties.Place
		if first, twice := seen[key]; twice {
			faults = append(faults, fmt.Errorf("feature %d: %s is feature %d already", i, key, first))
		} else if err := m.add(f); err != nil {
			faults = append(faults, fmt.Errorf("feature %d (%s): %w", i, key, err))
		} else {
			seen[key] = i
		}
		if len(faults) == maxFaults {
			faults = append(faults, errors.New("more faults follow"))
			break
		}
	}
	return m, errors.Join(faults...)
}

func (m *Map) add(f *feature) error {
	p := f.Properties
	if p.Place == "" {
		return errors.New(`property "place" is missing`)
	}
	switch p.Kind {
	case "seat":
		x, y, err := f.point()
		m.Seats = append(m.Seats, Seat{p.Place, p.Section, p.Row, p.Seat, x, y})
		return err
	case "gate":
		x, y, err := f.point()
		m.Gates = append(m.Gates, Spot{p.Place, p.Name, x, y})
		return err
	case "panel":
		x, y, err := f.point()
		m.Panels = append(m.Panels, Spot{p.Place, p.Name, x, y})
		return err
	case "section":
		outline, err := f.outline()
		m.Sections = append(m.Sections, Area{p.Place, outline})
		return err
	case "floor":
		outline, err := f.outline()
		m.Floor = Area{p.Place, outline}
		return err
	}
	return fmt.Errorf("kind %q is unknown; use seat, gate, panel, section or floor", p.Kind)
}

func (f *feature) point() (x, y float64, err error) {
	var xy []float64
	if f.Geometry.Type != "Point" {
		return 0, 0, fmt.Errorf("geometry is %q, a Point is wanted", f.Geometry.Type)
	}
	if err := json.Unmarshal(f.Geometry.Coordinates, &xy); err != nil || len(xy) < 2 {
		return 0, 0, fmt.Errorf("coordinates %.40s are not [x, y]", f.Geometry.Coordinates)
	}
	return xy[0], xy[1], within(xy[0], xy[1])
}

func (f *feature) outline() ([][2]float64, error) {
	var rings [][][]float64
	if f.Geometry.Type != "Polygon" {
		return nil, fmt.Errorf("geometry is %q, a Polygon is wanted", f.Geometry.Type)
	}
	if err := json.Unmarshal(f.Geometry.Coordinates, &rings); err != nil || len(rings) == 0 || len(rings[0]) < 4 {
		return nil, errors.New("coordinates are not a closed ring of at least four [x, y]")
	}
	outline := make([][2]float64, 0, len(rings[0]))
	for _, xy := range rings[0] {
		if len(xy) < 2 {
			return nil, errors.New("a corner is not [x, y]")
		}
		if err := within(xy[0], xy[1]); err != nil {
			return nil, err
		}
		outline = append(outline, [2]float64{xy[0], xy[1]})
	}
	return outline, nil
}

func within(x, y float64) error {
	if math.Abs(x) > MaxExtent || math.Abs(y) > MaxExtent {
		return fmt.Errorf("[%g, %g] is more than %d m from the centre spot", x, y, MaxExtent)
	}
	return nil
}

// Bounds returns the smallest rectangle around all seats, gates, panels and outlines.
func (m *Map) Bounds() Bounds {
	b := Bounds{math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)}
	grow := func(x, y float64) {
		b.MinX, b.MaxX = min(b.MinX, x), max(b.MaxX, x)
		b.MinY, b.MaxY = min(b.MinY, y), max(b.MaxY, y)
	}
	for i := range m.Seats {
		grow(m.Seats[i].X, m.Seats[i].Y)
	}
	for _, spots := range [][]Spot{m.Gates, m.Panels} {
		for _, s := range spots {
			grow(s.X, s.Y)
		}
	}
	for _, a := range append([]Area{m.Floor}, m.Sections...) {
		for _, xy := range a.Outline {
			grow(xy[0], xy[1])
		}
	}
	if math.IsInf(b.MinX, 1) {
		return Bounds{}
	}
	return b
}
