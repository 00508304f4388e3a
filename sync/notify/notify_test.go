package notify

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// heard is what was said, and when.
type heard struct {
	mu   sync.Mutex
	said []string
	at   []time.Duration
}

func (h *heard) service(interval time.Duration, log *bytes.Buffer) *Service {
	began := time.Now()
	return &Service{heard: true, interval: interval, log: slog.New(slog.NewTextHandler(log, nil)), send: func(state string) error {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.said, h.at = append(h.said, state), append(h.at, time.Since(began))
		return nil
	}}
}

// pets returns when the watchdog was told.
func (h *heard) pets() (at []time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, s := range h.said {
		if strings.HasPrefix(s, "WATCHDOG=1") {
			at = append(at, h.at[i])
		}
	}
	return at
}

func fine(context.Context) error { return nil }

func ok() string { return "well" }

func TestAHealthyProgramPetsAtHalfTheInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h heard
		var log bytes.Buffer
		ctx, cancel := context.WithTimeout(t.Context(), 65*time.Second)
		defer cancel()
		h.service(20*time.Second, &log).Watch(ctx, ok, Part{"a", fine}, Part{"b", func(ctx context.Context) error {
			time.Sleep(9 * time.Second) // slow, and still within the round
			return nil
		}})
		want := []time.Duration{9, 19, 29, 39, 49, 59}
		got := h.pets()
		for i := range got {
			got[i] /= time.Second
		}
		if !slices.Equal(got, want) || log.Len() > 0 {
			t.Errorf("petted at %v s, want %v; log: %s", got, want, log.String())
		}
		if n := strings.Count(strings.Join(h.said, "\n"), "STATUS="); n != 1 {
			t.Errorf("a status that never changed was told %d times: %q", n, h.said)
		}
	})
}

func TestAPartThatHangsStopsThePetting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h heard
		var log bytes.Buffer
		lock := make(chan struct{}, 1) // a mutex that virtual time can wait for
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			h.service(20*time.Second, &log).Watch(ctx, ok, Part{"well", fine}, Part{"stuck", func(context.Context) error {
				lock <- struct{}{}
				<-lock
				return nil
			}})
		}()
		time.Sleep(25 * time.Second)
		before := len(h.pets())
		lock <- struct{}{}
		time.Sleep(10 * time.Minute)
		during := h.pets()
		<-lock
		time.Sleep(21 * time.Second)
		after := len(h.pets())
		cancel()
		<-ended
		if before != 3 || len(during) != 3 || after < 5 {
			t.Errorf("petted %d times before, %d times until the end of the hang, %d times in all", before, len(during), after)
		}
		if n := strings.Count(log.String(), "part=stuck"); n != 1 || strings.Contains(log.String(), "part=well") {
			t.Errorf("the log does not name the one part that hung, once:\n%s", log.String())
		}
	})
}

func TestAPartThatSaysItIsStuckStopsThePetting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h heard
		var log bytes.Buffer
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		h.service(20*time.Second, &log).Watch(ctx, ok, Part{"well", fine}, Part{"device plc-1", func(context.Context) error { return errors.New("no turn for 16m") }})
		if n := len(h.pets()); n != 0 || !strings.Contains(log.String(), "no turn for 16m") {
			t.Errorf("petted %d times; log: %s", n, log.String())
		}
	})
}

func TestWithoutAWatchdogTheStatusIsToldAllTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h heard
		var log bytes.Buffer
		ctx, cancel := context.WithTimeout(t.Context(), 2*StatusEvery+time.Second)
		defer cancel()
		n := 0
		h.service(0, &log).Watch(ctx, func() string { n++; return strconv.Itoa(n) + " devices\nup" })
		if !slices.Equal(h.said, []string{"WATCHDOG=1\nSTATUS=1 devices; up", "WATCHDOG=1\nSTATUS=2 devices; up", "WATCHDOG=1\nSTATUS=3 devices; up"}) {
			t.Errorf("said %q", h.said)
		}
	})
}

// A real socket hears what systemd would, from the environment that systemd gives.
func TestARealSocketHears(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify.sock")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "20000")
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	next := func() string {
		t.Helper()
		b := make([]byte, 4096)
		if err := l.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, err := l.Read(b)
		if err != nil {
			t.Fatalf("waiting 30 s for a datagram: %v", err)
		}
		return string(b[:n])
	}
	s := FromEnvironment(nil)
	s.Ready("2 of 2 devices answer")
	s.Reloading()
	s.Ready("2 of 2 devices answer")
	s.Allow(15 * time.Minute)
	s.Allow(0)
	for _, want := range []string{"READY=1\nSTATUS=2 of 2 devices answer", "RELOADING=1", "READY=1", "WATCHDOG_USEC=900000000", "WATCHDOG_USEC=20000"} {
		if got := next(); got != want {
			t.Errorf("heard %q, want %q", got, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	held, release := make(chan struct{}), make(chan struct{})
	asked := 0
	go func() {
		defer close(ended)
		s.Watch(ctx, ok, Part{"loop", func(context.Context) error {
			if asked++; asked == 4 {
				close(held)
				<-release
			}
			return nil
		}})
	}()
	for i, want := range []string{"WATCHDOG=1\nSTATUS=well", "WATCHDOG=1", "WATCHDOG=1"} {
		if got := next(); got != want {
			t.Errorf("pet %d is %q, want %q", i, got, want)
		}
	}
	<-held
	s.Stopping() // comes next, whatever time passes: nobody pets while the loop hangs
	if got := next(); got != "STOPPING=1" {
		t.Errorf("heard %q while a part hung", got)
	}
	close(release)
	if got := next(); got != "WATCHDOG=1" {
		t.Errorf("heard %q after the hang", got)
	}
	cancel()
	<-ended
}

func TestTheEndIsSaidWhenItWasAskedFor(t *testing.T) {
	for name, want := range map[string]string{"told to stop": "WATCHDOG=1\nSTATUS=well|STOPPING=1", "ended by itself": "WATCHDOG=1\nSTATUS=well"} {
		synctest.Test(t, func(t *testing.T) {
			var h heard
			var log bytes.Buffer
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			ended := h.service(20*time.Second, &log).Attend(ctx, ok, Part{"a", fine})
			synctest.Wait()
			if name == "told to stop" {
				stop()
				synctest.Wait()
			}
			ended()
			if got := strings.Join(h.said, "|"); got != want {
				t.Errorf("%s: said %q, want %q", name, got, want)
			}
		})
	}
}

func TestNobodyListens(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	t.Setenv("WATCHDOG_USEC", "never")
	var log bytes.Buffer
	s := FromEnvironment(slog.New(slog.NewTextHandler(&log, nil)))
	s.Ready("well")
	s.Watch(t.Context(), ok, Part{"a", func(context.Context) error { return errors.New("asked") }}) // returns at once
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "WATCHDOG_USEC") {
		t.Errorf("log: %s", got)
	}
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "gone.sock"))
	t.Setenv("WATCHDOG_USEC", "")
	log.Reset()
	s = FromEnvironment(slog.New(slog.NewTextHandler(&log, nil)))
	s.Ready("well")
	s.Stopping()
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "gone.sock") {
		t.Errorf("a socket that is gone is said once: %s", got)
	}
}
