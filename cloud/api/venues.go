package api

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

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
	Cut     bool                 `json:"cut" doc:"from lies further back than is kept or than one answer holds: the newest 1,500 buckets"`
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
	huma.Register(a.huma, huma.Operation{OperationID: "list-gateways", Method: http.MethodGet, Path: "/v1/gateways", Summary: "The gateways of all venues", Tags: []string{"gateways"}, Errors: []int{http.StatusServiceUnavailable}},
		func(context.Context, *struct{}) (*body[GatewaysAnswer], error) {
			for _, h := range a.o.Houses {
				if err := notYet(h); err != nil {
					return nil, err
				}
			}
			return &body[GatewaysAnswer]{a.gateways()}, nil
		})
	a.registerMap()
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
	Offset int    `query:"offset" minimum:"0" maximum:"10000000" default:"0" doc:"leave out this many; points keep their order"`
}

// PointsAnswer is the present values of some points.
type PointsAnswer struct {
	venue.PointsAnswer
	More bool `json:"more" doc:"there are more behind them: ask again with a larger offset"`
}

func (a *API) registerPoints() {
	op := huma.Operation{OperationID: "get-points", Method: http.MethodGet, Path: "/v1/venues/{venue}/points", Summary: "Present values of points", Tags: []string{"venues"}, Errors: unavailable()}
	huma.Register(a.huma, op, func(_ context.Context, in *pointsInput) (*body[PointsAnswer], error) {
		h, err := a.settled(in.Venue)
		if err != nil {
			return nil, err
		}
		f := venue.PointFilter{Device: point.ID(in.Device), Limit: in.Offset + in.Limit + 1}
		if in.Kind != "" {
			if f.Kind, err = point.ParseKind(in.Kind); err != nil {
				return nil, huma.Error422UnprocessableEntity(err.Error())
			}
		}
		out := PointsAnswer{PointsAnswer: h.Venue.Points(f)}
		out.Points = out.Points[min(in.Offset, len(out.Points)):]
		if out.More = len(out.Points) > in.Limit; out.More {
			out.Points = out.Points[:in.Limit]
		}
		return &body[PointsAnswer]{out}, nil
	})
}

type historyInput struct {
	VenueInput
	From Moment `query:"from" doc:"RFC 3339; default: two hours ago"`
	To   Moment `query:"to" doc:"RFC 3339, after from; default: now"`
}

// historyKept is how many buckets one answer holds at most; venue.History keeps to it.
const historyKept = 1500

func (a *API) registerHistory() {
	op := huma.Operation{OperationID: "get-occupancy-history", Method: http.MethodGet, Path: "/v1/venues/{venue}/occupancy/history", Summary: "The house at the end of each bucket of time", Tags: []string{"venues"}, Errors: unavailable()}
	huma.Register(a.huma, op, func(_ context.Context, in *historyInput) (*body[HistoryAnswer], error) {
		h, err := a.settled(in.Venue)
		if err != nil {
			return nil, err
		}
		from, to := in.From.Time, in.To.Time
		switch {
		case in.From.Given && in.To.Given && !from.Before(to):
			return nil, huma.Error422UnprocessableEntity(invalid, &huma.ErrorDetail{Location: "query.to", Message: "does not lie after from, " + from.Format(time.RFC3339), Value: to.Format(time.RFC3339)})
		case in.From.Given:
		case in.To.Given:
			from = to.Add(-2 * time.Hour)
		default:
			from = time.Now().Add(-2 * time.Hour)
		}
		return &body[HistoryAnswer]{history(h, from, to)}, nil
	})
}

// history returns the buckets that end after from and begin before to, or until now if that is zero.
func history(h House, from, to time.Time) HistoryAnswer {
	bucket := h.Venue.Bucket()
	if y := from.Year(); y < 1970 { // a venue reckons in nanoseconds since then, into which not every time fits
		from = time.Unix(0, 0)
	} else if y > 2200 {
		from = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	out := HistoryAnswer{Basis: h.Venue.Basis(), Bucket: bucket.String(), History: h.Venue.History(from)}
	out.Cut = len(out.History) == historyKept && out.History[0].At.Add(-bucket).After(from)
	if !to.IsZero() {
		n, _ := slices.BinarySearchFunc(out.History, to, func(p venue.HistoryPoint, to time.Time) int { return p.At.Add(-bucket).Compare(to) })
		out.History = out.History[:n]
	}
	return out
}

// registerMap adds the venue's GeoJSON as it is. It is large and changes with the configuration only, so whoever has it asks whether it is still
// the same.
func (a *API) registerMap() {
	tags := map[point.ID]string{}
	for id, h := range a.houses {
		if m := h.Venue.Map(); m != nil {
			tags[id] = tagOf(m.Raw)
		}
	}
	op := huma.Operation{OperationID: "get-map", Method: http.MethodGet, Path: "/v1/venues/{venue}/map", Summary: "The venue's map: GeoJSON in metres from the centre spot", Tags: []string{"venues"}, Errors: []int{http.StatusNotFound},
		Responses: map[string]*huma.Response{"200": {Description: "The map as it was configured", Content: map[string]*huma.MediaType{"application/geo+json": {Schema: &huma.Schema{Type: huma.TypeObject}}}},
			"304": {Description: "It is what If-None-Match names"}}}
	huma.Register(a.huma, op, func(_ context.Context, in *VenueInput) (*huma.StreamResponse, error) {
		h, err := a.house(in.Venue)
		if err != nil {
			return nil, err
		}
		if h.Venue.Map() == nil {
			return nil, huma.Error404NotFound("venue " + in.Venue + " has no map; name a GeoJSON file as its map in the aggregator's configuration")
		}
		return &huma.StreamResponse{Body: func(ctx huma.Context) {
			r, w := humago.Unwrap(ctx)
			serveKept(w, r, "application/geo+json", tags[h.Venue.ID()], h.Venue.Map().Raw)
		}}, nil
	})
}
