package metrics_test

import (
	"errors"
	"math"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/courtside-edge/courtside/cloud/enrol"
	"github.com/courtside-edge/courtside/cloud/ingest"
	"github.com/courtside-edge/courtside/cloud/log"
	"github.com/courtside-edge/courtside/cloud/metrics"
	"github.com/courtside-edge/courtside/cloud/venue"
	"github.com/courtside-edge/courtside/cloud/venue/venuetest"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// withTracker is a venue in which a ball is tracked, and where in its table the ball's x is.
func withTracker(t *testing.T) (*venuetest.Rig, uint32) {
	t.Helper()
	table := append(venuetest.Table(), point.Point{Device: "plc-panels", Name: "ball/x", Type: point.Float, Kind: point.Position, Lane: point.Telemetry, Class: point.State},
		point.Point{Device: "plc-panels", Name: "ball/y", Type: point.Float, Kind: point.Position, Lane: point.Telemetry, Class: point.State})
	r := venuetest.NewWith(t, table)
	r.DeliverTable()
	return r, uint32(len(table) - 2)
}

// seen delivers where the ball was, a millisecond apart and until before now.
func seen(r *venuetest.Rig, seq uint64, x uint32, spots [][2]float64, before time.Duration) {
	samples := make([]point.Sample, 0, 2*len(spots))
	for i, s := range spots {
		at := int64(time.Hour-before) - int64(len(spots)-i)*int64(time.Millisecond)
		samples = append(samples, point.Sample{Index: x, Time: at, Bits: point.FloatBits(s[0])}, point.Sample{Index: x + 1, Time: at, Bits: point.FloatBits(s[1])})
	}
	r.Deliver(log.Batch, r.Frame(point.BatchID{Epoch: point.Epoch{7}, Lane: point.Telemetry, Seq: seq}, wire.Batch{Samples: samples}))
}

func scrape(t *testing.T, m *metrics.Metrics, accept string) string {
	t.Helper()
	req := httptest.NewRequest("GET", "/metrics", nil)
	req.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, req)
	if w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func everything(r *venuetest.Rig) *metrics.Metrics {
	m := metrics.New(metrics.Sources{Venues: []*venue.Venue{r.V}, Ingest: func() ingest.Stats { return ingest.Stats{} }, Broker: func() (int, map[string]uint64) { return 0, nil },
		LogSize: func() (uint64, uint64) { return 0, 0 }, Enrol: func() enrol.Stats { return enrol.Stats{} }})
	m.Observe(venue.Applied{Venue: venuetest.Venue, Samples: 1, Newest: r.Now, At: r.Now})
	return m
}

func TestMetricsPassPromlint(t *testing.T) {
	r, x := withTracker(t)
	seen(r, 0, x, [][2]float64{{1, 1}}, 0)
	problems, err := promlint.New(strings.NewReader(scrape(t, everything(r), "text/plain"))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if p.Metric != "heatmap_grid_count" { // the name that dashboards of arenas know
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

// In OpenMetrics, which Prometheus asks for, a counter's family lacks its _total; two families of one name are read as one, or not at all.
func TestOpenMetricsFamiliesDiffer(t *testing.T) {
	r, _ := withTracker(t)
	text := scrape(t, everything(r), "application/openmetrics-text; version=1.0.0")
	have := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)$`).FindAllStringSubmatch(text, -1) {
		if have[m[1]] != "" && !strings.HasPrefix(m[1], "go_") { // those are the library's own
			t.Errorf("%s is a %s and a %s", m[1], have[m[1]], m[2])
		}
		have[m[1]] = m[2]
	}
	if len(have) < 30 || !strings.HasSuffix(text, "# EOF\n") {
		t.Errorf("%d families", len(have))
	}
}

// An alarm on increase() sees the first event only if the series was there before it.
func TestEveryReasonIsThereFromTheStart(t *testing.T) {
	r, _ := withTracker(t)
	text := scrape(t, everything(r), "text/plain")
	constant := regexp.MustCompile(`(?m)^\s*(?:reason\w+\s*=|\w+\s+Reason\s*=)\s*"([a-z-]+)"`)
	call := regexp.MustCompile(`(?:setAside|setBatchAside|shelve|refuse)\([^"\n]*"([a-z-]+)"`)
	label := regexp.MustCompile(`"([a-z-]+)"[,}]`)
	for _, c := range []struct {
		metric string
		find   *regexp.Regexp
		files  []string
		least  int
	}{
		{`courtside_broker_refused_total{reason="%"} 0`, constant, []string{"../broker/refusal.go"}, 20},
		{`courtside_enrol_refused_total{reason="%"} 0`, constant, []string{"../../sync/join/message.go"}, 13},
		{`courtside_frames_set_aside_total{reason="%",venue="dal-001"} 0`, call, []string{"../venue/apply.go", "../venue/bind.go", "../venue/dating.go", "../venue/status.go"}, 12},
		{`courtside_ingest_refused_total{reason="%"} 0`, call, []string{"../ingest/ingest.go", "../ingest/vouch.go"}, 5},
		{`courtside_ingest_refused_total{reason="%"} 0`, label, []string{"../../sync/wire/errors.go"}, 11},
		{`courtside_frames_set_aside_total{reason="%",venue="dal-001"} 0`, label, []string{"../../sync/wire/errors.go"}, 11},
	} {
		found := map[string]bool{}
		for _, f := range c.files {
			source, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range c.find.FindAllStringSubmatch(string(source), -1) {
				found[m[1]] = true
			}
		}
		if len(found) < c.least {
			t.Errorf("%v: only %d reasons were found", c.files, len(found))
		}
		for reason := range found {
			if want := strings.Replace(c.metric, "%", reason, 1); !strings.Contains(text, want) {
				t.Errorf("no %s before the first", want)
			}
		}
	}
}

// A tracker that is out of its mind must not fill Prometheus.
func TestGridIsBounded(t *testing.T) {
	r, x := withTracker(t)
	var spots [][2]float64
	for i := range 10_100 {
		spots = append(spots, [2]float64{float64(i % 101), float64(i / 101)})
	}
	spots = append(spots, [2]float64{math.NaN(), 3}, [2]float64{math.Inf(1), 3}, [2]float64{1e300, -1e300})
	for i := 0; i < len(spots); i += 2000 {
		end := min(i+2000, len(spots))
		seen(r, uint64(i/2000), x, spots[i:end], time.Duration(len(spots)-end)*time.Millisecond)
	}
	text := scrape(t, everything(r), "text/plain")
	if n := strings.Count(text, "heatmap_grid_count{"); n != 10_000 {
		t.Errorf("%d squares are exported, want 10,000", n)
	}
	if !strings.Contains(text, `courtside_grid_squares_left_out{venue="dal-001"}`) || strings.Contains(text, `courtside_grid_squares_left_out{venue="dal-001"} 0`) {
		t.Error("what was left out is not counted")
	}
	if strings.Contains(text, `x="-9223372036854775808"`) || strings.Contains(text, `x="9223372036854775807"`) {
		t.Error("what is no place is exported as one")
	}
}

// Prometheus takes a counter that steps back for one that began anew, and adds all that it had counted once more.
func TestNoCounterStepsBackInAReplay(t *testing.T) {
	r, _ := withTracker(t)
	replaying := errors.New("replaying the log: record 3 of 9")
	m := metrics.New(metrics.Sources{Venues: []*venue.Venue{r.V}, LogSize: func() (uint64, uint64) { return 9, 900 }, Replaying: func() error { return replaying }})
	text := scrape(t, m, "text/plain")
	for _, name := range []string{"courtside_passages_total{", "courtside_seats{", "courtside_gateway_up{"} {
		if strings.Contains(text, name) {
			t.Errorf("%s is exported while the log is replayed", name)
		}
	}
	if !strings.Contains(text, "courtside_log_records 9") {
		t.Error("what is no venue's is not exported")
	}
	replaying = nil
	if text := scrape(t, m, "text/plain"); !strings.Contains(text, "courtside_seats{") {
		t.Error("nothing is exported of the venue after the replay")
	}
}
