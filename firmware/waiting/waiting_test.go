package waiting_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/courtside-edge/courtside/firmware/config"
	"github.com/courtside-edge/courtside/firmware/diag"
	"github.com/courtside-edge/courtside/firmware/waiting"
)

// file is a configuration that is there or not.
type file struct {
	path string
	mu   sync.Mutex
	err  error
	read int
}

func (f *file) load() (*config.Config, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.read++
	if f.err != nil {
		return nil, f.err
	}
	return &config.Config{Gateway: "gw-north", Devices: make([]config.Device, 1)}, nil
}

func (f *file) become(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *file) reads() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.read
}

var errAbsent = fmt.Errorf("reading the configuration: %w", fs.ErrNotExist)

func shortDir(t *testing.T) string { // a socket's path is short
	t.Helper()
	dir, err := os.MkdirTemp("", "w")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// TestItAnswersAndStarts asks over the socket, then gives it a configuration.
func TestItAnswersAndStarts(t *testing.T) {
	dir := shortDir(t)
	f := &file{path: filepath.Join(dir, "gateway.yaml"), err: errAbsent}
	g := waiting.New(waiting.Options{File: f.path, Load: f.load, Dir: dir, Version: "v1", Log: slog.New(slog.DiscardHandler)}, f.err)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		c, err := g.Run(ctx)
		if err == nil && c.Gateway != "gw-north" {
			err = fmt.Errorf("it returns %+v", c)
		}
		done <- err
	}()
	client := diag.NewClient(filepath.Join(dir, diag.SocketName))
	var s diag.Status
	var err error
	for s, err = client.Status(ctx); errors.Is(err, diag.ErrNotRunning) && ctx.Err() == nil; s, err = client.Status(ctx) {
		time.Sleep(5 * time.Millisecond)
	}
	if err != nil || !strings.HasPrefix(s.Waiting, "no configuration yet: put courtside.yaml") || s.Version != "v1" || len(s.Problems) != 1 {
		t.Fatalf("the status is %+v, %v", s, err)
	}
	findings, err := client.Doctor(ctx)
	if err != nil || len(findings) != 1 || findings[0].Grade != diag.Fail || !strings.Contains(findings[0].Next, "COURTSIDE") {
		t.Errorf("the doctor says %+v, %v", findings, err)
	}
	if _, err := client.Points(ctx, diag.Query{}); !errors.Is(err, diag.ErrRefused) || !strings.Contains(err.Error(), "no configuration yet") {
		t.Errorf("asked for points it says %v", err)
	}
	f.become(errors.New("gateway.yaml:1:2: wrong"))
	if _, err := client.Reload(ctx); !errors.Is(err, diag.ErrRefused) || !strings.Contains(err.Error(), "gateway.yaml:1:2: wrong") {
		t.Errorf("told to read a file with faults it says %v", err)
	}
	if s, err = client.Status(ctx); err != nil || s.Waiting != "the configuration has faults: gateway.yaml:1:2: wrong" {
		t.Errorf("the status is %+v, %v", s, err)
	}
	if logs, err := client.Logs(ctx); err != nil || len(logs) == 0 {
		t.Errorf("the logs are %v, %v", logs, err)
	}
	f.become(nil)
	if r, err := client.Reload(ctx); err != nil || len(r.Added) != 1 {
		t.Errorf("told to read a right file it says %+v, %v", r, err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := client.Status(ctx); !errors.Is(err, diag.ErrNotRunning) {
		t.Errorf("the socket is not free for the gateway: %v", err)
	}
}

// TestItLooksByItself finds a file that came, and a file that changed; the log is told what is news, and otherwise once a minute.
func TestItLooksByItself(t *testing.T) {
	dir := t.TempDir()
	f := &file{path: filepath.Join(dir, "gateway.yaml"), err: errAbsent}
	sealed := filepath.Join(dir, "sealed") // nobody can listen there, which synctest could not wait for
	if err := os.WriteFile(sealed, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		var said bytes.Buffer
		g := waiting.New(waiting.Options{File: f.path, Load: f.load, Dir: filepath.Join(sealed, "d"), Log: slog.New(slog.NewTextHandler(&said, nil))}, f.err)
		began := time.Now()
		go func() {
			time.Sleep(10*time.Minute + time.Second)
			if n := f.reads(); n != 0 {
				t.Errorf("without a file it read %d times", n)
			}
			f.become(errors.New("wrong"))
			if err := os.WriteFile(f.path, []byte("x"), 0o600); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Minute)
			if n := f.reads(); n < 2 || n > 4 {
				t.Errorf("in a minute a file with faults was read %d times", n)
			}
			f.become(nil) // a file that it names was put right
		}()
		c, err := g.Run(t.Context())
		if err != nil || c == nil {
			t.Fatalf("it ends with %v", err)
		}
		if took := time.Since(began); took < 11*time.Minute || took > 12*time.Minute {
			t.Errorf("it took %v", took)
		}
		if n := strings.Count(said.String(), "no configuration yet"); n < 10 || n > 12 {
			t.Errorf("in ten minutes the log says %d times that there is none:\n%s", n, said.String())
		}
		if n := strings.Count(said.String(), "has faults: wrong"); n < 1 || n > 2 {
			t.Errorf("the log says %d times that it has faults", n)
		}
		if !strings.Contains(said.String(), "gwctl will find no gateway") {
			t.Error("the log does not say that nobody can ask")
		}
	})
}

func TestASignalLooksAtOnce(t *testing.T) {
	wake := make(chan os.Signal, 1)
	f := &file{path: filepath.Join(t.TempDir(), "absent"), err: errAbsent}
	g := waiting.New(waiting.Options{File: f.path, Load: f.load, Dir: shortDir(t), Log: slog.New(slog.DiscardHandler), Wake: wake}, f.err)
	f.become(nil)
	wake <- os.Interrupt
	if c, err := g.Run(t.Context()); err != nil || c == nil {
		t.Errorf("it ends with %v", err)
	}
}

func TestItEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	g := waiting.New(waiting.Options{File: "absent", Load: (&file{err: errAbsent}).load, Dir: shortDir(t), Log: slog.New(slog.DiscardHandler)}, errAbsent)
	if _, err := g.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("it ends with %v", err)
	}
}
