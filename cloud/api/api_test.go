package api_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"image/png"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/cloud/api"
	"github.com/courtside-edge/courtside/cloud/heatmap"
	"github.com/courtside-edge/courtside/cloud/log"
	"github.com/courtside-edge/courtside/cloud/venue/venuetest"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// server serves a small arena in which seat 1 is occupied, seat 2 free, seat 3 unknown, and 12 people came in.
func server(t *testing.T, change func(*api.Options)) (*venuetest.Rig, *httptest.Server) {
	t.Helper()
	r := venuetest.New(t)
	r.DeliverTable()
	minute := int64(time.Minute)
	r.Deliver(log.Batch, r.Frame(point.BatchID{Epoch: point.Epoch{7}, Lane: point.Telemetry}, wire.Batch{Samples: []point.Sample{
		{Index: 0, Time: 55 * minute, Bits: 700}, {Index: 1, Time: 55 * minute, Bits: 20}, {Index: 6, Time: 55 * minute, Bits: 3}}}))
	r.Deliver(log.Batch, r.Frame(point.BatchID{Epoch: point.Epoch{7}, Lane: point.Critical}, wire.Batch{Samples: []point.Sample{{Index: 3, Time: 58 * minute, Bits: 12}},
		Runs: []point.CounterRun{{Index: 3, Run: 9, Bits: 16, Reason: point.RunFirst, Start: minute}}}))
	maps, err := heatmap.New(r.V, 0)
	if err != nil {
		t.Fatal(err)
	}
	o := api.Options{Houses: []api.House{{Venue: r.V, Maps: maps}}, Incarnation: "inc", Version: "test", Pace: time.Millisecond}
	if change != nil {
		change(&o)
	}
	s := httptest.NewServer(api.New(o))
	t.Cleanup(s.Close)
	return r, s
}

func fetch(t *testing.T, url string, header ...string) (int, http.Header, []byte) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, body
}

func TestAnswers(t *testing.T) {
	_, s := server(t, nil)
	for _, c := range []struct{ path, want string }{
		{"/v1/venues", `{"incarnation":"inc","version":"test","venues":[{"venue":"dal-001","seats":3,"gateways":1,"layers":["occupancy","pressure","flow","presence"]}]}`},
		{"/v1/venues/dal-001", `"occupied":1,"free":1,"unknown":1`},
		{"/v1/venues/dal-001", `"in":12,"out":0,"inside":12`},
		{"/v1/venues/dal-001/occupancy", `"sections":[{"section":"101","seats":3,"occupied":1,"free":1,"unknown":1}]`},
		{"/v1/venues/dal-001/occupancy", `"clock":"ntp"`},
		{"/v1/venues/dal-001/occupancy/history?from=2023-11-14T22:13:00Z", `"occupied":1`},
		{"/v1/venues/dal-001/seats", `{"place":"101/a/1","section":"101","state":"occupied","pressure":70,`},
		{"/v1/venues/dal-001/seats", `{"place":"101/a/3","section":"101","state":"unknown","pressure":null}`},
		{"/v1/venues/dal-001/gates", `"gate":"gate-01","name":"Gate 1","in":12,"out":0`},
		{"/v1/venues/dal-001/panels", `"panel":"panel-n","name":"North"`},
		{"/v1/venues/dal-001/points?kind=panel", `"value":3,"quality":"good"`},
		{"/v1/venues/dal-001/gaps", `"gaps":[]`},
		{"/v1/venues/dal-001/frames", `"frames":[]`},
		{"/v1/venues/dal-001/heatmaps/occupancy", `"layer":"occupancy","unit":"1","cell_m":1,"x0_m":-6,"y0_m":0,"width":10,"height":9,"max":1`},
		{"/v1/venues/dal-001/heatmaps/occupancy", `null,1,0,null`}, // seat 1, seat 2, and the seat of which nothing is known
		{"/v1/venues/dal-001/heatmaps/flow", `"unit":"1/min"`},
		{"/v1/venues/dal-001/map", `"crs":"local-metres"`},
		{"/v1/gateways", `"gateway":"gw-north","state":"unknown"`},
		{"/healthz", "ok"},
		{"/readyz", "ready"},
	} {
		status, _, body := fetch(t, s.URL+c.path)
		if status != http.StatusOK || !strings.Contains(string(body), c.want) {
			t.Errorf("GET %s: %d, no %s in\n%.600s", c.path, status, c.want, body)
		}
	}
}

func TestUnknownThingsAreProblems(t *testing.T) {
	_, s := server(t, nil)
	for path, want := range map[string]int{
		"/v1/venues/nowhere": 404, "/v1/venues/nowhere/stream": 404, "/v1/venues/nowhere/map": 404, "/v1/venues/dal-001/heatmaps/mood": 404,
		"/v1/venues/dal-001/heatmaps/occupancy/png?scale=99": 422, "/v1/venues/dal-001/points?kind=chair": 422, "/v1/venues/dal-001/points?limit=0": 422,
		"/v1/venues/dal-001/occupancy/history?from=yesterday": 422,
	} {
		status, header, body := fetch(t, s.URL+path)
		if status != want {
			t.Errorf("GET %s: %d, want %d: %s", path, status, want, body)
		}
		if !strings.HasSuffix(path, "/map") && !strings.Contains(header.Get("Content-Type"), "problem+json") {
			t.Errorf("GET %s: content type %q", path, header.Get("Content-Type"))
		}
	}
}

func TestReadinessSaysWhy(t *testing.T) {
	_, s := server(t, func(o *api.Options) { o.Ready = func() error { return errors.New("replaying the log") } })
	if status, _, body := fetch(t, s.URL+"/readyz"); status != 503 || !strings.Contains(string(body), "replaying the log") {
		t.Errorf("%d %s", status, body)
	}
}

func TestHeatmapPicture(t *testing.T) {
	_, s := server(t, nil)
	for _, ask := range []func() (int, http.Header, []byte){
		func() (int, http.Header, []byte) {
			return fetch(t, s.URL+"/v1/venues/dal-001/heatmaps/occupancy?format=png")
		},
		func() (int, http.Header, []byte) {
			return fetch(t, s.URL+"/v1/venues/dal-001/heatmaps/occupancy", "Accept", "image/png")
		},
	} {
		status, header, body := ask()
		if status != 200 || header.Get("Content-Type") != "image/png" {
			t.Fatalf("%d %s: %.200s", status, header.Get("Content-Type"), body)
		}
		img, err := png.Decode(bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if b := img.Bounds(); b.Dx() != 60 || b.Dy() != 54 {
			t.Errorf("picture of %v, want 10 × 9 cells of 6 pixels", b)
		}
		// Seat 1 is in column 7, row 4 from below; seat 3 beside it is unknown and must be transparent.
		if _, _, _, a := img.At(7*6+2, (9-1-4)*6+2).RGBA(); a == 0 {
			t.Error("an occupied seat's cell is transparent")
		}
		if _, _, _, a := img.At(9*6+2, (9-1-4)*6+2).RGBA(); a != 0 {
			t.Error("an unknown seat's cell is drawn")
		}
	}
}

func TestOpenAPIIsComplete(t *testing.T) {
	_, s := server(t, nil)
	_, _, raw := fetch(t, s.URL+"/openapi.json")
	var doc struct {
		OpenAPI string
		Paths   map[string]any
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(doc.OpenAPI, "3.1") {
		t.Errorf("version %q", doc.OpenAPI)
	}
	for _, p := range []string{"/v1/venues", "/v1/venues/{venue}", "/v1/venues/{venue}/occupancy", "/v1/venues/{venue}/gates", "/v1/venues/{venue}/panels",
		"/v1/venues/{venue}/heatmaps/{layer}", "/v1/venues/{venue}/stream", "/v1/gateways"} {
		if doc.Paths[p] == nil {
			t.Errorf("%s is missing", p)
		}
	}
}

// events reads a stream's events into a channel until the test ends.
func events(t *testing.T, url string) <-chan [2]string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	out := make(chan [2]string, 100)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(out)
		lines := bufio.NewScanner(resp.Body)
		lines.Buffer(nil, 1<<20)
		name := ""
		for lines.Scan() {
			if v, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
				name = v
			} else if v, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				select {
				case out <- [2]string{name, v}:
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	t.Cleanup(func() { cancel(); resp.Body.Close(); <-done })
	return out
}

func TestStreamBeginsWholeThenTellsChanges(t *testing.T) {
	r, s := server(t, nil)
	ev := events(t, s.URL+"/v1/venues/dal-001/stream")
	if e := <-ev; e[0] != "seats" || e[1] != `{"states":"210"}` {
		t.Fatalf("first event %v", e)
	}
	for _, want := range []string{"summary", "gates", "panels"} {
		if e := <-ev; e[0] != want || !strings.Contains(e[1], `"as_of"`) {
			t.Fatalf("event %v, want %s", e, want)
		}
	}
	r.Deliver(log.Batch, r.Frame(point.BatchID{Epoch: point.Epoch{7}, Lane: point.Telemetry, Seq: 1}, wire.Batch{Samples: []point.Sample{
		{Index: 0, Time: int64(56 * time.Minute), Bits: 10}, {Index: 2, Time: int64(56 * time.Minute), Bits: 1}}}))
	for e := range ev {
		if e[0] == "seat-changes" {
			if e[1] != `{"free":[0],"occupied":[2]}` {
				t.Errorf("changes %s", e[1])
			}
			return
		}
	}
	t.Error("no changes came")
}

func TestStreamsAreLimitedAndEndAtClose(t *testing.T) {
	closing := make(chan struct{})
	_, s := server(t, func(o *api.Options) { o.MaxStreams, o.Closing = 1, closing })
	ev := events(t, s.URL+"/v1/venues/dal-001/stream")
	<-ev
	if status, _, _ := fetch(t, s.URL+"/v1/venues/dal-001/stream"); status != http.StatusServiceUnavailable {
		t.Errorf("a second stream got %d", status)
	}
	close(closing)
	for range ev {
	}
}

// recorder is a publisher that remembers.
type recorder struct {
	mu   sync.Mutex
	sent map[string][]byte
	all  chan struct{}
}

func (r *recorder) Publish(topic string, payload []byte, qos byte, retained bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if qos != 0 || !retained {
		return errors.New("state topics are QoS 0 and retained")
	}
	r.sent[topic] = payload
	if len(r.sent) == 6 {
		select {
		case <-r.all:
		default:
			close(r.all)
		}
	}
	return nil
}

func TestStateTopics(t *testing.T) {
	r := venuetest.New(t)
	r.DeliverTable()
	maps, err := heatmap.New(r.V, 0)
	if err != nil {
		t.Fatal(err)
	}
	rec := &recorder{sent: map[string][]byte{}, all: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		api.PublishState(ctx, api.House{Venue: r.V, Maps: maps}, rec, slog.New(slog.DiscardHandler))
	}()
	<-rec.all
	cancel()
	<-done
	for _, what := range []string{"occupancy", "gates", "panels", "heatmap/occupancy", "heatmap/pressure", "heatmap/flow"} {
		payload := rec.sent["courtside/1/dal-001/state/"+what]
		if !json.Valid(payload) || !bytes.Contains(payload, []byte(`"as_of"`)) {
			t.Errorf("state/%s: %.100s", what, payload)
		}
	}
}
