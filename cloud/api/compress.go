package api

import (
	"compress/gzip"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// compressFrom is the smallest answer that is compressed, in bytes; below it time costs more than bytes do.
const compressFrom = 4 << 10

// compressor sends an answer as gzip if it is text of some size and the asker takes that. It decides at the first write, so an answer that is
// written bit by bit, as a stream is, stays as it is.
type compressor struct {
	http.ResponseWriter
	api   *API
	asked *http.Request
	out   *gzip.Writer // nil as long as the answer is not compressed
	begun bool
	code  int // that waits for the first write; 0 for none
}

// Unwrap lets http.ResponseController find the connection.
func (c *compressor) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// WriteHeader waits with the status until the first write has shown what the answer is.
func (c *compressor) WriteHeader(code int) {
	if c.begun || code < http.StatusOK {
		c.ResponseWriter.WriteHeader(code)
		return
	}
	c.code = code
}

func (c *compressor) Write(b []byte) (int, error) {
	if !c.begun {
		c.begin(b)
	}
	if c.out != nil {
		return c.out.Write(b)
	}
	return c.ResponseWriter.Write(b)
}

// Flush sends what is written so far.
func (c *compressor) Flush() {
	if !c.begun {
		c.begin(nil)
	}
	if c.out != nil {
		_ = c.out.Flush()
	}
	_ = http.NewResponseController(c.ResponseWriter).Flush()
}

// begin decides, by the first bytes and the headers.
func (c *compressor) begin(b []byte) {
	c.begun = true
	h := c.Header()
	if compressible(h) {
		h.Add("Vary", "Accept-Encoding")
		if c.code < http.StatusMultipleChoices && len(b) >= compressFrom && takesGzip(c.asked) {
			h.Set("Content-Encoding", "gzip")
			h.Del("Content-Length")
			c.out = c.api.gzips.Get().(*gzip.Writer)
			c.out.Reset(c.ResponseWriter)
		}
	}
	if c.code != 0 {
		c.ResponseWriter.WriteHeader(c.code)
	}
}

// close ends the answer.
func (c *compressor) close() {
	if !c.begun {
		c.begin(nil)
	}
	if c.out != nil {
		_ = c.out.Close() // the asker has gone; nobody is left to tell
		c.api.gzips.Put(c.out)
		c.out = nil
	}
}

func compressible(h http.Header) bool {
	kind, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	switch {
	case h.Get("Content-Encoding") != "" || kind == "text/event-stream":
		return false
	case strings.HasPrefix(kind, "text/"), kind == "image/svg+xml", strings.HasSuffix(kind, "json"), strings.HasSuffix(kind, "yaml"):
		return h.Get("Content-Range") == ""
	}
	return false
}

// takesGzip reads Accept-Encoding: gzip or *, unless refused by q=0.
func takesGzip(r *http.Request) bool {
	takes := false
	for _, one := range strings.Split(strings.Join(r.Header.Values("Accept-Encoding"), ","), ",") {
		name, weight, _ := strings.Cut(one, ";")
		name = strings.ToLower(strings.TrimSpace(name))
		if name != "gzip" && name != "*" {
			continue
		}
		q := 1.0
		if v, ok := strings.CutPrefix(strings.ReplaceAll(weight, " ", ""), "q="); ok {
			q, _ = strconv.ParseFloat(v, 64)
		}
		if name == "gzip" {
			return q > 0
		}
		takes = q > 0
	}
	return takes && r.Method != http.MethodHead
}

func gzipPool() *sync.Pool {
	return &sync.Pool{New: func() any {
		z, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is a valid one
		return z
	}}
}
