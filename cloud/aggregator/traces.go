package aggregator

import (
	"context"
	"log/slog"

	"github.com/courtside-edge/courtside/cloud/venue"
	"github.com/courtside-edge/courtside/sync/trace"
)

// trace tells of a batch that moved a venue's state: two spans below its gateway's, of the time in the log and of the venue's work. What a start
// replays is not told again.
func (a *Aggregator) trace(ap venue.Applied) {
	debug := a.d.Log.Enabled(context.Background(), slog.LevelDebug)
	if a.traces == nil && !debug || a.reached.Load() < a.target {
		return
	}
	c, ok := trace.Parse(ap.Trace)
	if !ok {
		return
	}
	if debug {
		a.d.Log.Debug("batch applied", "venue", ap.Venue, "gateway", ap.Gateway, "batch", ap.ID, "samples", ap.Samples, "trace_id", c.ID())
	}
	if !c.Sampled {
		return
	}
	about := []slog.Attr{slog.String("venue", string(ap.Venue)), slog.String("gateway", string(ap.Gateway)), slog.String("batch", ap.ID.String()),
		slog.String("lane", ap.ID.Lane.String()), slog.Int("samples", ap.Samples)}
	in := c.Child()
	a.traces.Add(trace.Span{Context: in, Parent: c.Span, Name: "ingest", Start: ap.Received, End: ap.Began, Attributes: about})
	a.traces.Add(trace.Span{Context: in.Child(), Parent: in.Span, Name: "venue", Start: ap.Began, End: ap.At, Attributes: about})
}
