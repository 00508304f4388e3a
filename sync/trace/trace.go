// Package trace follows a batch from the gateway to the venue: W3C trace context, and spans that go to a collector as OTLP over HTTP.
//
// The exporter writes OTLP's JSON form with the standard library alone: a gateway must stay small, and its spans are of three kinds. A collector
// that is away costs nothing but spans: what does not fit the queue is dropped and counted, and nobody waits.
//
//	what fails                     what happens                                       what shows it
//	the collector is away, slow    one attempt a batch of spans, then they are gone   Stats.Lost, one line of log until it works again
//	more spans than it takes       the newest are dropped                             Stats.Lost
//	a trace parent that is none    no span, no fault                                  -
package trace

import (
	"crypto/rand"
	"encoding/hex"
)

// Context is a W3C trace context: which trace, which span of it, and whether it is to be recorded.
type Context struct {
	Trace   [16]byte
	Span    [8]byte
	Sampled bool
}

// New begins a trace.
func New(sampled bool) Context {
	c := Context{Sampled: sampled}
	_, _ = rand.Read(c.Trace[:]) // never fails: crypto/rand ends the process instead
	_, _ = rand.Read(c.Span[:])
	return c
}

// Child returns the context of a span below c.
func (c Context) Child() Context {
	_, _ = rand.Read(c.Span[:])
	return c
}

// String returns the trace parent, version 00.
func (c Context) String() string {
	flags := "00"
	if c.Sampled {
		flags = "01"
	}
	return "00-" + hex.EncodeToString(c.Trace[:]) + "-" + hex.EncodeToString(c.Span[:]) + "-" + flags
}

// ID returns the trace's id as log lines and collectors show it.
func (c Context) ID() string { return hex.EncodeToString(c.Trace[:]) }

// length is that of a trace parent of version 00; later versions may append.
const length = 55

// Parse reads a trace parent of any version. It reports false for what is none, and for the trace and span of zeros that mean none.
func Parse(s string) (c Context, ok bool) {
	if len(s) < length || s[2] != '-' || s[35] != '-' || s[52] != '-' || s[:2] == "ff" || len(s) > length && (s[:2] == "00" || s[length] != '-') {
		return c, false
	}
	var version, flags [1]byte
	for _, part := range []struct {
		into []byte
		text string
	}{{version[:], s[:2]}, {c.Trace[:], s[3:35]}, {c.Span[:], s[36:52]}, {flags[:], s[53:55]}} {
		if !lower(part.text) {
			return Context{}, false
		}
		if _, err := hex.Decode(part.into, []byte(part.text)); err != nil {
			return Context{}, false
		}
	}
	if c.Trace == ([16]byte{}) || c.Span == ([8]byte{}) {
		return Context{}, false
	}
	c.Sampled = flags[0]&1 == 1
	return c, true
}

// lower refuses capitals, as the standard does.
func lower(s string) bool {
	for i := range len(s) {
		if s[i] >= 'A' && s[i] <= 'F' {
			return false
		}
	}
	return true
}
