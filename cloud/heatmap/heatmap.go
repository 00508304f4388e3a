package heatmap

import (
	"errors"
	"fmt"
	"math"

	"github.com/courtside-edge/courtside/cloud/venue"
)

// ErrLayer is what the refusal of an unknown layer wraps.
var ErrLayer = errors.New("unknown heatmap layer")

// Layers are the names of the layers, in the order in which people meet them.
func Layers() []string { return []string{"occupancy", "pressure", "flow", "presence"} }

// Mapper draws the layers of one venue. It is safe for concurrent use.
type Mapper struct {
	venue  *venue.Venue
	frame  frame
	seatAt []int // cell of each seat, in the map's order
	gateAt map[string]int
}

// New returns a mapper with cells of cell metres a side; 0 for DefaultCell. The venue must have a map.
func New(v *venue.Venue, cell float64) (*Mapper, error) {
	m := v.Map()
	if m == nil {
		return nil, fmt.Errorf("venue %s has no map, so it has no heatmaps", v.ID())
	}
	if cell == 0 {
		cell = DefaultCell
	}
	f, err := newFrame(m.Bounds(), cell)
	if err != nil {
		return nil, fmt.Errorf("venue %s: %w", v.ID(), err)
	}
	h := &Mapper{venue: v, frame: f, seatAt: make([]int, len(m.Seats)), gateAt: make(map[string]int, len(m.Gates))}
	for i, s := range m.Seats {
		h.seatAt[i] = f.at(s.X, s.Y)
	}
	for _, g := range m.Gates {
		h.gateAt[g.Place] = f.at(g.X, g.Y)
	}
	return h, nil
}

// Draw evaluates one layer now. An unknown layer's error wraps ErrLayer and lists the known ones.
func (h *Mapper) Draw(layer string) (venue.Basis, Grid, error) {
	switch layer {
	case "occupancy":
		b, g := h.occupancy()
		return b, g, nil
	case "pressure":
		b, g := h.pressure()
		return b, g, nil
	case "flow":
		b, g := h.flow()
		return b, g, nil
	case "presence":
		b, g := h.presence()
		return b, g, nil
	}
	return venue.Basis{}, Grid{}, fmt.Errorf("%w %q; use one of %v", ErrLayer, layer, Layers())
}

// occupancy is the share of a cell's known seats that are occupied, 0 to 1.
func (h *Mapper) occupancy() (venue.Basis, Grid) {
	basis, seats := h.venue.Seats()
	g := h.frame.grid("occupancy", "1")
	known := make([]float32, len(g.Values))
	for i := range seats {
		if seats[i].State == venue.Unknown {
			continue
		}
		at := h.seatAt[i]
		if known[at] == 0 {
			g.Values[at] = 0
		}
		known[at]++
		if seats[i].State == venue.Occupied {
			g.Values[at]++
		}
	}
	for at, n := range known {
		if n > 0 {
			g.Values[at] /= n
		}
	}
	g.Max = 1
	return basis, g
}

// pressure is the mean of a cell's known seat sensors, in their own unit.
func (h *Mapper) pressure() (venue.Basis, Grid) {
	basis, seats := h.venue.Seats()
	g := h.frame.grid("pressure", "as reported")
	known := make([]float32, len(g.Values))
	for i := range seats {
		if math.IsNaN(seats[i].Pressure) {
			continue
		}
		at := h.seatAt[i]
		if known[at] == 0 {
			g.Values[at] = 0
		}
		known[at]++
		g.Values[at] += float32(seats[i].Pressure)
	}
	for at, n := range known {
		if n > 0 {
			g.Values[at] /= n
			g.Max = max(g.Max, float64(g.Values[at]))
		}
	}
	return basis, g
}

// flow is the passages a minute, both ways, of the gates in a cell.
func (h *Mapper) flow() (venue.Basis, Grid) {
	a := h.venue.Gates()
	g := h.frame.grid("flow", "1/min")
	for _, gate := range a.Gates {
		at, ok := h.gateAt[gate.Gate]
		if !ok || len(gate.Lanes) == 0 {
			continue
		}
		if math.IsNaN(float64(g.Values[at])) {
			g.Values[at] = 0
		}
		g.Values[at] += float32(gate.InRate + gate.OutRate)
		g.Max = max(g.Max, float64(g.Values[at]))
	}
	return a.Basis, g
}
