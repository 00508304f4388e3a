package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/sse"

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

// slowEvery is how often gates, panels and the summary are sent at most.
const slowEvery = time.Second

func (a *API) registerStream() {
	op := huma.Operation{OperationID: "stream-venue", Method: http.MethodGet, Path: "/v1/venues/{venue}/stream", Summary: "The venue, live, as server-sent events",
		Description: "Begins with the whole state; then what changed, at most five times a second for seats and once a second for the rest. A slow reader gets fewer, larger changes, never stale ones.",
		Tags:        []string{"venues"}, Errors: []int{http.StatusNotFound, http.StatusServiceUnavailable}}
	op.Middlewares = huma.Middlewares{a.admitStream}
	events := map[string]any{"seats": SeatsEvent{}, "seat-changes": SeatChangesEvent{}, "summary": SummaryEvent{}, "gates": GatesEvent{}, "panels": PanelsEvent{}}
	sse.Register(a.huma, op, events, func(ctx context.Context, in *VenueInput, send sse.Sender) {
		if h, err := a.house(in.Venue); err == nil {
			(&stream{house: h, send: send, pace: a.o.Pace, closing: a.o.Closing}).run(ctx)
		}
	})
}

// admitStream refuses unknown venues and more streams than are allowed while an answer can still say so.
func (a *API) admitStream(ctx huma.Context, next func(huma.Context)) {
	if _, err := a.house(ctx.Param("venue")); err != nil {
		_ = huma.WriteErr(a.huma, ctx, http.StatusNotFound, err.Error())
		return
	}
	if a.streams.Add(1) > int64(a.o.MaxStreams) {
		a.streams.Add(-1)
		_ = huma.WriteErr(a.huma, ctx, http.StatusServiceUnavailable, "too many live streams; try again later or poll")
		return
	}
	defer a.streams.Add(-1)
	next(ctx)
}

// stream is one reader's live view.
type stream struct {
	house   House
	send    sse.Sender
	pace    time.Duration
	closing <-chan struct{}
	sent    []venue.Occupancy
	now     []venue.Occupancy
	slowAt  time.Time
}

// run sends until the reader goes, the aggregator closes or a write fails.
func (s *stream) run(ctx context.Context) {
	tick := time.NewTicker(s.pace)
	defer tick.Stop()
	for {
		changed := s.house.Venue.Changed()
		if s.step() != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-s.closing:
			return
		case <-changed:
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

func (s *stream) step() error {
	s.now, _ = s.house.Venue.SeatVector(s.now)
	if s.sent == nil {
		digits := make([]byte, len(s.now))
		for i, o := range s.now {
			digits[i] = '0' + byte(o)
		}
		if err := s.send.Data(SeatsEvent{string(digits)}); err != nil {
			return err
		}
	} else if d, any := seatChanges(s.sent, s.now); any {
		if err := s.send.Data(d); err != nil {
			return err
		}
	}
	s.sent = append(s.sent[:0], s.now...)
	if s.sent == nil {
		s.sent = []venue.Occupancy{}
	}
	if time.Since(s.slowAt) < slowEvery {
		return nil
	}
	s.slowAt = time.Now()
	for _, e := range []any{SummaryEvent(s.house.Venue.Summary()), GatesEvent(s.house.Venue.Gates()), PanelsEvent(s.house.Venue.Panels())} {
		if err := s.send.Data(e); err != nil {
			return err
		}
	}
	return nil
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
