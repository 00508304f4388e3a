package gwctltest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

type collectorKey struct{}

// spans is what a collector got.
type spans struct {
	mu  sync.Mutex
	all []span
}

type span struct {
	TraceID, SpanID, ParentSpanID, Name string
	StartTimeUnixNano, EndTimeUnixNano  string
}

// collector starts an OTLP collector at $OTLP.
func collector(ts *testscript.TestScript, _ bool, _ []string) {
	got := ts.Value(collectorKey{}).(*spans)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m struct {
			ResourceSpans []struct{ ScopeSpans []struct{ Spans []span } }
		}
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil || r.URL.Path != "/v1/traces" {
			http.Error(w, "malformed", http.StatusBadRequest)
			return
		}
		got.mu.Lock()
		defer got.mu.Unlock()
		for _, rs := range m.ResourceSpans {
			for _, ss := range rs.ScopeSpans {
				got.all = append(got.all, ss.Spans...)
			}
		}
	}))
	ts.Defer(s.Close)
	ts.Setenv("OTLP", s.URL)
}

// traced waits for a trace that reaches from the gateway's batch through ingest to the venue, each span the parent of the next, and prints its id.
func traced(ts *testscript.TestScript, _ bool, _ []string) {
	got := ts.Value(collectorKey{}).(*spans)
	for began := time.Now(); time.Since(began) < patience; time.Sleep(50 * time.Millisecond) {
		got.mu.Lock()
		for _, v := range got.all {
			for _, in := range got.all {
				for _, b := range got.all {
					if v.Name == "venue" && in.Name == "ingest" && b.Name == "batch" && v.ParentSpanID == in.SpanID && in.ParentSpanID == b.SpanID && b.ParentSpanID == "" &&
						v.TraceID == in.TraceID && in.TraceID == b.TraceID && b.StartTimeUnixNano <= in.EndTimeUnixNano {
						got.mu.Unlock()
						ts.Check(say(ts, b.TraceID+"\n", ""))
						ts.Setenv("TRACE", b.TraceID)
						return
					}
				}
			}
		}
		got.mu.Unlock()
	}
	ts.Fatalf("no trace reaches from the gateway to the venue; these came: %+v", got.all)
}
