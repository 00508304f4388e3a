package control_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/courtside-edge/courtside/cloud/control"
)

// socket is the path of one, in a folder that is not there yet: sockets have short names.
func socket(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "c")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "orders", "s.sock")
}

// listen serves orders to double a number below 100, and what is, until the test ends.
func listen(t *testing.T, path string) (end func()) {
	t.Helper()
	l, err := control.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // as after a kill
	mux := http.NewServeMux()
	mux.Handle("GET /is", control.Tell(func() string { return "so" }))
	mux.Handle("POST /double", control.Obey(func(n int) (int, error) {
		if n >= 100 {
			return 0, errors.New("that is too much")
		}
		return 2 * n, nil
	}))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- control.Serve(ctx, l, mux) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestOrdersAreObeyed(t *testing.T) {
	path := socket(t)
	c := control.NewClient(path, "doubling")
	for range 2 { // the second finds the socket of the first
		end := listen(t, path)
		n, is := 0, ""
		if err := c.Do(t.Context(), http.MethodPost, "/double", 21, &n); err != nil || n != 42 {
			t.Errorf("%d, %v", n, err)
		}
		if err := c.Do(t.Context(), http.MethodGet, "/is", nil, &is); err != nil || is != "so" {
			t.Errorf("%q, %v", is, err)
		}
		end()
	}
}

func TestRefusalsSayWhy(t *testing.T) {
	path := socket(t)
	defer listen(t, path)()
	c := control.NewClient(path, "doubling")
	for _, one := range []struct {
		what, method, path string
		in                 any
		want               string
	}{
		{"what cannot be done", http.MethodPost, "/double", 100, "that is too much"},
		{"another kind of order", http.MethodPost, "/double", "x", "reading the order: json"},
		{"an order of a megabyte", http.MethodPost, "/double", strings.Repeat("x", 1<<20), "request body too large"},
		{"an unknown order", http.MethodPost, "/triple", 1, "404"},
		{"a question that is an order", http.MethodGet, "/double", 1, "405"},
	} {
		n := 0
		if err := c.Do(t.Context(), one.method, one.path, one.in, &n); err == nil || !strings.Contains(err.Error(), one.want) {
			t.Errorf("%s: %v, want %q", one.what, err, one.want)
		}
	}
}

func TestNobodyElseMayOpenTheSocket(t *testing.T) {
	path := socket(t)
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	defer listen(t, path)()
	for _, one := range []struct {
		path string
		want os.FileMode
	}{{path, 0o600}, {filepath.Dir(path), 0o700}} {
		if info, err := os.Stat(one.path); err != nil || info.Mode().Perm() != one.want {
			t.Errorf("%v, %v, want %v", info, err, one.want)
		}
	}
}

func TestNobodyListens(t *testing.T) {
	path := socket(t)
	err := control.NewClient(path, "doubling").Do(t.Context(), http.MethodGet, "/is", nil, new(string))
	if err == nil || !strings.Contains(err.Error(), "has to run on this machine, with doubling in its configuration") {
		t.Error(err)
	}
	if _, err := control.Listen(filepath.Join(path, strings.Repeat("x", 200))); err == nil || !strings.Contains(err.Error(), "the socket for orders") {
		t.Errorf("a socket with too long a name: %v", err)
	}
}
