package trace_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/courtside-edge/courtside/sync/trace"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestParentsAreReadAsTheStandardSays(t *testing.T) {
	const good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	c, ok := trace.Parse(good)
	if !ok || c.String() != good || !c.Sampled || c.ID() != "4bf92f3577b34da6a3ce929d0e0e4736" {
		t.Fatalf("%s is read as %s, %v", good, c, ok)
	}
	if c, ok := trace.Parse("cc" + good[2:] + "-what-the-future-brings"); !ok || !c.Sampled {
		t.Error("a later version is refused")
	}
	if c, ok := trace.Parse(good[:53] + "00"); !ok || c.Sampled {
		t.Error("not sampled is read as sampled")
	}
	for _, bad := range []string{"", "x", good + "-more", "ff" + good[2:], strings.ToUpper(good), strings.Replace(good, "-", "_", 1),
		"00-00000000000000000000000000000000-00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", good[:20] + "z" + good[21:], good[:54]} {
		if _, ok := trace.Parse(bad); ok {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestAChildStaysInItsTrace(t *testing.T) {
	root := trace.New(true)
	child := root.Child()
	if child.Trace != root.Trace || child.Span == root.Span || !child.Sampled {
		t.Errorf("the child of %s is %s", root, child)
	}
	if c, ok := trace.Parse(root.String()); !ok || c != root {
		t.Errorf("%s is read as %s", root, c)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	f.Add("ff--")
	f.Fuzz(func(t *testing.T, s string) {
		if c, ok := trace.Parse(s); ok {
			if again, ok := trace.Parse(c.String()); !ok || again != c {
				t.Errorf("%q is %s, which is %s", s, c, again)
			}
		}
	})
}

// collector is what an OTLP collector does with JSON, as far as it matters here.
type collector struct {
	*httptest.Server
	mu    sync.Mutex
	spans []map[string]any
	head  map[string]any
	deny  bool
	came  chan struct{}
}

func collect(t *testing.T) *collector {
	c := &collector{came: make(chan struct{}, 100)}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		defer func() { c.came <- struct{}{} }()
		if c.deny {
			http.Error(w, "no", http.StatusServiceUnavailable)
			return
		}
		if r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/json" {
			http.NotFound(w, r)
			return
		}
		var m struct {
			ResourceSpans []struct {
				Resource   map[string]any
				ScopeSpans []struct{ Spans []map[string]any }
			}
		}
		b, err := io.ReadAll(r.Body)
		if err == nil {
			err = json.Unmarshal(b, &m)
		}
		if err != nil || len(m.ResourceSpans) != 1 {
			http.Error(w, "malformed", http.StatusBadRequest)
			return
		}
		c.head = m.ResourceSpans[0].Resource
		c.spans = append(c.spans, m.ResourceSpans[0].ScopeSpans[0].Spans...)
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *collector) wait(t *testing.T) {
	t.Helper()
	select {
	case <-c.came:
	case <-time.After(30 * time.Second):
		t.Fatal("no spans came within 30 s")
	}
}

// run runs an exporter; stop waits for it.
func run(x *trace.Exporter) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { x.Run(ctx) })
	return func() { cancel(); wg.Wait() }
}

func TestSpansArriveAsOTLP(t *testing.T) {
	c := collect(t)
	x := trace.NewExporter(trace.Options{Endpoint: c.URL + "/", Service: "courtside-gateway", Version: "v1", Attributes: []slog.Attr{slog.String("venue", "dal-001")}})
	stop := run(x)
	root := trace.New(true)
	begin := time.Unix(1_800_000_000, 5)
	x.Add(trace.Span{Context: root, Name: "batch", Start: begin, End: begin.Add(time.Millisecond), Attributes: []slog.Attr{slog.Int("samples", 7), slog.Bool("split", true)}})
	x.Add(trace.Span{Context: root.Child(), Parent: root.Span, Name: "venue", Start: begin, End: begin, Err: errors.New("set aside")})
	x.Add(trace.Span{Context: trace.New(false), Name: "not recorded"})
	stop() // the end sends what waits
	c.wait(t)
	if len(c.spans) != 2 {
		t.Fatalf("%d spans came, want 2", len(c.spans))
	}
	one, two := c.spans[0], c.spans[1]
	if one["traceId"] != root.ID() || one["name"] != "batch" || one["startTimeUnixNano"] != "1800000000000000005" || one["parentSpanId"] != nil || one["status"] != nil {
		t.Errorf("the first is %v", one)
	}
	raw, err := json.Marshal(one["attributes"])
	if err != nil || string(raw) != `[{"key":"samples","value":{"intValue":"7"}},{"key":"split","value":{"boolValue":true}}]` {
		t.Errorf("its attributes are %s, %v", raw, err)
	}
	if two["parentSpanId"] != one["spanId"] || two["traceId"] != root.ID() || two["status"] == nil {
		t.Errorf("the second is %v", two)
	}
	if head, err := json.Marshal(c.head); err != nil || !strings.Contains(string(head), "courtside-gateway") || !strings.Contains(string(head), "dal-001") {
		t.Errorf("the resource is %s, %v", head, err)
	}
	if s := x.Stats(); s.Sent != 2 || s.Lost != 0 {
		t.Errorf("%+v", s)
	}
}

func TestACollectorThatIsAwayCostsSpansOnly(t *testing.T) {
	c := collect(t)
	c.deny = true
	var said strings.Builder
	x := trace.NewExporter(trace.Options{Endpoint: c.URL, Log: slog.New(slog.NewTextHandler(&said, nil))})
	for range 5000 { // nobody drains: it must not wait
		x.Add(trace.Span{Context: trace.New(true)})
	}
	stop := run(x)
	stop()
	if s := x.Stats(); s.Sent != 0 || s.Lost != 5000 {
		t.Errorf("%+v, want all lost", s)
	}
	if n := strings.Count(said.String(), "cannot be exported"); n != 1 {
		t.Errorf("it is said %d times:\n%s", n, said.String())
	}
	var off *trace.Exporter
	off.Add(trace.Span{})
	off.Run(context.Background())
	if off != trace.NewExporter(trace.Options{}) || off.Stats() != (trace.Stats{}) {
		t.Error("no endpoint is not off")
	}
}
