package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/cloud/api"
)

func TestImport(t *testing.T) {
	var got api.Imported
	var failed error
	var age time.Duration
	var read string
	s := httptest.NewServer(api.New(api.Options{Import: func(_ context.Context, file io.Reader, max time.Duration) (api.Imported, error) {
		b, err := io.ReadAll(file)
		read, age = string(b), max
		return got, errors.Join(failed, err)
	}}))
	t.Cleanup(s.Close)
	addr := s.Listener.Addr().String()
	file := filepath.Join(t.TempDir(), "a.export")
	if err := os.WriteFile(file, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	got = api.Imported{Venue: "dal-001", Gateway: "gw-north", Batches: 3, Duplicates: 1}
	out, err := run("import", file, "--api", addr)
	if err != nil || !strings.Contains(out, "gateway gw-north of venue dal-001") || !strings.Contains(out, "3 batches taken in, 1 were here already, 0 refused") {
		t.Errorf("%v\n%s", err, out)
	}
	if read != "content" || age != api.MaxExportAge {
		t.Errorf("the aggregator got %q, at most %v old", read, age)
	}
	if _, err := run("import", file, "--api", addr, "--max-age", "240h"); err != nil || age != 240*time.Hour {
		t.Errorf("--max-age: %v %v", age, err)
	}
	failed = errors.New("cut off")
	if _, err := run("import", file, "--api", addr); err == nil || !strings.Contains(err.Error(), "the rest was not read: cut off") {
		t.Errorf("a file cut off: %v", err)
	}
	got = api.Imported{}
	if _, err := run("import", file, "--api", addr); err == nil || !strings.Contains(err.Error(), "the aggregator says: cut off") {
		t.Errorf("nothing taken: %v", err)
	}
	failed, got = nil, api.Imported{Refused: 2, Reason: "the signature is wrong"}
	if _, err := run("import", file, "--api", addr); err == nil || !strings.Contains(err.Error(), "2 records were refused") {
		t.Errorf("refused: %v", err)
	}
	for _, args := range [][]string{{"import"}, {"import", "/nowhere/x", "--api", addr}, {"import", file, "--api", addr, "--max-age", "-1h"}} {
		if _, err := run(args...); err == nil {
			t.Errorf("%v succeeds", args)
		}
	}
	req, err := http.NewRequest(http.MethodPost, s.URL+"/v1/import", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Origin", "http://elsewhere")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("a page in a browser gets %s", resp.Status)
	}
}
