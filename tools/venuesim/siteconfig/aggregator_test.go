package siteconfig

import (
	"math"
	"slices"
	"testing"
	"time"

	cloudconfig "github.com/courtside-edge/courtside/cloud/config"
	"github.com/courtside-edge/courtside/tools/venuesim/arena"
)

// TestAggregatorLoads lets the aggregator's own check read what is written, the map included.
func TestAggregatorLoads(t *testing.T) {
	s := site()
	files, err := Write(t.TempDir(), s, Options{MaxLaneRate: 100, APIListen: "127.0.0.1:8099", Bucket: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	c, err := cloudconfig.Load(files.Aggregator)
	if err != nil {
		t.Fatal(err)
	}
	if c.API.Listen != "127.0.0.1:8099" || c.Broker.Listen != defaultBroker || len(c.Venues) != 1 {
		t.Fatalf("api %+v, broker %+v, %d venues", c.API, c.Broker, len(c.Venues))
	}
	venue := c.Venues[0]
	if string(venue.ID) != s.Plan.Arena.Venue || venue.Bucket != 10*time.Second || len(venue.Gateways) != len(files.Gateways) {
		t.Errorf("venue %s with buckets of %s and %d gateways", venue.ID, venue.Bucket, len(venue.Gateways))
	}
	for i, g := range venue.Gateways {
		var granted []string
		for _, d := range g.Devices {
			granted = append(granted, string(d))
		}
		if g.ID != files.Gateways[i].ID || !slices.Equal(granted, files.Gateways[i].Devices) {
			t.Errorf("%s may report %v, its own file describes %v", g.ID, granted, files.Gateways[i].Devices)
		}
	}
	m, a := venue.Map, s.Plan.Arena
	if len(m.Seats) != arena.SeatCount || len(m.Gates) != len(a.Gates) || len(m.Panels) != len(a.Panels) || len(m.Sections) != len(a.Sections) {
		t.Fatalf("the map has %d seats, %d gates, %d panels, %d sections", len(m.Seats), len(m.Gates), len(m.Panels), len(m.Sections))
	}
	for i, seat := range m.Seats {
		if want := a.Seats[i]; seat.Place != want.Place() || math.Hypot(seat.X-want.At.X, seat.Y-want.At.Y) > 0.01 {
			t.Fatalf("seat %d of the map is %+v, want %s at %v", i, seat, want.Place(), want.At)
		}
	}
}
