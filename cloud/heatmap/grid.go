package heatmap

import (
	"fmt"
	"math"
	"strconv"

	"github.com/courtside-edge/courtside/cloud/venuemap"
)

// DefaultCell is the side of a cell in metres.
const DefaultCell = 1.0

// maxCells limits a grid; a venue of 1 km² at 1 m takes 1,000,000.
const maxCells = 4_000_000

// Grid is one layer at one moment. The cell in column c and row r covers the metres
// X0+c·Cell ≤ x < X0+(c+1)·Cell and Y0+r·Cell ≤ y < Y0+(r+1)·Cell.
type Grid struct {
	Layer  string  `json:"layer"`
	Unit   string  `json:"unit"`
	Cell   float64 `json:"cell_m" doc:"side of a cell in metres"`
	X0     float64 `json:"x0_m" doc:"left edge, metres from the centre spot"`
	Y0     float64 `json:"y0_m" doc:"bottom edge, metres from the centre spot"`
	Width  int     `json:"width" doc:"columns"`
	Height int     `json:"height" doc:"rows, from y0 upwards"`
	Max    float64 `json:"max" doc:"the scale's upper end; the largest value that the layer is drawn with"`
	Values Cells   `json:"values" doc:"row by row from (x0, y0); null where there is nothing to measure or it is not known"`
}

// Cells are a grid's values; NaN stands for absent.
type Cells []float32

// MarshalJSON writes absent cells as null and others with three decimals at most.
func (c Cells) MarshalJSON() ([]byte, error) {
	out := make([]byte, 0, 5*len(c)+2)
	out = append(out, '[')
	for i, v := range c {
		if i > 0 {
			out = append(out, ',')
		}
		if math.IsNaN(float64(v)) {
			out = append(out, "null"...)
			continue
		}
		out = strconv.AppendFloat(out, math.Round(float64(v)*1000)/1000, 'f', -1, 64)
	}
	return append(out, ']'), nil
}

// frame is the geometry that the layers of one venue share.
type frame struct {
	cell   float64
	x0, y0 float64
	width  int
	height int
}

// newFrame returns the smallest frame of whole cells around b.
func newFrame(b venuemap.Bounds, cell float64) (frame, error) {
	f := frame{cell: cell, x0: math.Floor(b.MinX/cell) * cell, y0: math.Floor(b.MinY/cell) * cell}
	f.width = int(math.Floor((b.MaxX-f.x0)/cell)) + 1
	f.height = int(math.Floor((b.MaxY-f.y0)/cell)) + 1
	if f.width*f.height > maxCells {
		return frame{}, fmt.Errorf("a grid of %d × %d cells of %g m is more than %d cells; use larger cells", f.width, f.height, cell, maxCells)
	}
	return f, nil
}

func (f frame) at(x, y float64) int {
	return int(math.Floor((y-f.y0)/f.cell))*f.width + int(math.Floor((x-f.x0)/f.cell))
}

func (f frame) grid(layer, unit string) Grid {
	g := Grid{Layer: layer, Unit: unit, Cell: f.cell, X0: f.x0, Y0: f.y0, Width: f.width, Height: f.height, Values: make(Cells, f.width*f.height)}
	absent := float32(math.NaN())
	for i := range g.Values {
		g.Values[i] = absent
	}
	return g
}
