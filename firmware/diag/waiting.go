package diag

import (
	"context"
	"fmt"
	"net/http"
)

// Waiter is a gateway that waits for its configuration.
type Waiter interface {
	Status() Status
	Logs() []Record
	Doctor(ctx context.Context) []Finding
	// Reload looks for the configuration at once; its error says what is wrong with it.
	Reload(ctx context.Context) (Reload, error)
}

// LocalWaiting is Local of a gateway that waits: whatever needs a configuration is refused, with the reason.
func LocalWaiting(g Waiter, permit func(ctx context.Context) error) http.Handler {
	mux := http.NewServeMux()
	for _, path := range []string{"GET /status", "GET /healthz"} {
		mux.Handle(path, Public(g.Status, nil))
	}
	mux.HandleFunc("GET /logs", func(w http.ResponseWriter, _ *http.Request) { answer(w, g.Logs(), nil) })
	mux.HandleFunc("GET /doctor", func(w http.ResponseWriter, r *http.Request) { answer(w, g.Doctor(r.Context()), nil) })
	mux.HandleFunc("POST /reload", func(w http.ResponseWriter, r *http.Request) {
		out, err := g.Reload(r.Context())
		answer(w, out, err)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, nil, fmt.Errorf("%w: the gateway waits for its configuration: %s", ErrRefused, g.Status().Waiting))
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if permit != nil {
			if err := permit(r.Context()); err != nil {
				answer(w, nil, err)
				return
			}
		}
		mux.ServeHTTP(w, r)
	})
}
