package diag

import (
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What else may listen on a socket is told from a gateway, and never waited for without end.
func TestAnswersThatAreNone(t *testing.T) {
	released := make(chan struct{})
	defer close(released)
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		want    string
	}{
		"hangs": {func(http.ResponseWriter, *http.Request) { <-released }, "did not answer within 100ms; journalctl"},
		"hangs midway": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte("{"))
			w.(http.Flusher).Flush()
			<-released
		}, "did not answer within 100ms; journalctl"},
		"another program": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }, "its answer is not understood: invalid character"},
		"another version": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"lanes": {}}`)) }, "gwctl version says both"},
		"no such page":    {http.NotFound, "404 Not Found; is it of the same version"},
	} {
		t.Run(name, func(t *testing.T) {
			at := filepath.Join(t.TempDir(), "s")
			l, err := net.Listen("unix", at)
			if err != nil {
				t.Fatal(err)
			}
			server := &http.Server{Handler: c.handler}
			served := make(chan error, 1)
			go func() { served <- server.Serve(l) }()
			t.Cleanup(func() {
				_ = server.Close()
				<-served
			})
			client := NewClient(at)
			client.plain = 100 * time.Millisecond
			if !strings.HasPrefix(name, "hangs") {
				client.plain = time.Minute
			}
			if _, err := client.Status(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}
