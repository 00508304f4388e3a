package arena

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math"
)

// Property values of the venue map; what a page and the aggregator select features by.
const (
	kindSeat    = "seat"
	kindGate    = "gate"
	kindPanel   = "panel"
	kindSection = "section"
	kindFloor   = "floor"
)

// properties are a feature's, in the order in which they are written.
type properties struct {
	Kind    string `json:"kind"`
	Place   string `json:"place"`
	Name    string `json:"name,omitempty"`
	Section string `json:"section,omitempty"`
	Row     string `json:"row,omitempty"`
	Seat    string `json:"seat,omitempty"`
}

type feature struct {
	Type       string     `json:"type"`
	Geometry   geometry   `json:"geometry"`
	Properties properties `json:"properties"`
}

type geometry struct {
	Type        string `json:"type"`
	Coordinates any    `json:"coordinates"`
}

// WriteGeoJSON writes the venue map: one FeatureCollection with the property "crs":"local-metres",
// coordinates in metres from the centre spot rounded to centimetres. It holds the floor, the sections'
// outlines, gates, panels and every seat, one feature a line, in this order.
func (a *Arena) WriteGeoJSON(w io.Writer) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "{\"type\":\"FeatureCollection\",\"name\":%q,\"crs\":\"local-metres\",\"features\":[\n", a.Venue)
	separator := ""
	for f := range a.features {
		line, err := json.Marshal(f)
		if err != nil {
			return fmt.Errorf("encode %s %s of the venue map: %w", f.Properties.Kind, f.Properties.Place, err)
		}
		fmt.Fprintf(out, "%s%s", separator, line)
		separator = ",\n"
	}
	fmt.Fprint(out, "\n]}\n")
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write the venue map: %w", err)
	}
	return nil
}

func (a *Arena) features(yield func(feature) bool) {
	if !yield(polygon(floor(), properties{Kind: kindFloor, Place: kindFloor})) {
		return
	}
	for _, s := range a.Sections {
		if !yield(polygon(s.Outline, properties{Kind: kindSection, Place: s.Name, Section: s.Name})) {
			return
		}
	}
	for _, g := range a.Gates {
		if !yield(spot(g.At, properties{Kind: kindGate, Place: g.Place, Name: g.Name})) {
			return
		}
	}
	for _, p := range a.Panels {
		if !yield(spot(p.At, properties{Kind: kindPanel, Place: p.Place, Name: p.Name})) {
			return
		}
	}
	for _, s := range a.Seats {
		props := properties{Kind: kindSeat, Place: s.Place(), Section: s.Section, Row: s.Row, Seat: fmt.Sprint(s.Number)}
		if !yield(spot(s.At, props)) {
			return
		}
	}
}

// floor returns the court's closed outline.
func floor() []Spot {
	const x, y = CourtLength / 2, CourtWidth / 2
	return []Spot{{x, y}, {-x, y}, {-x, -y}, {x, -y}, {x, y}}
}

func polygon(outline []Spot, p properties) feature {
	edge := make([][2]float64, len(outline))
	for i, s := range outline {
		edge[i] = s.rounded()
	}
	return feature{Type: "Feature", Geometry: geometry{Type: "Polygon", Coordinates: [][][2]float64{edge}}, Properties: p}
}

func spot(s Spot, p properties) feature {
	return feature{Type: "Feature", Geometry: geometry{Type: "Point", Coordinates: s.rounded()}, Properties: p}
}

// rounded returns s as GeoJSON writes it, in whole centimetres.
func (s Spot) rounded() [2]float64 {
	round := func(v float64) float64 {
		v = math.Round(v*100) / 100
		if v == 0 {
			return 0 // never "-0"
		}
		return v
	}
	return [2]float64{round(s.X), round(s.Y)}
}
