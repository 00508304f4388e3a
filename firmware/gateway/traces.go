package gateway

import (
	"context"
	"log/slog"
	"math/rand/v2"

	"github.com/courtside-edge/courtside/firmware/batch"
	"github.com/courtside-edge/courtside/sync/trace"
)

// exporter returns what sends traces, nil when they are off.
func (g *Gateway) exporter() *trace.Exporter {
	return trace.NewExporter(trace.Options{Endpoint: g.c.Trace.Endpoint, Service: "courtside-gateway", Version: g.d.Version, Log: g.log,
		Attributes: []slog.Attr{slog.String("venue", string(g.c.Venue)), slog.String("gateway", string(g.c.Gateway))}})
}

// newTrace draws a trace parent for a batch that closes. Whether the trace is recorded is decided here, once for both ends.
func (g *Gateway) newTrace() string {
	return trace.New(g.traces != nil && rand.Float64() < g.c.Trace.Sample).String()
}

// batchClosed tells of a batch that the spool took: the first span of its trace.
func (g *Gateway) batchClosed(b batch.Closed) {
	debug := g.log.Enabled(context.Background(), slog.LevelDebug)
	if g.traces == nil && !debug {
		return
	}
	c, ok := trace.Parse(b.Trace)
	if !ok {
		return
	}
	if debug {
		g.log.Debug("batch closed", "batch", b.ID, "samples", b.Samples, "bytes", b.Bytes, "trace_id", c.ID())
	}
	g.traces.Add(trace.Span{Context: c, Name: "batch", Start: b.Opened, End: b.Taken,
		Attributes: []slog.Attr{slog.String("batch", b.ID.String()), slog.String("lane", b.ID.Lane.String()), slog.Int("samples", b.Samples), slog.Int("bytes", b.Bytes)}})
}
