package api

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// answerWithin is how long a client may take to read an answer: the largest, a venue's map, in a minute. Streams set their own, and an
// import may take as long as its file is long.
const answerWithin = time.Minute

// ServeHTTP serves everything, with the headers that browsers want.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'self'; img-src 'self' data:; style-src 'self'; frame-ancestors 'self'")
	h.Set("Cache-Control", "no-store")
	var until time.Time
	if r.Method != http.MethodPost {
		until = time.Now().Add(answerWithin)
	}
	_ = http.NewResponseController(w).SetWriteDeadline(until) // a recorder in a test has none
	r = negotiated(r)
	if !a.answers(r) {
		a.missing(w, r)
		return
	}
	z := &compressor{ResponseWriter: w, api: a, asked: r}
	defer z.close()
	a.mux.ServeHTTP(z, r)
}

// answers reports whether anything is registered for the request; the page takes what is left over, but not below the API.
func (a *API) answers(r *http.Request) bool {
	_, pattern := a.mux.Handler(r)
	return pattern != "" && (pattern != "GET /" || !strings.HasPrefix(r.URL.Path, "/v1"))
}

// methods returns what the request's path may be asked with.
func (a *API) methods(r *http.Request) []string {
	var out []string
	for _, m := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
		probe := *r
		probe.Method = m
		if a.answers(&probe) {
			out = append(out, m)
		}
	}
	return out
}

// missing says why nothing answers a request, and what would.
func (a *API) missing(w http.ResponseWriter, r *http.Request) {
	if allowed := a.methods(r); len(allowed) > 0 {
		w.Header().Set("Allow", strings.Join(append(allowed, http.MethodOptions), ", "))
		if r.Method == http.MethodOptions {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		a.fail(w, http.StatusMethodNotAllowed, r.Method+" is not answered at "+r.URL.Path+"; use "+strings.Join(slices.DeleteFunc(allowed, func(m string) bool { return m == http.MethodHead }), " or "))
		return
	}
	short := *r
	u := *r.URL
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), ""
	short.URL = &u
	if u.Path != r.URL.Path && len(a.methods(&short)) > 0 {
		a.fail(w, http.StatusNotFound, "there is nothing at "+r.URL.Path+"; leave out the slash at the end: "+u.Path)
		return
	}
	a.fail(w, http.StatusNotFound, "there is nothing at "+r.URL.Path+"; /v1/openapi.json lists what there is")
}
