package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/cloud/api"
	"github.com/courtside-edge/courtside/cloud/log"
	"github.com/courtside-edge/courtside/cloud/venue/venuetest"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// aside serves a venue in which a batch is set aside, because its device is not granted.
func aside(t *testing.T) (http.Handler, uint64) {
	t.Helper()
	r := venuetest.New(t)
	r.V = r.NewVenue(venuetest.Map(t), []point.ID{"plc-gates"})
	r.DeliverTable()
	r.Deliver(log.Batch, r.Frame(point.BatchID{Epoch: point.Epoch{7}, Lane: point.Telemetry}, wire.Batch{Samples: []point.Sample{{Index: 2, Time: int64(55 * time.Minute), Bits: 1}}}))
	if n := len(r.V.SetAside()); n != 1 {
		t.Fatalf("%d frames are set aside, want 1", n)
	}
	offset := r.V.SetAside()[0].Offset
	return api.New(api.Options{Houses: []api.House{{Venue: r.V}}}), offset
}

func ask(h http.Handler, method, path, from string, header ...string) (int, string) {
	req := httptest.NewRequest(method, path, nil)
	req.RemoteAddr = from
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	return w.Code, w.Body.String()
}

func TestFrameIsShown(t *testing.T) {
	h, offset := aside(t)
	status, body := ask(h, "GET", fmt.Sprintf("/v1/venues/dal-001/frames/%d", offset), "192.0.2.1:5")
	for _, want := range []string{`"reason":"device-not-granted"`, `"lane":"telemetry"`, `"point":"plc-seats/seat/101/a/3"`, `"value":true`, "51 2a 4d 18"} {
		if status != 200 || !strings.Contains(body, want) {
			t.Errorf("%d, no %s in %s", status, want, body)
		}
	}
	if status, _ := ask(h, "GET", "/v1/venues/dal-001/frames/99", "192.0.2.1:5"); status != 404 {
		t.Errorf("an offset without a frame: %d", status)
	}
	if status, _ := ask(h, "GET", "/v1/venues/dal-001/frames/x", "192.0.2.1:5"); status != 422 {
		t.Errorf("an offset that is none: %d", status)
	}
}

func TestReprocessIsForThisMachineOnly(t *testing.T) {
	h, offset := aside(t)
	path := fmt.Sprintf("/v1/venues/dal-001/frames/%d/reprocess", offset)
	for _, c := range []struct {
		from   string
		header []string
		want   int
	}{
		{"192.0.2.1:5", nil, 403}, {"[2001:db8::1]:5", nil, 403}, {"127.0.0.1:5", []string{"X-Forwarded-For", "192.0.2.1"}, 403},
		{"127.0.0.1:5", []string{"Origin", "https://example.test"}, 403}, {"127.0.0.1:5", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"127.0.0.1:5", nil, 200}, {"[::1]:5", nil, 200},
	} {
		if status, body := ask(h, "POST", path, c.from, c.header...); status != c.want {
			t.Errorf("from %s with %v: %d, want %d: %s", c.from, c.header, status, c.want, body)
		}
	}
	status, body := ask(h, "POST", path, "127.0.0.1:5")
	var got api.ReprocessAnswer
	if err := json.Unmarshal([]byte(body), &got); err != nil || status != 200 || got.Applied || !strings.Contains(got.Error, "device-not-granted") {
		t.Errorf("%d %s: what is still not granted was applied", status, body)
	}
	if status, _ := ask(h, "POST", "/v1/venues/dal-001/frames/99/reprocess", "127.0.0.1:5"); status != 404 {
		t.Errorf("an offset without a frame: %d", status)
	}
}
