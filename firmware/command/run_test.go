package command

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/firmware/diag"
)

// TestTheLightFollows shows what the gateway's status says, and is dark in the end.
func TestTheLightFollows(t *testing.T) {
	class := t.TempDir()
	dir := filepath.Join(class, "status")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"brightness", "max_brightness", "trigger", "delay_on", "delay_off"} {
		if err := os.WriteFile(filepath.Join(dir, file), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv(ledVariable, "status")
	r := runner{lights: class}
	waits := func() diag.Status { return diag.Status{Waiting: "no configuration yet"} }
	r.status.Store(&waits)
	dark := r.shine(context.Background(), slog.New(slog.DiscardHandler))
	await(t, dir, "delay_off", "1000")
	runs := func() diag.Status { return diag.Status{Link: diag.Link{State: "up"}} }
	r.status.Store(&runs)
	await(t, dir, "brightness", "1")
	dark()
	await(t, dir, "brightness", "0")
}

func await(t *testing.T, dir, file, want string) {
	t.Helper()
	var got string
	for began := time.Now(); time.Since(began) < 30*time.Second; time.Sleep(10 * time.Millisecond) {
		raw, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		if got = strings.TrimSpace(string(raw)); got == want {
			return
		}
	}
	t.Fatalf("%s never is %q, but %q", file, want, got)
}
