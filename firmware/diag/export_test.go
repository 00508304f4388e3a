package diag_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/courtside-edge/courtside/firmware/diag"
)

// exporting is a gateway that exports as it is told.
type exporting struct {
	diag.Gateway
	text string
	err  error
}

func (e exporting) Export(_ context.Context, w io.Writer) (diag.Export, error) {
	_, err := io.WriteString(w, e.text)
	return diag.Export{Batches: 3}, errors.Join(err, e.err)
}

func ask(t *testing.T, g diag.Gateway) *diag.Client {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: diag.Local(g, nil)}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }() // ends with Close
	t.Cleanup(func() { _ = s.Close(); <-done })
	return diag.NewClient(socket)
}

func TestExportIsWholeOrAnError(t *testing.T) {
	large := strings.Repeat("x", 1<<20)
	for name, c := range map[string]struct {
		gateway exporting
		fails   bool
		kind    error
	}{
		"whole":            {exporting{text: large}, false, nil},
		"refused at once":  {exporting{err: fmt.Errorf("no SVID: %w", diag.ErrRefused)}, true, diag.ErrRefused},
		"broken off":       {exporting{text: large, err: errors.New("the disk fails")}, true, nil},
		"broken off early": {exporting{text: "x", err: errors.New("the disk fails")}, true, nil},
	} {
		var out bytes.Buffer
		got, err := ask(t, c.gateway).Export(context.Background(), &out)
		if (err != nil) != c.fails || c.kind != nil && !errors.Is(err, c.kind) {
			t.Errorf("%s: %v", name, err)
		}
		if !c.fails && (out.String() != large || got.Batches != 3) {
			t.Errorf("%s: %d bytes, %+v", name, out.Len(), got)
		}
	}
}
