package api

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/courtside-edge/courtside/cloud/venue"
)

// SeatsEvent holds every seat's state in the map's order, one digit a seat: 0 unknown, 1 free, 2 occupied. A stream begins with one.
type SeatsEvent struct {
	States string `json:"states"`
}

// SeatChangesEvent holds the seats that changed since the last event, by their position in the map.
type SeatChangesEvent struct {
	Free     []int `json:"free,omitempty"`
	Occupied []int `json:"occupied,omitempty"`
	Unknown  []int `json:"unknown,omitempty"`
}

// SummaryEvent is the venue in one answer.
type SummaryEvent venue.Summary

// GatesEvent is the passages of every gate.
type GatesEvent venue.GatesAnswer

// PanelsEvent is the state of every panel.
type PanelsEvent venue.PanelsAnswer

// slowEvery is how often gates, panels and the summary are sent at most, writeWithin how long a reader may take to read what was sent before it
// is cut off, and retryAfter how long one that was cut off waits.
const (
	slowEvery   = time.Second
	writeWithin = 10 * time.Second
	retryAfter  = 2 * time.Second
)

const streamSays = "Begins with the whole state; then what changed, at most five times a second for seats and once a second for the rest, and at least the rest each second. " +
	"A slow reader gets fewer, larger changes, never stale ones; one that does not read for ten seconds is cut off. There is nothing to resume: each stream begins with the whole state."

func (a *API) registerStream() {
	op := huma.Operation{OperationID: "stream-venue", Method: http.MethodGet, Path: "/v1/venues/{venue}/stream", Summary: "The venue, live, as server-sent events", Description: streamSays,
		Tags: []string{"venues"}, Errors: []int{http.StatusNotFound, http.StatusServiceUnavailable}}
	op.Middlewares = huma.Middlewares{a.admitStream}
	op.Responses = map[string]*huma.Response{"200": {Description: "Events, as long as the reader stays", Content: map[string]*huma.MediaType{"text/event-stream": {Schema: a.eventSchema()}}}}
	huma.Register(a.huma, op, func(_ context.Context, in *VenueInput) (*huma.StreamResponse, error) {
		h, err := a.settled(in.Venue)
		if err != nil {
			return nil, err
		}
		return &huma.StreamResponse{Body: func(ctx huma.Context) {
			r, w := humago.Unwrap(ctx)
			w.Header().Set("Content-Type", "text/event-stream")
			w.Header().Set("X-Accel-Buffering", "no") // a proxy that holds events back makes them stale
			if r.Method == http.MethodHead {
				return
			}
			s := &stream{feed: a.feeds[h.Venue.ID()], to: w, control: http.NewResponseController(w), pace: a.o.Pace, closing: a.o.Closing}
			s.run(r.Context())
		}}, nil
	})
}

// eventSchema describes the events as huma's own package does.
func (a *API) eventSchema() *huma.Schema {
	var each []*huma.Schema
	for _, e := range []struct {
		name string
		data any
	}{{"seats", SeatsEvent{}}, {"seat-changes", SeatChangesEvent{}}, {"summary", SummaryEvent{}}, {"gates", GatesEvent{}}, {"panels", PanelsEvent{}}} {
		each = append(each, &huma.Schema{Title: "Event " + e.name, Type: huma.TypeObject, Required: []string{"event", "data"}, Properties: map[string]*huma.Schema{
			"event": {Type: huma.TypeString, Enum: []any{e.name}}, // const is none of OpenAPI 3.0, which is served, too
			"data":  a.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeOf(e.data), true, e.name),
		}})
	}
	return &huma.Schema{Title: "Server-sent events", Description: "Each is one event: a line event, a line data with JSON, an empty line.", Type: huma.TypeArray, Items: &huma.Schema{OneOf: each}}
}

// admitStream refuses more streams than are allowed while an answer can still say so.
func (a *API) admitStream(ctx huma.Context, next func(huma.Context)) {
	if a.streams.Add(1) > int64(a.o.MaxStreams) {
		a.streams.Add(-1)
		ctx.SetHeader("Retry-After", "5")
		_ = huma.WriteErr(a.huma, ctx, http.StatusServiceUnavailable, fmt.Sprintf("%d live streams are served already; try again later, poll, or raise api.max_streams", a.o.MaxStreams))
		return
	}
	defer a.streams.Add(-1)
	next(ctx)
}

// stream is one reader's live view.
type stream struct {
	feed    *feed
	to      io.Writer
	control *http.ResponseController
	pace    time.Duration
	closing <-chan struct{}
	begun   bool
	sent    []venue.Occupancy
	slowAt  time.Time
	out     []byte
}

// run sends until the reader goes, the aggregator closes or a write fails.
func (s *stream) run(ctx context.Context) {
	tick := time.NewTicker(s.pace)
	defer tick.Stop()
	for {
		f := s.feed.frame()
		if s.step(f) != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-s.closing:
			return
		case <-f.changed:
		}
		select {
		case <-ctx.Done():
			return
		case <-s.closing:
			return
		case <-tick.C:
		}
	}
}

func (s *stream) step(f *frame) error {
	s.out = s.out[:0]
	if !s.begun {
		s.begun = true
		digits := make([]byte, len(f.seats))
		for i, o := range f.seats {
			digits[i] = '0' + byte(o)
		}
		s.out = fmt.Appendf(s.out, "retry: %d\n", retryAfter.Milliseconds())
		s.out = appendEvent(s.out, "seats", SeatsEvent{string(digits)})
	} else if d, any := seatChanges(s.sent, f.seats); any {
		s.out = appendEvent(s.out, "seat-changes", d)
	}
	s.sent = f.seats
	if now := time.Now(); now.Sub(s.slowAt) >= slowEvery {
		s.slowAt = now
		s.out = append(s.out, f.rest...)
	}
	if len(s.out) == 0 {
		return nil
	}
	_ = s.control.SetWriteDeadline(time.Now().Add(writeWithin)) // a recorder in a test has none
	if _, err := s.to.Write(s.out); err != nil {
		return err
	}
	return s.control.Flush()
}

func seatChanges(old, now []venue.Occupancy) (SeatChangesEvent, bool) {
	var d SeatChangesEvent
	for i, o := range now {
		if i < len(old) && old[i] == o {
			continue
		}
		switch o {
		case venue.Free:
			d.Free = append(d.Free, i)
		case venue.Occupied:
			d.Occupied = append(d.Occupied, i)
		default:
			d.Unknown = append(d.Unknown, i)
		}
	}
	return d, len(d.Free)+len(d.Occupied)+len(d.Unknown) > 0
}
