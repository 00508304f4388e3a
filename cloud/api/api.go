package api

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/courtside-edge/courtside/cloud/heatmap"
	"github.com/courtside-edge/courtside/cloud/venue"
	"github.com/courtside-edge/courtside/sync/point"
)

// DefaultMaxStreams is how many live streams are served at once.
const DefaultMaxStreams = 500

// House is one venue with its layers.
type House struct {
	Venue *venue.Venue
	Maps  *heatmap.Mapper // nil for a venue without a map
	// Replaying says how far the log has been replayed, nil as soon as the venue is what it was when the aggregator ended. Until then nothing is
	// answered of it: numbers that step back are worse than none. A nil func is never replaying.
	Replaying func() error
}

func (h House) replaying() error {
	if h.Replaying == nil {
		return nil
	}
	return h.Replaying()
}

// Options describe the API.
type Options struct {
	Houses      []House
	Incarnation string          // of the log that answers rest on
	Version     string          // of the program
	Ready       func() error    // nil error when the aggregator may be relied on
	Metrics     http.Handler    // served at /metrics; nil for none
	Page        http.Handler    // served at /; nil for none
	MaxStreams  int             // 0 for DefaultMaxStreams
	Closing     <-chan struct{} // closed when streams must end; nil for never
	Import      Importer        // of exports that are carried here; nil for none
	Pace        time.Duration   // least time between two events of a stream; 0 for 200 ms
}

// API serves the options' houses.
type API struct {
	o       Options
	houses  map[point.ID]House
	feeds   map[point.ID]*feed
	streams atomic.Int64
	gzips   *sync.Pool // of *gzip.Writer
	mux     *http.ServeMux
	huma    huma.API
}

// New returns the API.
func New(o Options) *API {
	if o.MaxStreams == 0 {
		o.MaxStreams = DefaultMaxStreams
	}
	if o.Pace == 0 {
		o.Pace = 200 * time.Millisecond
	}
	if o.Ready == nil {
		o.Ready = func() error { return nil }
	}
	a := &API{o: o, houses: map[point.ID]House{}, feeds: map[point.ID]*feed{}, gzips: gzipPool(), mux: http.NewServeMux()}
	for _, h := range o.Houses {
		a.houses[h.Venue.ID()] = h
		a.feeds[h.Venue.ID()] = newFeed(h, o.Pace)
	}
	c := huma.DefaultConfig("Courtside aggregator", o.Version)
	c.Info.Description = "Occupancy, gates, panels, heatmaps and gateways of sports and event venues. Every answer says what it rests on: " +
		"when it was evaluated, up to which log offset, on whose clock, and how complete it is. What is not known is null or counted as unknown, never zero."
	c.DocsPath = "" // the usual viewers load from elsewhere; a venue's network may have no elsewhere
	c.CreateHooks = nil
	c.SchemasPath = ""
	c.Transformers = append(c.Transformers, saying)
	a.huma = humago.New(a.mux, c)
	a.huma.UseMiddleware(a.strictQuery)
	a.registerVenues()
	a.registerHeatmaps()
	a.registerStream()
	a.registerHealth()
	a.registerImport()
	a.registerMetrics()
	a.registerOpenAPI()
	if o.Page != nil {
		a.mux.Handle("GET /", o.Page)
	}
	return a
}

// OpenAPI returns the document that /v1/openapi.json serves, as JSON.
func (a *API) OpenAPI() ([]byte, error) { return a.huma.OpenAPI().MarshalJSON() }

// house returns the venue of that id, or a problem that lists the known ones.
func (a *API) house(id string) (House, error) {
	h, ok := a.houses[point.ID(id)]
	if !ok {
		known := make([]string, 0, len(a.o.Houses))
		for _, have := range a.o.Houses {
			known = append(known, string(have.Venue.ID()))
		}
		return House{}, huma.Error404NotFound(fmt.Sprintf("there is no venue %.40q here; /v1/venues lists them", id), &huma.ErrorDetail{Location: "path.venue", Message: "unknown venue; use one of value", Value: known})
	}
	return h, nil
}

// settled is house for what changes with the venue's state: refused while that is being replayed.
func (a *API) settled(id string) (House, error) {
	h, err := a.house(id)
	if err != nil {
		return h, err
	}
	return h, notYet(h)
}

// notYet is the answer as long as a house is being replayed, nil after that.
func notYet(h House) error {
	why := h.replaying()
	if why == nil {
		return nil
	}
	return huma.ErrorWithHeaders(huma.Error503ServiceUnavailable("not yet: "+why.Error()+"; /readyz says when"), http.Header{"Retry-After": {"2"}})
}

// VenueInput is the path parameter that most operations share.
type VenueInput struct {
	Venue string `path:"venue" example:"dal-001" doc:"the venue's id"`
}

// unavailable are the errors of what is asked of a venue.
func unavailable() []int { return []int{http.StatusNotFound, http.StatusServiceUnavailable} }

// body wraps an answer as huma wants it.
type body[T any] struct{ Body T }

// get registers a GET operation on one venue.
func get[T any](a *API, id, path, summary string, answer func(House) T) {
	op := huma.Operation{OperationID: id, Method: http.MethodGet, Path: "/v1/venues/{venue}" + path, Summary: summary, Tags: []string{"venues"}, Errors: unavailable()}
	huma.Register(a.huma, op, func(_ context.Context, in *VenueInput) (*body[T], error) {
		h, err := a.settled(in.Venue)
		if err != nil {
			return nil, err
		}
		return &body[T]{answer(h)}, nil
	})
}
