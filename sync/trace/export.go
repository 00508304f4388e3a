package trace

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Limits of an exporter.
const (
	maxQueued    = 4096             // spans that wait; more are dropped
	maxPosted    = 512              // in one request
	postEvery    = time.Second      // what waits goes out
	postPatience = 10 * time.Second // for one request
	lastPatience = 2 * time.Second  // for the last one, when the program ends
)

// Span is one finished piece of work.
type Span struct {
	Context    Context // its own
	Parent     [8]byte // zero for the first of a trace
	Name       string
	Start, End time.Time
	Attributes []slog.Attr
	Err        error // nil when it went well
}

// Options describe an exporter.
type Options struct {
	Endpoint   string // http://host:4318, without path
	Service    string // service.name
	Version    string
	Attributes []slog.Attr // of the program: venue, gateway
	Log        *slog.Logger
}

// Exporter sends spans. Add is safe for concurrent use; a nil Exporter takes everything and sends nothing.
type Exporter struct {
	o          Options
	queue      chan Span
	client     http.Client
	sent, lost atomic.Uint64
	failing    bool
}

// NewExporter returns an exporter, whose Run has to run, or nil for an empty endpoint.
func NewExporter(o Options) *Exporter {
	if o.Endpoint == "" {
		return nil
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Exporter{o: o, queue: make(chan Span, maxQueued)}
}

// Stats are totals.
type Stats struct {
	Sent uint64 // that the collector took
	Lost uint64 // that it did not, or for which there was no room
}

// Stats returns totals since the start.
func (x *Exporter) Stats() Stats {
	if x == nil {
		return Stats{}
	}
	return Stats{x.sent.Load(), x.lost.Load()}
}

// Add takes a span if its trace is to be recorded. It never waits.
func (x *Exporter) Add(s Span) {
	if x == nil || !s.Context.Sampled {
		return
	}
	select {
	case x.queue <- s:
	default:
		x.lost.Add(1)
	}
}

// Run sends what Add takes until ctx ends; then it tries once more.
func (x *Exporter) Run(ctx context.Context) {
	if x == nil {
		return
	}
	tick := time.NewTicker(postEvery)
	defer tick.Stop()
	defer x.client.CloseIdleConnections()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastPatience)
			defer cancel()
			x.drain(last)
			return
		case <-tick.C:
			x.drain(ctx)
		}
	}
}

// drain sends what waits.
func (x *Exporter) drain(ctx context.Context) {
	for {
		var spans []Span
		for len(spans) < maxPosted {
			select {
			case s := <-x.queue:
				spans = append(spans, s)
				continue
			default:
			}
			break
		}
		if len(spans) == 0 {
			return
		}
		err := x.post(ctx, spans)
		switch {
		case err == nil:
			x.sent.Add(uint64(len(spans)))
			if x.failing {
				x.o.Log.Info("the collector takes traces again", "endpoint", x.o.Endpoint)
			}
		case !x.failing:
			x.o.Log.Warn("traces cannot be exported; they are dropped until that works again", "endpoint", x.o.Endpoint, "err", err)
		}
		if x.failing = err != nil; err != nil {
			x.lost.Add(uint64(len(spans)))
		}
	}
}

func (x *Exporter) post(ctx context.Context, spans []Span) error {
	body, err := json.Marshal(x.message(spans))
	if err != nil {
		return fmt.Errorf("encoding %d spans: %w", len(spans), err)
	}
	ctx, cancel := context.WithTimeout(ctx, postPatience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(x.o.Endpoint, "/")+"/v1/traces", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := x.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("the collector answers %s: %.200s", resp.Status, said)
	}
	return nil
}

// object is a JSON object; the names in it are OTLP's.
type object = map[string]any

func (x *Exporter) message(spans []Span) object {
	all := make([]object, 0, len(spans))
	for i := range spans {
		all = append(all, spans[i].message())
	}
	own := append([]slog.Attr{slog.String("service.name", x.o.Service), slog.String("service.version", x.o.Version)}, x.o.Attributes...)
	return object{"resourceSpans": []object{{
		"resource":   object{"attributes": attributes(own)},
		"scopeSpans": []object{{"scope": object{"name": "courtside", "version": x.o.Version}, "spans": all}},
	}}}
}

func (s *Span) message() object {
	const internal = 1
	out := object{"traceId": hex.EncodeToString(s.Context.Trace[:]), "spanId": hex.EncodeToString(s.Context.Span[:]), "name": s.Name, "kind": internal,
		"startTimeUnixNano": strconv.FormatInt(s.Start.UnixNano(), 10), "endTimeUnixNano": strconv.FormatInt(s.End.UnixNano(), 10),
		"attributes": attributes(s.Attributes)}
	if s.Parent != ([8]byte{}) {
		out["parentSpanId"] = hex.EncodeToString(s.Parent[:])
	}
	if s.Err != nil {
		const failed = 2
		out["status"] = object{"code": failed, "message": s.Err.Error()}
	}
	return out
}

func attributes(all []slog.Attr) []object {
	out := make([]object, 0, len(all))
	for _, a := range all {
		value := object{"stringValue": a.Value.String()}
		switch a.Value.Kind() {
		case slog.KindInt64, slog.KindUint64:
			value = object{"intValue": a.Value.String()} // 64 bits are texts in JSON
		case slog.KindBool:
			value = object{"boolValue": a.Value.Bool()}
		}
		out = append(out, object{"key": a.Key, "value": value})
	}
	return out
}
