package heatmap

import (
	"math"

	"github.com/courtside-edge/courtside/cloud/venue"
)

// Square is one square of the floor's grid, by its lower left corner in cells from the centre spot.
type Square struct{ X, Y int }

// far is beyond any floor, in metres, and within any int. What lies beyond was not seen on it.
const far = 1e6

// Squares counts how many of the tracks touch each square of cell metres a side. A body that comes back to a square counts
// once there. Only squares that are touched are in the answer.
func Squares(tracks []venue.Track, cell float64) map[Square]int {
	count := make(map[Square]int)
	for i := range tracks {
		seen := make(map[Square]bool)
		for _, s := range tracks[i].Spots {
			if !(math.Abs(s.X) <= far && math.Abs(s.Y) <= far) {
				continue // nor what is no number
			}
			at := Square{int(math.Floor(s.X / cell)), int(math.Floor(s.Y / cell))}
			if !seen[at] {
				seen[at] = true
				count[at]++
			}
		}
	}
	return count
}

// presence is how many players and balls were in a cell within venue.PresenceWindow. Cells that nobody touched are absent, as
// are those beyond the map.
func (h *Mapper) presence() (venue.Basis, Grid) {
	basis, tracks := h.venue.Presence()
	g := h.frame.grid("presence", "seen within a minute")
	for at, n := range Squares(tracks, h.frame.cell) {
		i, ok := h.frame.square(at)
		if !ok {
			continue
		}
		g.Values[i] = float32(n)
		g.Max = max(g.Max, float64(n))
	}
	return basis, g
}

// square returns the cell of a square, and whether the frame holds it. A frame begins at a whole number of cells from the centre spot.
func (f frame) square(s Square) (int, bool) {
	column, row := s.X-int(math.Round(f.x0/f.cell)), s.Y-int(math.Round(f.y0/f.cell))
	return row*f.width + column, column >= 0 && column < f.width && row >= 0 && row < f.height
}
