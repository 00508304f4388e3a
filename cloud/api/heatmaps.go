package api

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/courtside-edge/courtside/cloud/heatmap"
	"github.com/courtside-edge/courtside/cloud/venue"
)

// HeatmapAnswer is one layer now.
type HeatmapAnswer struct {
	venue.Basis
	heatmap.Grid
}

// TransformSchema says in the document that a cell may be null, which its Go type does not show.
func (HeatmapAnswer) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	s.Properties["values"].Items = &huma.Schema{Type: huma.TypeNumber, Nullable: true}
	return s
}

// HeatmapInput is the path of one layer; exported because huma reads embedded fields only then.
type HeatmapInput struct {
	VenueInput
	Layer string `path:"layer" example:"occupancy" doc:"occupancy, pressure, flow or presence"`
}

// gridInput adds the form that is asked for. Pictures have been sent to their own operation when it is read.
type gridInput struct {
	HeatmapInput
	Format string `query:"format" enum:"json,png" doc:"json, or png for a picture; default: as Accept says"`
}

type pngInput struct {
	HeatmapInput
	Format string `query:"format" enum:"png" doc:"always a picture"`
	Scale  int    `query:"scale" minimum:"1" maximum:"16" default:"6" doc:"pixels a cell's side"`
}

type pngAnswer struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

func layersOf(h House) []string {
	if h.Maps == nil {
		return []string{}
	}
	return heatmap.Layers()
}

func (a *API) registerHeatmaps() {
	const path = "/v1/venues/{venue}/heatmaps/{layer}"
	op := huma.Operation{OperationID: "get-heatmap", Method: http.MethodGet, Path: path, Summary: "One heatmap layer as a grid",
		Description: "Asked for with `Accept: image/png` or `?format=png` it answers as the PNG operation does.", Tags: []string{"heatmaps"}, Errors: unavailable()}
	huma.Register(a.huma, op, func(_ context.Context, in *gridInput) (*body[HeatmapAnswer], error) {
		basis, g, err := a.draw(&in.HeatmapInput)
		if err != nil {
			return nil, err
		}
		return &body[HeatmapAnswer]{HeatmapAnswer{basis, g}}, nil
	})
	op = huma.Operation{OperationID: "get-heatmap-png", Method: http.MethodGet, Path: path + "/png", Summary: "One heatmap layer as a picture, y upwards", Tags: []string{"heatmaps"}, Errors: unavailable(),
		Responses: map[string]*huma.Response{"200": {Description: "The layer; absent cells are transparent", Content: map[string]*huma.MediaType{"image/png": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}}}}}
	huma.Register(a.huma, op, func(_ context.Context, in *pngInput) (*pngAnswer, error) {
		_, g, err := a.draw(&in.HeatmapInput)
		if err != nil {
			return nil, err
		}
		var buf bytes.Buffer
		if err := heatmap.WritePNG(&buf, &g, in.Scale); err != nil {
			return nil, huma.Error422UnprocessableEntity(err.Error())
		}
		return &pngAnswer{"image/png", buf.Bytes()}, nil
	})
}

func (a *API) draw(in *HeatmapInput) (venue.Basis, heatmap.Grid, error) {
	h, err := a.settled(in.Venue)
	if err != nil {
		return venue.Basis{}, heatmap.Grid{}, err
	}
	if h.Maps == nil {
		return venue.Basis{}, heatmap.Grid{}, huma.Error404NotFound("venue " + in.Venue + " has no map, so it has no heatmaps; name a GeoJSON file as its map in the aggregator's configuration")
	}
	basis, g, err := h.Maps.Draw(in.Layer)
	if errors.Is(err, heatmap.ErrLayer) {
		return basis, g, huma.Error404NotFound(err.Error())
	}
	return basis, g, err
}

// negotiated sends who wants a picture to where the pictures are.
func negotiated(r *http.Request) *http.Request {
	if !strings.Contains(r.URL.Path, "/heatmaps/") || strings.HasSuffix(r.URL.Path, "/png") {
		return r
	}
	accept := r.Header.Get("Accept")
	picture := strings.Contains(accept, "image/png") && !strings.Contains(accept, "json")
	if r.URL.Query().Get("format") != "png" && !picture {
		return r
	}
	to := r.Clone(r.Context())
	to.URL.Path += "/png"
	return to
}
