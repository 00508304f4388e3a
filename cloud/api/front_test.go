package api_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/cloud/api"
	"github.com/courtside-edge/courtside/cloud/log"
	"github.com/courtside-edge/courtside/cloud/venue/venuetest"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// plain asks without the transport's own compression.
func plain(t *testing.T, method, url string, header ...string) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	tr := &http.Transport{DisableCompression: true}
	defer tr.CloseIdleConnections()
	resp, err := (&http.Client{Transport: tr}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, b
}

func TestLargeAnswersAreCompressedForWhoTakesThat(t *testing.T) {
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/css")
		w.Header().Set("Content-Length", "9000")
		fmt.Fprint(w, strings.Repeat("x", 9000))
	})
	_, s := server(t, func(o *api.Options) { o.Page = page })
	for _, c := range []struct {
		path, takes string
		want        bool
	}{
		{"/", "gzip", true}, {"/", "br, gzip;q=0.5", true}, {"/", "*", true}, {"/", "", false}, {"/", "gzip;q=0, *", false}, {"/", "br", false},
		{"/v1/openapi.json", "gzip", true}, {"/v1/venues", "gzip", false}, {"/v1/venues/dal-001/heatmaps/flow/png", "gzip", false},
	} {
		resp, b := plain(t, http.MethodGet, s.URL+c.path, "Accept-Encoding", c.takes)
		if got := resp.Header.Get("Content-Encoding") == "gzip"; got != c.want || resp.StatusCode != 200 {
			t.Errorf("GET %s by who takes %q: compressed %t, status %d", c.path, c.takes, got, resp.StatusCode)
			continue
		}
		if !strings.HasSuffix(c.path, "png") && resp.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("GET %s: Vary is %q", c.path, resp.Header.Get("Vary"))
		}
		if !c.want {
			continue
		}
		_, want := plain(t, http.MethodGet, s.URL+c.path)
		z, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(z); err != nil || !bytes.Equal(got, want) {
			t.Errorf("GET %s: what is unpacked is not what was meant: %v", c.path, err)
		}
	}
}

func TestMapAndDocumentAreKept(t *testing.T) {
	_, s := server(t, nil)
	for _, path := range []string{"/v1/venues/dal-001/map", "/v1/openapi.json"} {
		resp, b := plain(t, http.MethodGet, s.URL+path)
		tag := resp.Header.Get("ETag")
		if tag == "" || resp.Header.Get("Cache-Control") != "no-cache" || !json.Valid(b) {
			t.Fatalf("GET %s: %v", path, resp.Header)
		}
		if resp, b := plain(t, http.MethodGet, s.URL+path, "If-None-Match", tag); resp.StatusCode != http.StatusNotModified || len(b) != 0 {
			t.Errorf("GET %s with its own tag: %d, %d bytes", path, resp.StatusCode, len(b))
		}
		if resp, b := plain(t, http.MethodHead, s.URL+path); resp.StatusCode != 200 || len(b) != 0 || resp.Header.Get("ETag") != tag {
			t.Errorf("HEAD %s: %d %v", path, resp.StatusCode, resp.Header)
		}
	}
}

func TestPointsComeInPages(t *testing.T) {
	_, s := server(t, nil)
	var names []string
	for offset := 0; ; offset += 2 {
		var a api.PointsAnswer
		status, _, b := fetch(t, fmt.Sprintf("%s/v1/venues/dal-001/points?limit=2&offset=%d", s.URL, offset))
		if err := json.Unmarshal(b, &a); err != nil || status != 200 || len(a.Points) > 2 {
			t.Fatalf("%d %v %d points", status, err, len(a.Points))
		}
		for _, p := range a.Points {
			names = append(names, p.Point)
		}
		if !a.More {
			break
		}
	}
	var all api.PointsAnswer
	_, _, b := fetch(t, s.URL+"/v1/venues/dal-001/points")
	if err := json.Unmarshal(b, &all); err != nil || all.More || len(all.Points) < 3 || len(names) != len(all.Points) {
		t.Fatalf("%v: pages have %d points, all at once %d, more %t", err, len(names), len(all.Points), all.More)
	}
	for i, p := range all.Points {
		if names[i] != p.Point {
			t.Errorf("point %d is %s by pages and %s at once", i, names[i], p.Point)
		}
	}
}

func TestHistoryKeepsToItsEnds(t *testing.T) {
	r, s := server(t, nil)
	ask := func(query string) (a api.HistoryAnswer) {
		status, _, b := fetch(t, s.URL+"/v1/venues/dal-001/occupancy/history?"+query)
		if err := json.Unmarshal(b, &a); err != nil || status != 200 {
			t.Fatalf("%s: %d %v %s", query, status, err, b)
		}
		return a
	}
	at := func(back time.Duration) string {
		return r.Now.Add(-back).Truncate(time.Minute).UTC().Format(time.RFC3339)
	}
	a := ask("from=" + at(10*time.Minute) + "&to=" + at(5*time.Minute))
	if n := len(a.History); n != 5 || a.Cut || a.History[4].At.Format(time.RFC3339) != at(5*time.Minute) {
		t.Errorf("five minutes have %d buckets, cut %t: %v", n, a.Cut, a.History)
	}
	if a := ask("to=" + at(5*time.Minute)); len(a.History) != 120 || a.History[119].At.Format(time.RFC3339) != at(5*time.Minute) {
		t.Errorf("to alone gives %d buckets", len(a.History))
	}
	if a := ask("from=0001-01-01T00:00:00Z"); len(a.History) != 1500 || !a.Cut {
		t.Errorf("from the beginning of time: %d buckets, cut %t; what is missing has to be said", len(a.History), a.Cut)
	}
	if a := ask("from=2200-01-01T00:00:00Z"); len(a.History) != 0 || a.Cut {
		t.Errorf("from a time to come: %d buckets", len(a.History))
	}
}

// stuck is a connection whose reader does not read: every write fails at its deadline.
type stuck struct {
	*httptest.ResponseRecorder
	until []time.Time
}

func (s *stuck) SetWriteDeadline(t time.Time) error { s.until = append(s.until, t); return nil }
func (s *stuck) Write([]byte) (int, error)          { return 0, os.ErrDeadlineExceeded }

func TestReaderThatDoesNotReadIsCutOff(t *testing.T) {
	r := venuetest.New(t)
	h := api.New(api.Options{Houses: []api.House{{Venue: r.V}}})
	for _, path := range []string{"/v1/venues/dal-001/stream", "/v1/venues/dal-001/seats"} {
		w := &stuck{ResponseRecorder: httptest.NewRecorder()}
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer func() { _ = recover() }() // huma leaves a connection that cannot be written to by a panic, as net/http wants it
			h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		}()
		select {
		case <-done:
		case <-time.After(time.Minute):
			t.Fatalf("GET %s holds on to a reader that does not read", path)
		}
		if len(w.until) == 0 || w.until[len(w.until)-1].IsZero() || time.Until(w.until[len(w.until)-1]) > 2*time.Minute {
			t.Errorf("GET %s has no deadline for its reader: %v", path, w.until)
		}
	}
}

// Readers that come one after another, each with another history, end with the same seats.
func TestReadersShareOneViewAndEachIsTold(t *testing.T) {
	r, s := server(t, func(o *api.Options) { o.Pace = 40 * time.Millisecond })
	const readers = 8
	var streams []<-chan [2]string
	for range readers {
		streams = append(streams, events(t, s.URL+"/v1/venues/dal-001/stream"))
	}
	for i, ev := range streams {
		if e := <-ev; e[0] != "seats" || e[1] != `{"states":"210"}` {
			t.Fatalf("reader %d begins with %v", i, e)
		}
	}
	r.Deliver(log.Batch, r.Frame(point.BatchID{Epoch: point.Epoch{7}, Lane: point.Telemetry, Seq: 1}, wire.Batch{Samples: []point.Sample{{Index: 2, Time: int64(56 * time.Minute), Bits: 1}}}))
	for i, ev := range streams {
		limit := time.After(time.Minute)
		for told := false; !told; {
			select {
			case e := <-ev:
				told = e[0] == "seat-changes" && e[1] == `{"occupied":[2]}`
			case <-limit:
				t.Fatalf("reader %d was not told that a seat was taken", i)
			}
		}
	}
}
