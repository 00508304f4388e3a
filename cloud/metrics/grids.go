package metrics

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/courtside-edge/courtside/cloud/heatmap"
	"github.com/courtside-edge/courtside/cloud/venue"
)

// gridCell is the side of an exported square in metres, so that the labels are metres.
const gridCell = 1.0

// gridDesc declares the presence layer's metric.
var gridDesc = prometheus.NewDesc("heatmap_grid_count", "Players and balls seen within the last minute in the square metre whose lower left corner is (x, y), metres from the centre spot. Squares without any are absent.",
	[]string{"arena", "x", "y"}, nil)

// grids reads the presence layer of every venue at each scrape: as many series as squares were touched within
// a minute, some hundreds for a game.
type grids struct{ venues []*venue.Venue }

// Describe implements prometheus.Collector.
func (c *grids) Describe(ch chan<- *prometheus.Desc) { ch <- gridDesc }

// Collect implements prometheus.Collector.
func (c *grids) Collect(ch chan<- prometheus.Metric) {
	for _, v := range c.venues {
		_, tracks := v.Presence()
		for at, n := range heatmap.Squares(tracks, gridCell) {
			gauge(ch, gridDesc, float64(n), string(v.ID()), strconv.Itoa(at.X), strconv.Itoa(at.Y))
		}
	}
}
