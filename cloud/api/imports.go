package api

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/courtside-edge/courtside/sync/point"
)

// Imported is what became of an export that was carried here by hand.
type Imported struct {
	Venue      point.ID  `json:"venue"`
	Gateway    point.ID  `json:"gateway"`
	Made       time.Time `json:"made"`              // on the gateway's clock
	Batches    int       `json:"batches"`           // new, and durable now
	Duplicates int       `json:"duplicates"`        // that were here already
	Tables     int       `json:"tables"`            // parts of point tables
	Refused    int       `json:"refused"`           // records whose signature or form is wrong
	Reason     string    `json:"reason,omitempty"`  // of the first of them
	Problem    string    `json:"problem,omitempty"` // why the rest of the file was not read
}

// MaxExportAge is how far back an export may have been made unless asked otherwise, and MaxExportAgeLimit the most that may be asked for.
const (
	MaxExportAge      = 7 * 24 * time.Hour
	MaxExportAgeLimit = 400 * 24 * time.Hour
)

// Importer takes in an export.
type Importer func(ctx context.Context, file io.Reader, maxAge time.Duration) (Imported, error)

// registerImport adds POST /v1/import. Its body is a file of any length, so it is none of huma's operations.
func (a *API) registerImport() {
	if a.o.Import == nil {
		return
	}
	answer := a.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Imported](), true, "Imported")
	a.describe(&huma.Operation{OperationID: "import-export", Method: http.MethodPost, Path: "/v1/import", Summary: "Take in an export that was carried here by hand",
		Description: "Answered on the aggregator's own machine only.", Tags: []string{"gateways"},
		Parameters:  []*huma.Param{{Name: "max_age", In: "query", Description: "how far back the export may have been made, as 168h", Schema: &huma.Schema{Type: huma.TypeString, Default: MaxExportAge.String()}}},
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/octet-stream": {}}},
		Responses: map[string]*huma.Response{"200": {Description: "What became of it", Content: map[string]*huma.MediaType{"application/json": {Schema: answer}}},
			"403": a.problemResponse("Not from the aggregator's own machine"), "422": a.problemResponse("Not an export that may be taken in")}}, http.HandlerFunc(a.serveImport))
}

func (a *API) serveImport(w http.ResponseWriter, r *http.Request) {
	if why := notLocal(r.RemoteAddr, r.Header.Get); why != "" {
		a.fail(w, http.StatusForbidden, why)
		return
	}
	age := MaxExportAge
	if s := r.URL.Query().Get("max_age"); s != "" {
		var err error
		if age, err = time.ParseDuration(s); err != nil || age <= 0 || age > MaxExportAgeLimit {
			a.fail(w, http.StatusUnprocessableEntity, "max_age "+s+" is no duration from 1ns to "+MaxExportAgeLimit.String()+"; write it as 168h")
			return
		}
	}
	out, err := a.o.Import(r.Context(), r.Body, age)
	if err != nil && out.Batches+out.Duplicates+out.Tables+out.Refused == 0 {
		a.fail(w, http.StatusUnprocessableEntity, err.Error())
		return
	}
	if err != nil { // what came before it is in
		out.Problem = err.Error()
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(out) // the asker has gone; nobody is left to tell
}
