package metrics

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/courtside-edge/courtside/cloud/heatmap"
	"github.com/courtside-edge/courtside/cloud/venue"
)

// gridCell is the side of an exported square in metres, so that the labels are metres.
const gridCell = 1.0

// maxSquares is how many squares of a venue are exported at most: a football pitch has 7,140. A tracker that is out of its mind would fill
// Prometheus otherwise; of more, those nearest to the centre spot are exported, and the others counted.
const maxSquares = 10_000

var (
	// gridDesc declares the presence layer's metric.
	gridDesc = prometheus.NewDesc("heatmap_grid_count", "Players and balls seen within the last minute in the square metre whose lower left corner is (x, y), metres from the centre spot. Squares without any are absent.",
		[]string{"arena", "x", "y"}, nil)
	// gridLeftOutDesc declares what the limit costs.
	gridLeftOutDesc = prometheus.NewDesc("courtside_grid_squares_left_out", "Squares beyond the 10,000 that heatmap_grid_count has of a venue. Anything above 0 means that positions are wrong.", []string{"venue"}, nil)
)

// grids reads the presence layer of every venue at each scrape: as many series as squares were touched within
// a minute, some hundreds for a game.
type grids struct{ venues []*venue.Venue }

// Describe implements prometheus.Collector.
func (c *grids) Describe(ch chan<- *prometheus.Desc) {
	ch <- gridDesc
	ch <- gridLeftOutDesc
}

// Collect implements prometheus.Collector.
func (c *grids) Collect(ch chan<- prometheus.Metric) {
	for _, v := range c.venues {
		_, tracks := v.Presence()
		count := heatmap.Squares(tracks, gridCell)
		kept := nearest(count, maxSquares)
		for _, at := range kept {
			gauge(ch, gridDesc, float64(count[at]), string(v.ID()), strconv.Itoa(at.X), strconv.Itoa(at.Y))
		}
		gauge(ch, gridLeftOutDesc, float64(len(count)-len(kept)), string(v.ID()))
	}
}

// nearest returns the squares, n at most: those nearest to the centre spot.
func nearest(count map[heatmap.Square]int, n int) []heatmap.Square {
	all := make([]heatmap.Square, 0, len(count))
	for at := range count {
		all = append(all, at)
	}
	if len(all) <= n {
		return all
	}
	far := func(s heatmap.Square) float64 { return float64(s.X)*float64(s.X) + float64(s.Y)*float64(s.Y) }
	slices.SortFunc(all, func(a, b heatmap.Square) int {
		return cmp.Or(cmp.Compare(far(a), far(b)), cmp.Compare(a.X, b.X), cmp.Compare(a.Y, b.Y))
	})
	return all[:n]
}
