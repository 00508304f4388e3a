package diag

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The kinds of failure that an asker may tell apart with errors.Is.
var (
	// ErrNotRunning: nobody listens on the socket.
	ErrNotRunning = errors.New("no gateway answers on the socket")
	// ErrNotPermitted: somebody does, and will not talk to this user.
	ErrNotPermitted = errors.New("this user may not ask the gateway")
	// ErrNotFound: there is no such device or point.
	ErrNotFound = errors.New("not found")
	// ErrRefused: the gateway will not do that, and has changed nothing.
	ErrRefused = errors.New("refused")
)

// MaxLook is the longest that a Query may look.
const MaxLook = 10 * time.Second

// Gateway is what explains itself. Its methods are safe for concurrent use.
type Gateway interface {
	Status() Status
	Points(ctx context.Context, q Query) (Points, error)
	// Watch yields readings of the points that match, until ctx ends or yield returns false.
	Watch(ctx context.Context, search string, yield func(Change) bool) error
	Plan(device string) (Plan, error)
	Storage() Storage
	Connection() Connection
	Logs() []Record
	Doctor(ctx context.Context) []Finding
	Reload(ctx context.Context) (Reload, error)
	// Configuration returns the file as it was read, without secrets.
	Configuration() ([]byte, error)
	// Export writes what the spool holds, signed, for a way to the cloud other than the uplink.
	Export(ctx context.Context, w io.Writer) (Export, error)
}

// Public answers whoever reaches the TCP port: GET /status, GET /healthz, and whatever else is given, such as /metrics.
func Public(status func() Status, more map[string]http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) { answer(w, status(), nil) })
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { healthz(w, status().Problems) })
	for path, h := range more {
		mux.Handle("GET "+path, h)
	}
	return mux
}

// healthz says ok, or what is wrong, a line each.
func healthz(w http.ResponseWriter, problems []string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if len(problems) == 0 {
		_, _ = io.WriteString(w, "ok\n")
		return
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = io.WriteString(w, strings.Join(problems, "\n")+"\n")
}

// Local answers on the socket. permit judges who asks, from the connection that ConnContext put into the request's context; nil permits everybody.
func Local(g Gateway, permit func(ctx context.Context) error) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /", Public(g.Status, nil))
	mux.HandleFunc("GET /points", func(w http.ResponseWriter, r *http.Request) {
		q, err := parseQuery(r)
		if err != nil {
			answer(w, nil, err)
			return
		}
		p, err := g.Points(r.Context(), q)
		answer(w, p, err)
	})
	mux.HandleFunc("GET /watch", func(w http.ResponseWriter, r *http.Request) { watch(w, r, g) })
	mux.HandleFunc("GET /plan/{device}", func(w http.ResponseWriter, r *http.Request) {
		p, err := g.Plan(r.PathValue("device"))
		answer(w, p, err)
	})
	mux.HandleFunc("GET /spool", func(w http.ResponseWriter, _ *http.Request) { answer(w, g.Storage(), nil) })
	mux.HandleFunc("GET /spool/export", func(w http.ResponseWriter, r *http.Request) { export(w, r, g) })
	mux.HandleFunc("GET /uplink", func(w http.ResponseWriter, _ *http.Request) { answer(w, g.Connection(), nil) })
	mux.HandleFunc("GET /logs", func(w http.ResponseWriter, _ *http.Request) { answer(w, g.Logs(), nil) })
	mux.HandleFunc("GET /doctor", func(w http.ResponseWriter, r *http.Request) { answer(w, g.Doctor(r.Context()), nil) })
	mux.HandleFunc("POST /reload", func(w http.ResponseWriter, r *http.Request) {
		out, err := g.Reload(r.Context())
		answer(w, out, err)
	})
	mux.HandleFunc("GET /configuration", func(w http.ResponseWriter, _ *http.Request) {
		text, err := g.Configuration()
		answer(w, string(text), err)
	})
	if u, ok := g.(Updater); ok {
		updates(mux, u)
	}
	if permit == nil {
		return mux
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := permit(r.Context()); err != nil {
			answer(w, nil, err)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func parseQuery(r *http.Request) (Query, error) {
	v := r.URL.Query()
	q := Query{Search: v.Get("search"), Bad: v.Get("bad") == "true", Limit: DefaultLimit}
	var err error
	if s := v.Get("limit"); s != "" {
		if q.Limit, err = strconv.Atoi(s); err != nil || q.Limit < 1 {
			return q, fmt.Errorf("%w: limit %q is no number from 1 on", ErrRefused, s)
		}
	}
	if s := v.Get("look"); s != "" {
		if q.Look, err = time.ParseDuration(s); err != nil || q.Look < 0 || q.Look > MaxLook {
			return q, fmt.Errorf("%w: look %q is no duration up to %v", ErrRefused, s, MaxLook)
		}
	}
	return q, nil
}

// watch writes one JSON value a line until the asker goes.
func watch(w http.ResponseWriter, r *http.Request, g Gateway) {
	out := http.NewResponseController(w)
	begun := false
	e := json.NewEncoder(w)
	err := g.Watch(r.Context(), r.URL.Query().Get("point"), func(c Change) bool {
		if !begun {
			w.Header().Set("Content-Type", "application/x-ndjson")
			begun = true
		}
		return e.Encode(c) == nil && out.Flush() == nil
	})
	if err != nil && !begun {
		answer(w, nil, err)
	}
}

// answer writes what was asked for, or why not.
func answer(w http.ResponseWriter, v any, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		p, code := Problem{"failed", err.Error()}, http.StatusInternalServerError
		switch {
		case errors.Is(err, ErrNotFound):
			p.Kind, code = "not-found", http.StatusNotFound
		case errors.Is(err, ErrRefused):
			p.Kind, code = "refused", http.StatusConflict
		case errors.Is(err, ErrNotPermitted):
			p.Kind, code = "not-permitted", http.StatusForbidden
		}
		w.WriteHeader(code)
		v = p
	}
	_ = json.NewEncoder(w).Encode(v) // the asker has gone; nobody is left to tell
}
