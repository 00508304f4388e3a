package diag

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
)

// Recorder is a slog.Handler that keeps the newest records and hands each on to another handler. It is safe for concurrent use.
type Recorder struct {
	next   slog.Handler
	ring   *ring
	prefix string // attributes of With, written out
	group  string
}

// ring holds the newest records.
type ring struct {
	mu    sync.Mutex
	all   []Record
	first int
}

// maxRecordBytes is the longest text that is kept of a record.
const maxRecordBytes = 2048

// NewRecorder keeps the newest n records of what passes to next.
func NewRecorder(next slog.Handler, n int) *Recorder {
	return &Recorder{next: next, ring: &ring{all: make([]Record, 0, max(n, 1))}}
}

// Records returns the records that are kept, oldest first.
func (r *Recorder) Records() []Record {
	r.ring.mu.Lock()
	defer r.ring.mu.Unlock()
	return append(append([]Record{}, r.ring.all[r.ring.first:]...), r.ring.all[:r.ring.first]...)
}

// Enabled implements slog.Handler. What the next handler leaves out is kept from Info on.
func (r *Recorder) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelInfo || r.next.Enabled(ctx, l)
}

// Handle implements slog.Handler.
func (r *Recorder) Handle(ctx context.Context, rec slog.Record) error {
	var b strings.Builder
	b.WriteString(rec.Message)
	b.WriteString(r.prefix)
	rec.Attrs(func(a slog.Attr) bool { writeAttr(&b, r.group, a); return true })
	text := b.String()
	if len(text) > maxRecordBytes {
		text = strings.ToValidUTF8(text[:maxRecordBytes], "") + " …"
	}
	r.ring.add(Record{Time: rec.Time, Level: rec.Level.String(), Text: text})
	if r.next.Enabled(ctx, rec.Level) {
		return r.next.Handle(ctx, rec)
	}
	return nil
}

// WithAttrs implements slog.Handler.
func (r *Recorder) WithAttrs(attrs []slog.Attr) slog.Handler {
	var b strings.Builder
	b.WriteString(r.prefix)
	for _, a := range attrs {
		writeAttr(&b, r.group, a)
	}
	return &Recorder{next: r.next.WithAttrs(attrs), ring: r.ring, prefix: b.String(), group: r.group}
}

// WithGroup implements slog.Handler.
func (r *Recorder) WithGroup(name string) slog.Handler {
	return &Recorder{next: r.next.WithGroup(name), ring: r.ring, prefix: r.prefix, group: r.group + name + "."}
}

func writeAttr(b *strings.Builder, group string, a slog.Attr) {
	text := a.Value.Resolve().String()
	if strings.ContainsAny(text, " \t\n\"=") || text == "" {
		text = fmt.Sprintf("%q", text)
	}
	fmt.Fprintf(b, " %s%s=%s", group, a.Key, text)
}

func (r *ring) add(rec Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.all) < cap(r.all) {
		r.all = append(r.all, rec)
		return
	}
	r.all[r.first] = rec
	r.first = (r.first + 1) % len(r.all)
}
