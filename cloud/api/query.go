package api

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Moment is a time in a query.
type Moment struct {
	time.Time
	Given bool
}

// UnmarshalText reads RFC 3339. A plus sign that was not encoded comes as a space, which is worth a word.
func (m *Moment) UnmarshalText(text []byte) error {
	t, err := time.Parse(time.RFC3339Nano, string(text))
	switch {
	case err == nil:
		m.Time, m.Given = t, true
		return nil
	case strings.Contains(string(text), " "):
		return errors.New("write RFC 3339 without spaces, as 2026-11-23T17:00:00Z; a + in a query is written %2B")
	}
	return errors.New("write RFC 3339 with a zone, as 2026-11-23T17:00:00Z")
}

// Schema describes it.
func (*Moment) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Format: "date-time", Examples: []any{"2026-11-23T17:00:00Z"}}
}

// strictQuery refuses parameters that an operation does not know, that come twice or that cannot be read: whoever mistypes one would
// take the answer without it for the one that was asked for.
func (a *API) strictQuery(ctx huma.Context, next func(huma.Context)) {
	asked := ctx.URL()
	if asked.RawQuery == "" {
		next(ctx)
		return
	}
	if problems := badQuery(asked.RawQuery, ctx.Operation()); len(problems) > 0 {
		_ = huma.WriteErr(a.huma, ctx, http.StatusUnprocessableEntity, invalid, problems...)
		return
	}
	next(ctx)
}

func badQuery(raw string, op *huma.Operation) []error {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return []error{&huma.ErrorDetail{Location: "query", Message: "cannot be read: " + err.Error() + "; percent-encode what is special", Value: raw}}
	}
	var known []string
	for _, p := range op.Parameters {
		if p.In == "query" {
			known = append(known, p.Name)
		}
	}
	takes := "takes no parameters"
	if len(known) > 0 {
		takes = "takes " + strings.Join(known, ", ")
	}
	var out []error
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		switch {
		case !slices.Contains(known, name):
			out = append(out, &huma.ErrorDetail{Location: "query." + name, Message: "is no parameter here; " + op.OperationID + " " + takes, Value: values[name][0]})
		case len(values[name]) > 1:
			out = append(out, &huma.ErrorDetail{Location: "query." + name, Message: "is given more than once; give it once", Value: values[name]})
		}
	}
	return out
}

// invalid is what huma says of parameters; saying puts what is wrong in its place.
const invalid = "validation failed"

// saying makes a problem's detail say what is wrong, so that a client that shows nothing else shows enough.
func saying(_ huma.Context, _ string, v any) (any, error) {
	p, ok := v.(*huma.ErrorModel)
	if !ok || p.Detail != invalid || len(p.Errors) == 0 {
		return v, nil
	}
	parts := make([]string, len(p.Errors))
	for i, e := range p.Errors {
		parts[i] = fmt.Sprintf("%s: %s", e.Location, e.Message)
	}
	out := *p
	out.Detail = strings.Join(parts, "; ")
	return &out, nil
}
