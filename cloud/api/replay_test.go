package api_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/cloud/api"
	"github.com/courtside-edge/courtside/cloud/heatmap"
	"github.com/courtside-edge/courtside/cloud/venue/venuetest"
)

// What a replay has got to is older than what was answered before: nobody must see it.
func TestNothingIsSaidOfAVenueThatIsReplayed(t *testing.T) {
	var done atomic.Bool
	replaying := func() error {
		if done.Load() {
			return nil
		}
		return errors.New("replaying the log: record 3 of 9")
	}
	_, s := server(t, func(o *api.Options) { o.Houses[0].Replaying = replaying })
	for _, path := range []string{"", "/occupancy", "/occupancy/history", "/seats", "/gates", "/panels", "/points", "/gaps", "/frames", "/frames/1", "/heatmaps/flow", "/heatmaps/flow/png", "/stream"} {
		status, header, body := fetch(t, s.URL+"/v1/venues/dal-001"+path)
		if status != 503 || header.Get("Retry-After") == "" || !strings.Contains(string(body), "record 3 of 9") || header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("GET %s: %d, Retry-After %q: %.200s", path, status, header.Get("Retry-After"), body)
		}
	}
	for path, want := range map[string]int{"/v1/gateways": 503, "/v1/venues": 200, "/v1/venues/dal-001/map": 200, "/v1/venues/nowhere/seats": 404, "/healthz": 200} {
		if status, _, body := fetch(t, s.URL+path); status != want {
			t.Errorf("GET %s: %d, want %d: %.200s", path, status, want, body)
		}
	}
	done.Store(true)
	if status, _, _ := fetch(t, s.URL+"/v1/venues/dal-001/occupancy"); status != http.StatusOK {
		t.Errorf("%d after the replay", status)
	}
}

func TestTopicsWaitForTheReplay(t *testing.T) {
	r := venuetest.New(t)
	r.DeliverTable()
	maps, err := heatmap.New(r.V, 0)
	if err != nil {
		t.Fatal(err)
	}
	asked := make(chan struct{}, 100)
	h := api.House{Venue: r.V, Maps: maps, Replaying: func() error { asked <- struct{}{}; return errors.New("replaying the log") }}
	rec := &recorder{sent: map[string][]byte{}, all: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		api.PublishState(ctx, h, rec, slog.New(slog.DiscardHandler))
	}()
	for range 2 { // the first round is over when the second asks
		select {
		case <-asked:
		case <-time.After(time.Minute):
			t.Fatal("nobody asks whether the replay is over")
		}
	}
	cancel()
	<-done
	if len(rec.sent) != 0 {
		t.Errorf("%d topics were published while the log was replayed", len(rec.sent))
	}
}
