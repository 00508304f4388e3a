package api

import (
	"encoding/json"
	"net/http"
	"sync"

	"github.com/danielgtaylor/huma/v2"
)

// describe registers a handler that is none of huma's, and puts it into the document.
func (a *API) describe(op *huma.Operation, serve http.Handler) {
	a.mux.Handle(op.Method+" "+op.Path, serve)
	a.huma.OpenAPI().AddOperation(op)
}

// plain describes an answer of text.
func plain(what string) *huma.Response {
	return &huma.Response{Description: what, Content: map[string]*huma.MediaType{"text/plain": {Schema: &huma.Schema{Type: huma.TypeString}}}}
}

func (a *API) registerMetrics() {
	if a.o.Metrics == nil {
		return
	}
	a.describe(&huma.Operation{OperationID: "get-metrics", Method: http.MethodGet, Path: "/metrics", Summary: "Metrics for Prometheus", Tags: []string{"health"},
		Responses: map[string]*huma.Response{"200": plain("In the text format, or in that of OpenMetrics when asked for by Accept")}}, a.o.Metrics)
}

// registerOpenAPI serves the document beside the paths that it describes, too.
func (a *API) registerOpenAPI() {
	made := sync.OnceValues(a.OpenAPI)
	a.mux.HandleFunc("GET /v1/openapi.json", func(w http.ResponseWriter, r *http.Request) {
		doc, err := made()
		if err != nil {
			a.fail(w, http.StatusInternalServerError, err.Error())
			return
		}
		serveKept(w, r, "application/openapi+json", tagOf(doc), doc)
	})
}

// problemResponse describes an error.
func (a *API) problemResponse(what string) *huma.Response {
	return &huma.Response{Description: what, Content: map[string]*huma.MediaType{"application/problem+json": {Schema: &huma.Schema{Ref: "#/components/schemas/ErrorModel"}}}}
}

// fail writes a problem as the operations of huma do.
func (a *API) fail(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(huma.ErrorModel{Title: http.StatusText(status), Status: status, Detail: detail}) // the asker has gone; nobody is left to tell
}
