package api

import (
	"context"
	"errors"
	"net"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/courtside-edge/courtside/cloud/log"
	"github.com/courtside-edge/courtside/cloud/venue"
)

// FramesAnswer lists what is set aside.
type FramesAnswer struct {
	venue.Basis
	Frames []venue.SetAside `json:"frames" doc:"by offset; at most 1,000 a gateway are kept"`
}

// FrameInput is the path of one frame; exported because huma reads embedded fields only then.
type FrameInput struct {
	VenueInput
	Offset uint64 `path:"offset" doc:"of the record in the aggregator's log"`
}

// ReprocessAnswer says what became of a frame that was tried again.
type ReprocessAnswer struct {
	Offset  uint64 `json:"offset"`
	Applied bool   `json:"applied" doc:"it is in the state now"`
	Error   string `json:"error,omitempty" doc:"why it is set aside again"`
}

func (a *API) registerFrames() {
	get(a, "get-frames", "/frames", "Frames that are set aside", func(h House) FramesAnswer { return FramesAnswer{h.Venue.Basis(), h.Venue.SetAside()} })
	op := huma.Operation{OperationID: "get-frame", Method: http.MethodGet, Path: "/v1/venues/{venue}/frames/{offset}", Summary: "One frame that is set aside, as far as it can be read",
		Tags: []string{"venues"}, Errors: unavailable()}
	huma.Register(a.huma, op, func(_ context.Context, in *FrameInput) (*body[venue.FrameView], error) {
		h, err := a.settled(in.Venue)
		if err != nil {
			return nil, err
		}
		f, err := h.Venue.Frame(in.Offset)
		if err != nil {
			return nil, problem(err)
		}
		return &body[venue.FrameView]{f}, nil
	})
	op = huma.Operation{OperationID: "reprocess-frame", Method: http.MethodPost, Path: "/v1/venues/{venue}/frames/{offset}/reprocess", Summary: "Try a frame again that is set aside",
		Description: "Answered on the aggregator's own machine only.", Tags: []string{"venues"}, Errors: append(unavailable(), http.StatusForbidden)}
	op.Middlewares = huma.Middlewares{a.localOnly}
	huma.Register(a.huma, op, func(_ context.Context, in *FrameInput) (*body[ReprocessAnswer], error) {
		h, err := a.settled(in.Venue)
		if err != nil {
			return nil, err
		}
		out := ReprocessAnswer{Offset: in.Offset, Applied: true}
		switch err := h.Venue.Reprocess(in.Offset); {
		case errors.Is(err, venue.ErrNotAside):
			return nil, problem(err)
		case err != nil:
			out.Applied, out.Error = false, err.Error()
		}
		return &body[ReprocessAnswer]{out}, nil
	})
}

// problem turns an error about a frame into an answer.
func problem(err error) error {
	if errors.Is(err, venue.ErrNotAside) || errors.Is(err, log.ErrTrimmed) || errors.Is(err, log.ErrNotFound) {
		return huma.Error404NotFound(err.Error())
	}
	return huma.Error500InternalServerError(err.Error())
}

// localOnly refuses what does not come from this machine: the API has no users, and this changes the state. A page in a browser on this
// machine is no reason either, so requests that a browser makes for another site are refused too.
func (a *API) localOnly(ctx huma.Context, next func(huma.Context)) {
	if why := notLocal(ctx.RemoteAddr(), ctx.Header); why != "" {
		_ = huma.WriteErr(a.huma, ctx, http.StatusForbidden, why)
		return
	}
	next(ctx)
}

// notLocal says why a request does not come from a program on this machine, "" when it does.
func notLocal(remote string, header func(string) string) string {
	host, _, err := net.SplitHostPort(remote)
	ip := net.ParseIP(host)
	switch {
	case err != nil || ip == nil || !ip.IsLoopback() || header("X-Forwarded-For") != "" || header("Forwarded") != "":
		return "only from the aggregator's own machine"
	case header("Origin") != "" || header("Sec-Fetch-Site") != "":
		return "not from a page in a browser"
	}
	return ""
}
