package api

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// registerHealth adds liveness and readiness for whatever watches the process.
func (a *API) registerHealth() {
	a.describe(&huma.Operation{OperationID: "get-liveness", Method: http.MethodGet, Path: "/healthz", Summary: "Whether the process answers", Tags: []string{"health"},
		Responses: map[string]*huma.Response{"200": plain("ok")}}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok") }))
	a.describe(&huma.Operation{OperationID: "get-readiness", Method: http.MethodGet, Path: "/readyz", Summary: "Whether the aggregator may be relied on", Tags: []string{"health"},
		Responses: map[string]*huma.Response{"200": plain("ready"), "503": plain("not ready, and why")}}, http.HandlerFunc(a.serveReadiness))
}

func (a *API) serveReadiness(w http.ResponseWriter, _ *http.Request) {
	if err := a.o.Ready(); err != nil {
		say(w, http.StatusServiceUnavailable, "not ready: "+err.Error())
		return
	}
	say(w, http.StatusOK, "ready")
}

func say(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n")) // the asker has gone; nobody is left to tell
}
