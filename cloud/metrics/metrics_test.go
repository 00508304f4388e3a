package metrics_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/cloud/ingest"
	"github.com/courtside-edge/courtside/cloud/log"
	"github.com/courtside-edge/courtside/cloud/metrics"
	"github.com/courtside-edge/courtside/cloud/venue"
	"github.com/courtside-edge/courtside/cloud/venue/venuetest"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

func TestScrape(t *testing.T) {
	r := venuetest.New(t)
	r.DeliverTable()
	r.Deliver(log.Batch, r.Frame(point.BatchID{Epoch: point.Epoch{7}, Lane: point.Critical}, wire.Batch{Samples: []point.Sample{{Index: 3, Time: int64(59 * time.Minute), Bits: 12}},
		Runs: []point.CounterRun{{Index: 3, Run: 9, Bits: 16, Reason: point.RunFirst, Start: 1}}}))
	r.Deliver(log.Batch, []byte("hello"))
	m := metrics.New(metrics.Sources{Venues: []*venue.Venue{r.V},
		Ingest:  func() ingest.Stats { return ingest.Stats{Appended: 7, Refused: map[string]uint64{"checksum": 2}} },
		Broker:  func() (int, map[string]uint64) { return 3, map[string]uint64{"tls": 1} },
		LogSize: func() (uint64, uint64) { return 9, 900 }})
	m.Observe(venue.Applied{Venue: venuetest.Venue, Samples: 5, Newest: r.Now.Add(-3 * time.Millisecond), At: r.Now})
	m.Observe(venue.Applied{Venue: venuetest.Venue, Samples: 0, At: r.Now}) // a batch of gaps alone has no latency
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, want := range []string{
		`arena_metrics_event_rate_total{arena="dal-001"} 5`,
		`heatmap_update_latency_seconds_bucket{arena="dal-001",le="0.002"} 0`,
		`heatmap_update_latency_seconds_bucket{arena="dal-001",le="0.004"} 1`,
		`heatmap_update_latency_seconds_count{arena="dal-001"} 1`,
		`courtside_passages_total{direction="in",gate="gate-01",venue="dal-001"} 12`,
		`courtside_seats{state="unknown",venue="dal-001"} 3`,
		`courtside_gateway_up{gateway="gw-north",venue="dal-001"} 0`,
		`courtside_frames_set_aside_total{reason="`,
		`courtside_ingest_records_total 7`, `courtside_ingest_refused_total{reason="checksum"} 2`,
		`courtside_broker_clients 3`, `courtside_broker_refused_total{reason="tls"} 1`, `courtside_log_records 9`,
	} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("no %s in\n%.3000s", want, w.Body.String())
		}
	}
}

func TestGridCountHoldsTouchedSquaresOnly(t *testing.T) {
	table := append(venuetest.Table(), point.Point{Device: "plc-panels", Name: "ball/x", Type: point.Float, Kind: point.Position, Lane: point.Telemetry, Class: point.State},
		point.Point{Device: "plc-panels", Name: "ball/y", Type: point.Float, Kind: point.Position, Lane: point.Telemetry, Class: point.State})
	r := venuetest.NewWith(t, table)
	m := metrics.New(metrics.Sources{Venues: []*venue.Venue{r.V}})
	scrape := func() string {
		w := httptest.NewRecorder()
		m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		return w.Body.String()
	}
	if text := scrape(); strings.Contains(text, "heatmap_grid_count{") {
		t.Error("squares are counted before anybody was seen")
	}
	r.DeliverTable()
	x, at := uint32(len(table)-2), int64(59*time.Minute+50*time.Second)
	r.Deliver(log.Batch, r.Frame(point.BatchID{Epoch: point.Epoch{7}, Lane: point.Telemetry}, wire.Batch{Samples: []point.Sample{
		{Index: x, Time: at, Bits: point.FloatBits(-0.5)}, {Index: x + 1, Time: at, Bits: point.FloatBits(7.25)}}}))
	text := scrape()
	if !strings.Contains(text, `heatmap_grid_count{arena="dal-001",x="-1",y="7"} 1`) || strings.Count(text, "heatmap_grid_count{") != 1 {
		t.Errorf("want one square:\n%s", text[max(0, strings.Index(text, "heatmap_grid")):])
	}
}
