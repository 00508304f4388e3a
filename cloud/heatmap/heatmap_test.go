package heatmap_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"image/png"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/cloud/heatmap"
	"github.com/courtside-edge/courtside/cloud/log"
	"github.com/courtside-edge/courtside/cloud/venue"
	"github.com/courtside-edge/courtside/cloud/venue/venuetest"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// Cells of venuetest's map: x from −6, y from 0; seats 1 to 3 at x 1.5, 2.5, 3.5 and y 4.5, the gate at (−6, 0).
const (
	seat1 = 4*10 + 7
	seat2 = 4*10 + 8
	seat3 = 4*10 + 9
	gate1 = 0
)

func draw(t *testing.T, m *heatmap.Mapper, layer string) heatmap.Grid {
	t.Helper()
	_, g, err := m.Draw(layer)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func absent(v float32) bool { return math.IsNaN(float64(v)) }

func TestLayers(t *testing.T) {
	r := venuetest.New(t)
	m, err := heatmap.New(r.V, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, layer := range heatmap.Layers() {
		for i, v := range draw(t, m, layer).Values {
			if !absent(v) {
				t.Errorf("%s: cell %d is %g before anything was reported", layer, i, v)
			}
		}
	}
	r.DeliverTable()
	minute := int64(time.Minute)
	r.Deliver(log.Batch, r.Frame(point.BatchID{Epoch: point.Epoch{7}, Lane: point.Telemetry}, wire.Batch{Samples: []point.Sample{
		{Index: 0, Time: 59 * minute, Bits: 700}, {Index: 1, Time: 59 * minute, Bits: 20}}}))
	r.Deliver(log.Batch, r.Frame(point.BatchID{Epoch: point.Epoch{7}, Lane: point.Critical}, wire.Batch{Samples: []point.Sample{{Index: 3, Time: 59 * minute, Bits: 12}},
		Runs: []point.CounterRun{{Index: 3, Run: 9, Bits: 16, Reason: point.RunFirst, Start: minute}}}))
	occupancy := draw(t, m, "occupancy")
	if v := occupancy.Values; v[seat1] != 1 || v[seat2] != 0 || !absent(v[seat3]) || !absent(v[gate1]) {
		t.Errorf("occupancy: %v %v %v %v", v[seat1], v[seat2], v[seat3], v[gate1])
	}
	pressure := draw(t, m, "pressure")
	if v := pressure.Values; v[seat1] != 70 || v[seat2] != 2 || !absent(v[seat3]) || pressure.Max != 70 {
		t.Errorf("pressure: %v %v %v, max %g", v[seat1], v[seat2], v[seat3], pressure.Max)
	}
	// now is on a bucket's edge: the window is the last minute, in which twelve people came.
	flow := draw(t, m, "flow")
	if v := flow.Values; math.Abs(float64(v[gate1])-12) > 1e-6 || !absent(v[seat1]) {
		t.Errorf("flow: %v at the gate, want 12 in the last minute", v[gate1])
	}
}

func TestCoarseCellsAverage(t *testing.T) {
	r := venuetest.New(t)
	m, err := heatmap.New(r.V, 10)
	if err != nil {
		t.Fatal(err)
	}
	r.DeliverTable()
	r.Deliver(log.Batch, r.Frame(point.BatchID{Epoch: point.Epoch{7}, Lane: point.Telemetry}, wire.Batch{Samples: []point.Sample{
		{Index: 0, Time: int64(59 * time.Minute), Bits: 700}, {Index: 1, Time: int64(59 * time.Minute), Bits: 20}}}))
	g := draw(t, m, "occupancy")
	if g.Width != 2 || g.Height != 1 || g.Values[1] != .5 {
		t.Errorf("%d × %d %v: of two known seats one is taken", g.Width, g.Height, g.Values)
	}
}

func TestUnknownLayer(t *testing.T) {
	m, err := heatmap.New(venuetest.New(t).V, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := m.Draw("mood"); !errors.Is(err, heatmap.ErrLayer) || !strings.Contains(err.Error(), "occupancy") {
		t.Errorf("%v", err)
	}
}

func TestTooFineAGridIsRefused(t *testing.T) {
	if _, err := heatmap.New(venuetest.New(t).V, 0.001); err == nil || !strings.Contains(err.Error(), "larger cells") {
		t.Errorf("%v", err)
	}
}

func TestJSONWritesAbsentAsNull(t *testing.T) {
	raw, err := json.Marshal(heatmap.Cells{0, 1, float32(math.NaN()), 0.12345})
	if err != nil || string(raw) != "[0,1,null,0.123]" {
		t.Errorf("%s, %v", raw, err)
	}
}

func TestPNG(t *testing.T) {
	g := heatmap.Grid{Layer: "occupancy", Width: 2, Height: 2, Max: 1, Values: heatmap.Cells{0, 1, float32(math.NaN()), 0.5}}
	var buf bytes.Buffer
	if err := heatmap.WritePNG(&buf, &g, 3); err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(&buf)
	if err != nil {
		t.Fatal(err)
	}
	light := func(x, y int) uint32 { r, g, b, _ := img.At(x, y).RGBA(); return r + g + b }
	// The first row lies at the bottom.
	if light(1, 4) >= light(4, 4) || light(4, 1) <= light(1, 4) || light(4, 1) >= light(4, 4) {
		t.Error("more is not lighter")
	}
	if _, _, _, a := img.At(1, 1).RGBA(); a != 0 {
		t.Error("an absent cell is drawn")
	}
	for _, scale := range []int{0, -1, heatmap.MaxScale + 1} {
		if heatmap.WritePNG(&buf, &g, scale) == nil {
			t.Errorf("scale %d was taken", scale)
		}
	}
}

// tracked is the test's table with a player's two axes added.
func tracked() (table []point.Point, x uint32) {
	table = venuetest.Table()
	x = uint32(len(table))
	for _, name := range []point.Name{"player/7/x", "player/7/y"} {
		table = append(table, point.Point{Device: "plc-panels", Name: name, Type: point.Float, Kind: point.Position, Lane: point.Telemetry, Class: point.State})
	}
	return table, x
}

func TestPresenceCountsABodyOnceACell(t *testing.T) {
	table, x := tracked()
	r := venuetest.NewWith(t, table)
	m, err := heatmap.New(r.V, 0)
	if err != nil {
		t.Fatal(err)
	}
	r.DeliverTable()
	var samples []point.Sample
	for i, at := range [][2]float64{{1.2, 4.1}, {1.9, 4.9}, {2.5, 4.5}, {1.5, 4.5}, {-60, 4}, {2.5, -0.5}} { // the last two are beyond the map
		when := int64(59*time.Minute) + int64(30+i)*int64(time.Second)
		samples = append(samples, point.Sample{Index: x, Time: when, Bits: point.FloatBits(at[0])}, point.Sample{Index: x + 1, Time: when, Bits: point.FloatBits(at[1])})
	}
	r.Deliver(log.Batch, r.Frame(point.BatchID{Epoch: point.Epoch{7}, Lane: point.Telemetry}, wire.Batch{Samples: samples}))
	g := draw(t, m, "presence")
	cells := 0
	for _, v := range g.Values {
		if !absent(v) {
			cells++
		}
	}
	if g.Values[seat1] != 1 || g.Values[seat2] != 1 || cells != 2 || g.Max != 1 {
		t.Errorf("seat 1's cell %g, seat 2's %g, %d cells, max %g", g.Values[seat1], g.Values[seat2], cells, g.Max)
	}
	r.Now = r.Now.Add(2 * time.Minute)
	if g := draw(t, m, "presence"); !absent(g.Values[seat1]) {
		t.Errorf("two minutes later seat 1's cell is %g", g.Values[seat1])
	}
}

func TestSquares(t *testing.T) {
	got := heatmap.Squares([]venue.Track{
		{Spots: []venue.Spot{{X: -0.1, Y: 0}, {X: 0, Y: 0}, {X: -0.9, Y: 0.9}}},
		{Spots: []venue.Spot{{X: 0.99, Y: 0.99}}},
	}, 1)
	if len(got) != 2 || got[heatmap.Square{X: -1}] != 1 || got[heatmap.Square{}] != 2 {
		t.Errorf("squares %v", got)
	}
	if got := heatmap.Squares([]venue.Track{{Spots: []venue.Spot{{X: -3, Y: 5}}}}, 2.5); got[heatmap.Square{X: -2, Y: 2}] != 1 {
		t.Errorf("larger squares %v", got)
	}
}
