package api

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/courtside-edge/courtside/cloud/heatmap"
	"github.com/courtside-edge/courtside/cloud/log"
	"github.com/courtside-edge/courtside/cloud/venue/venuetest"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// everything returns an API with all that it can have, and the offset of a frame that is set aside.
func everything(t *testing.T) (*API, uint64) {
	t.Helper()
	r := venuetest.New(t)
	r.DeliverTable()
	minute := int64(time.Minute)
	r.Deliver(log.Batch, r.Frame(point.BatchID{Epoch: point.Epoch{7}, Lane: point.Telemetry}, wire.Batch{Samples: []point.Sample{{Index: 0, Time: 55 * minute, Bits: 700}, {Index: 6, Time: 55 * minute, Bits: 3}}}))
	r.Deliver(log.Batch, r.Frame(point.BatchID{Epoch: point.Epoch{7}, Lane: point.Critical}, wire.Batch{Samples: []point.Sample{{Index: 3, Time: 58 * minute, Bits: 12}},
		Runs: []point.CounterRun{{Index: 3, Run: 9, Bits: 16, Reason: point.RunFirst, Start: minute}}}))
	r.Deliver(log.Batch, []byte("hello"))
	maps, err := heatmap.New(r.V, 0)
	if err != nil {
		t.Fatal(err)
	}
	aside := r.V.SetAside()
	if len(aside) != 1 {
		t.Fatalf("%d frames are set aside, want 1", len(aside))
	}
	text := func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "text") }
	return New(Options{Houses: []House{{Venue: r.V, Maps: maps}}, Incarnation: "inc", Version: "test", Metrics: http.HandlerFunc(text), Page: http.HandlerFunc(text),
		Import: func(context.Context, io.Reader, time.Duration) (Imported, error) {
			return Imported{Venue: "dal-001"}, nil
		}}), aside[0].Offset
}

func answer(h http.Handler, method, path string, header ...string) *httptest.ResponseRecorder {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if strings.HasSuffix(path, "/stream") {
		cancel() // so that it ends when it has begun
	}
	req := httptest.NewRequest(method, path, nil).WithContext(ctx)
	req.RemoteAddr = "127.0.0.1:5"
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	return w
}

// Every operation of the document is asked, rightly and for a venue that is not there; status, content type and body have to be those that the
// document names.
func TestDocumentIsTrue(t *testing.T) {
	a, offset := everything(t)
	doc := a.huma.OpenAPI()
	if len(doc.Paths) < 18 {
		t.Errorf("the document has %d paths only", len(doc.Paths))
	}
	fill := func(path, venue string) string {
		return strings.NewReplacer("{venue}", venue, "{layer}", "flow", "{offset}", strconv.FormatUint(offset, 10)).Replace(path)
	}
	for path, item := range doc.Paths {
		for method, op := range map[string]*huma.Operation{http.MethodGet: item.Get, http.MethodPost: item.Post} {
			if op == nil {
				continue
			}
			checkAnswer(t, a, op, answer(a, method, fill(path, "dal-001")), http.StatusOK)
			if strings.Contains(path, "{venue}") {
				checkAnswer(t, a, op, answer(a, method, fill(path, "nowhere")), http.StatusNotFound)
			}
		}
	}
}

func checkAnswer(t *testing.T, a *API, op *huma.Operation, w *httptest.ResponseRecorder, want int) {
	t.Helper()
	said := op.Responses[strconv.Itoa(want)]
	if w.Code != want || said == nil {
		t.Errorf("%s: %d, want %d, described: %t: %.200s", op.OperationID, w.Code, want, said != nil, w.Body)
		return
	}
	kind, _, _ := strings.Cut(w.Header().Get("Content-Type"), ";")
	media := said.Content[kind]
	if media == nil {
		t.Errorf("%s answers %d with %s, which is not described", op.OperationID, want, kind)
		return
	}
	if !strings.HasSuffix(kind, "json") || media.Schema == nil {
		return
	}
	var v any
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		t.Errorf("%s: %v", op.OperationID, err)
		return
	}
	res := &huma.ValidateResult{}
	huma.Validate(a.huma.OpenAPI().Components.Schemas, media.Schema, huma.NewPathBuffer(nil, 0), huma.ModeReadFromServer, v, res)
	for _, err := range res.Errors[:min(3, len(res.Errors))] {
		t.Errorf("%s answers %d with what its schema refuses: %v", op.OperationID, want, err)
	}
}

// What is registered and what is described is the same, both ways.
func TestDocumentIsWhole(t *testing.T) {
	a, _ := everything(t)
	for _, p := range []string{"/v1/openapi.json", "/openapi.json", "/openapi.yaml"} {
		w := answer(a, http.MethodGet, p)
		if w.Code != 200 || !strings.Contains(w.Header().Get("Content-Type"), "openapi") || !strings.Contains(w.Body.String(), "/v1/venues/{venue}/stream") {
			t.Errorf("GET %s: %d %.100s", p, w.Code, w.Body)
		}
	}
	if w := answer(a, http.MethodGet, "/openapi-3.0.json"); w.Code != 200 || regexp.MustCompile(`"(const|examples)":`).MatchString(w.Body.String()) {
		t.Errorf("GET /openapi-3.0.json: %d, or it has words that OpenAPI 3.0 lacks", w.Code)
	}
	ops := map[string]bool{}
	for path, item := range a.huma.OpenAPI().Paths {
		for method, op := range map[string]*huma.Operation{http.MethodGet: item.Get, http.MethodPost: item.Post} {
			if op == nil {
				continue
			}
			ops[path] = true
			if op.Summary == "" || op.OperationID == "" || len(op.Tags) == 0 {
				t.Errorf("%s %s lacks an id, a summary or a tag", method, path)
			}
			for _, p := range op.Parameters {
				if p.Description == "" {
					t.Errorf("%s: parameter %s is not described", op.OperationID, p.Name)
				}
			}
		}
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `(/[^ ]*)`").FindAllStringSubmatch(section(t, "## Reading the venue"), -1) {
		path := "/v1/venues/{venue}" + strings.Replace(strings.SplitN(m[1], "?", 2)[0], "{occupancy,pressure,flow,presence}", "{layer}", 1)
		if path = strings.TrimRight(path, "`,"); !ops[path] {
			t.Errorf("the manual names %s, which the document does not have", path)
		}
	}
	source, err := os.ReadFile("api.go")
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(source), "a.mux.Handle"); n != 1 {
		t.Errorf("api.go registers %d handlers by itself, want the page alone: describe() puts the others into the document", n)
	}
}

func section(t *testing.T, title string) string {
	t.Helper()
	manual, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(manual), title)
	if !ok {
		t.Fatalf("the manual has no %s", title)
	}
	text, _, _ := strings.Cut(rest, "\n## ")
	return text
}

// A program that asks wrongly is told what is wrong and what would be right, always in the same form.
func TestWrongQuestionsAreAnsweredWithTheFix(t *testing.T) {
	a, _ := everything(t)
	v := "/v1/venues/dal-001"
	for _, c := range []struct {
		method, path string
		status       int
		says         string
	}{
		{"GET", "/v1", 404, "/v1/openapi.json"},
		{"GET", "/v1/venue", 404, "there is nothing at /v1/venue"},
		{"GET", "/v1/venues/", 404, "leave out the slash at the end: /v1/venues"},
		{"GET", v + "/occupancy/", 404, "/occupancy"},
		{"GET", "/v1/venues/DAL-001", 404, `there is no venue \"DAL-001\" here; /v1/venues lists them`},
		{"GET", "/v1/venues/dal-001%20/map", 404, "dal-001"},
		{"GET", "/v1/venues/" + strings.Repeat("x", 5000), 404, "no venue"},
		{"POST", v + "/occupancy", 405, "POST is not answered at /v1/venues/dal-001/occupancy; use GET"},
		{"DELETE", v + "/map", 405, "use GET"},
		{"GET", "/v1/import", 405, "use POST"},
		{"PUT", "/healthz", 405, "use GET"},
		{"GET", v + "/heatmaps/mood", 404, "occupancy pressure flow presence"},
		{"GET", v + "/heatmaps/flow?format=gif", 422, "query.format: expected value to be one of"},
		{"GET", v + "/heatmaps/flow?format=png&scale=0", 422, "query.scale: expected number >= 1"},
		{"GET", v + "/occupancy?section=101", 422, "query.section: is no parameter here; get-occupancy takes no parameters"},
		{"GET", v + "/occupancy/history?form=2026-11-23T17:00:00Z", 422, "query.form: is no parameter here; get-occupancy-history takes from, to"},
		{"GET", v + "/occupancy/history?from=yesterday", 422, "query.from: invalid value: write RFC 3339 with a zone, as 2026-11-23T17:00:00Z"},
		{"GET", v + "/occupancy/history?from=2026-11-23T17:00:00+01:00", 422, "a + in a query is written %2B"},
		{"GET", v + "/occupancy/history?from=1700000000", 422, "write RFC 3339"},
		{"GET", v + "/occupancy/history?from=2026-11-23T17:00:00Z&to=2026-11-23T16:00:00Z", 422, "query.to: does not lie after from, 2026-11-23T17:00:00Z"},
		{"GET", v + "/occupancy/history?from=2026-11-23T17:00:00Z&from=2026-11-23T16:00:00Z", 422, "query.from: is given more than once"},
		{"GET", v + "/occupancy/history?from=%zz", 422, "query: cannot be read"},
		{"GET", v + "/points?limit=-1", 422, "query.limit: expected number >= 1"},
		{"GET", v + "/points?limit=99999999999999999999", 422, "query.limit: invalid integer"},
		{"GET", v + "/points?offset=-1", 422, "query.offset"},
		{"GET", v + "/points?kind=chair", 422, "query.kind: expected value to be one of"},
		{"GET", v + "/frames/-1", 422, "path.offset"},
		{"GET", v + "/frames/99", 404, "offset 99"},
	} {
		w := answer(a, c.method, c.path)
		var p huma.ErrorModel
		err := json.Unmarshal(w.Body.Bytes(), &p)
		if w.Code != c.status || err != nil || p.Status != c.status || p.Title == "" || !strings.Contains(w.Body.String(), c.says) || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %.80s: %d %s %v\n%.300s\nwant %d and %s", c.method, c.path, w.Code, w.Header().Get("Content-Type"), err, w.Body, c.status, c.says)
		}
		if len(w.Body.Bytes()) > 1000 {
			t.Errorf("%s %.80s: an error of %d bytes", c.method, c.path, w.Body.Len())
		}
		if c.status == 405 && !strings.Contains(w.Header().Get("Allow"), "OPTIONS") {
			t.Errorf("%s %s: Allow is %q", c.method, c.path, w.Header().Get("Allow"))
		}
	}
}

func TestOptionsAndHead(t *testing.T) {
	a, _ := everything(t)
	if w := answer(a, http.MethodOptions, "/v1/venues/dal-001/frames/1/reprocess"); w.Code != 204 || w.Header().Get("Allow") != "POST, OPTIONS" {
		t.Errorf("%d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
	if w := answer(a, http.MethodOptions, "/v1/venues"); w.Code != 204 || w.Header().Get("Allow") != "GET, HEAD, OPTIONS" {
		t.Errorf("%d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
	// A stream never ends; whoever asks for its head alone gets that, and the connection back.
	done := make(chan *httptest.ResponseRecorder, 1)
	go func() {
		w := httptest.NewRecorder()
		a.ServeHTTP(w, httptest.NewRequest(http.MethodHead, "/v1/venues/dal-001/stream", nil))
		done <- w
	}()
	select {
	case w := <-done:
		if w.Code != 200 || w.Header().Get("Content-Type") != "text/event-stream" {
			t.Errorf("%d %v", w.Code, w.Header())
		}
	case <-time.After(30 * time.Second):
		t.Fatal("HEAD of the stream has not been answered")
	}
}

func TestDocumentHasNoSchemaTwice(t *testing.T) {
	a, _ := everything(t)
	var names []string
	for _, item := range a.huma.OpenAPI().Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post} {
			if op != nil {
				names = append(names, op.OperationID)
			}
		}
	}
	slices.Sort(names)
	if n := len(names); n != len(slices.Compact(names)) {
		t.Error("an operation's id is used twice")
	}
}
