package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/courtside-edge/courtside/cloud/venue"
	"github.com/courtside-edge/courtside/sync/point"
)

// VenueLink is one venue in the list of venues.
type VenueLink struct {
	Venue    point.ID `json:"venue"`
	Seats    int      `json:"seats"`
	Gateways int      `json:"gateways"`
	Layers   []string `json:"layers" doc:"heatmap layers; empty for a venue without a map"`
}

// VenuesAnswer lists the venues.
type VenuesAnswer struct {
	Incarnation string      `json:"incarnation" doc:"of the log; offsets mean something together with it only"`
	Version     string      `json:"version" doc:"of the aggregator"`
	Venues      []VenueLink `json:"venues"`
}

// GatewaysAnswer lists gateways.
type GatewaysAnswer struct {
	AsOf     time.Time           `json:"as_of"`
	Gateways []venue.GatewayView `json:"gateways"`
}

// HistoryAnswer is the house over time.
type HistoryAnswer struct {
	venue.Basis
	Bucket  string               `json:"bucket" doc:"step of the history"`
	History []venue.HistoryPoint `json:"history" doc:"oldest first"`
}

// SeatValue is one seat.
type SeatValue struct {
	Place    string    `json:"place"`
	Section  string    `json:"section"`
	State    string    `json:"state" enum:"occupied,free,unknown"`
	Pressure *float64  `json:"pressure" doc:"in the point's unit; null when it is not known or not measured"`
	Since    time.Time `json:"since,omitzero" doc:"of the sample that the state rests on"`
}

// SeatsAnswer is every seat.
type SeatsAnswer struct {
	venue.Basis
	Seats []SeatValue `json:"seats" doc:"in the map's order"`
}

func (a *API) registerVenues() {
	huma.Register(a.huma, huma.Operation{OperationID: "list-venues", Method: http.MethodGet, Path: "/v1/venues", Summary: "The venues", Tags: []string{"venues"}},
		func(context.Context, *struct{}) (*body[VenuesAnswer], error) {
			return &body[VenuesAnswer]{a.venues()}, nil
		})
	get(a, "get-venue", "", "One venue in one answer", func(h House) venue.Summary { return h.Venue.Summary() })
	get(a, "get-occupancy", "/occupancy", "Seats by state, of the venue and of each section", func(h House) venue.OccupancyAnswer { return h.Venue.Occupancy() })
	get(a, "get-seats", "/seats", "Every seat's state", seats)
	get(a, "get-gates", "/gates", "Passages by gate and direction", func(h House) venue.GatesAnswer { return h.Venue.Gates() })
	get(a, "get-panels", "/panels", "What the panels say", func(h House) venue.PanelsAnswer { return h.Venue.Panels() })
	get(a, "get-gaps", "/gaps", "What is missing: lost, or still at a gateway", func(h House) venue.GapsAnswer { return h.Venue.Gaps() })
	a.registerFrames()
	a.registerPoints()
	a.registerHistory()
	huma.Register(a.huma, huma.Operation{OperationID: "list-gateways", Method: http.MethodGet, Path: "/v1/gateways", Summary: "The gateways of all venues", Tags: []string{"gateways"}},
		func(context.Context, *struct{}) (*body[GatewaysAnswer], error) {
			return &body[GatewaysAnswer]{a.gateways()}, nil
		})
	a.mux.HandleFunc("GET /v1/venues/{venue}/map", a.serveMap)
}

func (a *API) venues() VenuesAnswer {
	out := VenuesAnswer{Incarnation: a.o.Incarnation, Version: a.o.Version, Venues: []VenueLink{}}
	for _, h := range a.o.Houses {
		l := VenueLink{Venue: h.Venue.ID(), Gateways: len(h.Venue.Gateways()), Layers: []string{}}
		if m := h.Venue.Map(); m != nil {
			l.Seats = len(m.Seats)
			l.Layers = layersOf(h)
		}
		out.Venues = append(out.Venues, l)
	}
	return out
}

func (a *API) gateways() GatewaysAnswer {
	out := GatewaysAnswer{AsOf: time.Now().UTC(), Gateways: []venue.GatewayView{}}
	for _, h := range a.o.Houses {
		out.Gateways = append(out.Gateways, h.Venue.Gateways()...)
	}
	return out
}

func seats(h House) SeatsAnswer {
	basis, all := h.Venue.Seats()
	out := SeatsAnswer{Basis: basis, Seats: make([]SeatValue, len(all))}
	for i, s := range all {
		v := SeatValue{Place: s.Place, Section: s.Section, State: s.State.String()}
		if s.Pressure == s.Pressure { // not NaN
			v.Pressure = &all[i].Pressure
		}
		if s.Since != 0 {
			v.Since = time.Unix(0, s.Since).UTC()
		}
		out.Seats[i] = v
	}
	return out
}

type pointsInput struct {
	VenueInput
	Device string `query:"device" doc:"only this device's points"`
	Kind   string `query:"kind" enum:"generic,seat,gate,panel,position" doc:"only points of this kind"`
	Limit  int    `query:"limit" minimum:"1" maximum:"50000" default:"1000" doc:"at most this many"`
}

func (a *API) registerPoints() {
	op := huma.Operation{OperationID: "get-points", Method: http.MethodGet, Path: "/v1/venues/{venue}/points", Summary: "Present values of points", Tags: []string{"venues"}, Errors: []int{http.StatusNotFound}}
	huma.Register(a.huma, op, func(_ context.Context, in *pointsInput) (*body[venue.PointsAnswer], error) {
		h, err := a.house(in.Venue)
		if err != nil {
			return nil, err
		}
		f := venue.PointFilter{Device: point.ID(in.Device), Limit: in.Limit}
		if in.Kind != "" {
			if f.Kind, err = point.ParseKind(in.Kind); err != nil {
				return nil, huma.Error422UnprocessableEntity(err.Error())
			}
		}
		return &body[venue.PointsAnswer]{h.Venue.Points(f)}, nil
	})
}

type historyInput struct {
	VenueInput
	From time.Time `query:"from" doc:"RFC 3339; default: two hours ago"`
}

func (a *API) registerHistory() {
	op := huma.Operation{OperationID: "get-occupancy-history", Method: http.MethodGet, Path: "/v1/venues/{venue}/occupancy/history", Summary: "The house at the end of each bucket of time", Tags: []string{"venues"}, Errors: []int{http.StatusNotFound}}
	huma.Register(a.huma, op, func(_ context.Context, in *historyInput) (*body[HistoryAnswer], error) {
		h, err := a.house(in.Venue)
		if err != nil {
			return nil, err
		}
		from := in.From
		if from.IsZero() {
			from = time.Now().Add(-2 * time.Hour)
		}
		return &body[HistoryAnswer]{HistoryAnswer{h.Venue.Basis(), h.Venue.Bucket().String(), h.Venue.History(from)}}, nil
	})
}

// serveMap serves the venue's GeoJSON as it is; it is large and rarely changes, so it may be cached.
func (a *API) serveMap(w http.ResponseWriter, r *http.Request) {
	h, ok := a.houses[point.ID(r.PathValue("venue"))]
	if !ok || h.Venue.Map() == nil {
		http.Error(w, "there is no map of this venue here", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/geo+json")
	w.Header().Set("Cache-Control", "max-age=300")
	_, _ = w.Write(h.Venue.Map().Raw) // the reader has gone; nobody is left to tell
}
