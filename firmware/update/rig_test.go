package update

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/firmware/diag"
	"github.com/courtside-edge/courtside/firmware/slot"
	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/identity/identitytest"
)

const domain = "courtside.test"

// content is an update of some blocks and a bit.
var content = sync.OnceValue(func() []byte {
	out := make([]byte, 5*blockBytes+777)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range out {
		out[i] = byte(r.Uint32())
	}
	return out
})

// store serves an update over mutual TLS.
type store struct {
	*httptest.Server
	mu      sync.Mutex
	tag     string
	abort   []int // how many bytes each of the next answers gives before the connection is cut
	fails   int   // so many answers are 503
	asked   int
	noRange bool
}

func serveAs(t *testing.T, a *identitytest.Authority, id identity.ID, text []byte) *store {
	t.Helper()
	s := &store{tag: `"1"`}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.answer(w, r, text) }))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	s.Listener = tls.NewListener(s.Listener, identitytest.Open(t, a, id).ServerTLS(identity.Gateway))
	s.Start()
	s.URL = "https://" + s.Listener.Addr().String()
	t.Cleanup(s.Close)
	return s
}

func (s *store) answer(w http.ResponseWriter, r *http.Request, text []byte) {
	s.mu.Lock()
	s.asked++
	left := -1
	if len(s.abort) > 0 && r.Header.Get("Range") != "bytes=0-0" {
		left, s.abort = s.abort[0], s.abort[1:]
	}
	busy := s.fails > 0
	if busy {
		s.fails--
	}
	tag, whole := s.tag, s.noRange
	s.mu.Unlock()
	switch {
	case r.URL.Path != "/x.raucb":
		http.NotFound(w, r)
		return
	case busy:
		http.Error(w, "busy", http.StatusServiceUnavailable)
		return
	case whole:
		_, _ = w.Write(text)
		return
	}
	w.Header().Set("ETag", tag)
	out := w
	if left >= 0 {
		out = &cutter{w, left}
	}
	http.ServeContent(out, r, "x.raucb", time.Time{}, bytes.NewReader(text))
}

func (s *store) set(f func()) { s.mu.Lock(); defer s.mu.Unlock(); f() }

// cutter cuts the connection after so many bytes of the body.
type cutter struct {
	http.ResponseWriter
	left int
}

func (c *cutter) Write(b []byte) (int, error) {
	if len(b) > c.left {
		_, _ = c.ResponseWriter.Write(b[:c.left])
		_ = http.NewResponseController(c.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	c.left -= len(b)
	return c.ResponseWriter.Write(b)
}

// raucFake reads updates as RAUC does. It implements slot.Installer.
type raucFake struct {
	mu      sync.Mutex
	bundle  slot.Bundle
	inspect error
	install error
	primary error
	hold    chan struct{}
	read    []byte
	sources []string
}

func (f *raucFake) Inspect(_ context.Context, source string) (slot.Bundle, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sources = append(f.sources, source)
	if strings.HasPrefix(source, "http") && f.inspect == nil {
		if _, err := part(source, 0, 4); err != nil {
			return slot.Bundle{}, err
		}
	}
	return f.bundle, f.inspect
}

func (f *raucFake) Install(ctx context.Context, source string, progress func(slot.Progress)) error {
	f.mu.Lock()
	hold, failure := f.hold, f.install
	f.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	progress(slot.Progress{Percent: 20, Step: "Checking"})
	if failure != nil {
		return failure
	}
	if !strings.HasPrefix(source, "http") {
		return nil
	}
	var all []byte
	for size := len(content()); len(all) < size; {
		text, err := part(source, len(all), min(100_000, size-len(all)))
		if err != nil {
			return err
		}
		all = append(all, text...)
	}
	f.mu.Lock()
	f.read = all
	f.mu.Unlock()
	return nil
}

func (f *raucFake) Slots(context.Context) ([]slot.State, error) {
	return []slot.State{{Slot: "rootfs.1", Name: slot.B}, {Slot: "rootfs.0", Name: slot.A, Booted: true, Good: true, Version: "1"}}, nil
}
func (f *raucFake) Primary(context.Context) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return "rootfs.0", f.primary
}
func (f *raucFake) Mark(context.Context, string, string) (string, error) { return "", nil }

// part reads a range, five times at most.
func part(source string, at, n int) (text []byte, err error) {
	for range 5 {
		var code int
		code, text, err = get(source, fmt.Sprintf("bytes=%d-%d", at, at+n-1))
		if err == nil && (code != http.StatusPartialContent || len(text) != n) {
			err = fmt.Errorf("status %d, %d of %d bytes", code, len(text), n)
		}
		if err == nil {
			break
		}
	}
	return text, err
}

func get(source, span string) (code int, text []byte, err error) {
	req, err := http.NewRequest(http.MethodGet, source, nil)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Range", span)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	text, err = io.ReadAll(resp.Body)
	return resp.StatusCode, text, err
}

// rig is an updater on an image, with everything around it.
type rig struct {
	*Updater
	t         *testing.T
	o         Options
	rauc      *raucFake
	store     *store
	authority *identitytest.Authority
	machine   slot.Machine
	now       slot.Moment
	mu        sync.Mutex
	log       bytes.Buffer
	stop      func()
}

func (r *rig) Write(b []byte) (int, error) { r.mu.Lock(); defer r.mu.Unlock(); return r.log.Write(b) }
func (r *rig) said(text string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Contains(r.log.String(), text)
}
func (r *rig) set(f func()) { r.mu.Lock(); defer r.mu.Unlock(); f() }

func newRig(t *testing.T, change ...func(*rig)) *rig {
	t.Helper()
	r := &rig{t: t, authority: identitytest.New(t, domain), rauc: &raucFake{bundle: slot.Bundle{Compatible: "courtside-x", Version: "20261124.1"}},
		machine: slot.Machine{Release: slot.Release{Image: "courtside-x", Version: "20261123.1"}, Boot: slot.Boot{Slot: slot.A, Good: slot.A}},
		now:     slot.Moment{Wall: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), Known: true, Boot: "b", Mono: time.Hour}}
	r.store = serveAs(t, r.authority, r.authority.Aggregator(), content())
	own := identitytest.Open(t, r.authority, r.authority.Gateway("dal-001", "gw-north"))
	dir := t.TempDir()
	r.o = Options{Machine: func() slot.Machine { r.mu.Lock(); defer r.mu.Unlock(); return r.machine }, Installer: r.rauc, Dir: dir,
		Now: func() slot.Moment { r.mu.Lock(); defer r.mu.Unlock(); return r.now }, TLS: func() *tls.Config { return own.ClientTLS(identity.Aggregator) },
		Seen: func() slot.Seen { return slot.Seen{Link: true} }, Fetch: Fetch{Stall: 20 * time.Second, Opening: 20 * time.Second, Patience: 20 * time.Second},
		Reboot: filepath.Join(dir, "reboot"), Log: slog.New(slog.NewTextHandler(r, nil))}
	for _, c := range change {
		c(r)
	}
	r.run()
	return r
}

// run makes an updater and runs it until the test's end or stop, which waits.
func (r *rig) run() {
	ctx, cancel := context.WithCancel(context.Background())
	u := New(ctx, r.o)
	r.Updater = u
	done := make(chan struct{})
	go func() { defer close(done); u.Run(ctx) }()
	r.stop = func() { cancel(); <-done }
	r.t.Cleanup(r.stop)
}

func (r *rig) until(what string, ok func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("waited a minute until %s; %+v", what, r.Update(r.t.Context()).Install)
		}
	}
}

func (r *rig) address() string { return r.store.URL + "/x.raucb" }

// ends waits for the install to end.
func (r *rig) ends() diag.Install {
	r.t.Helper()
	r.until("the install ends", func() bool { return r.Update(r.t.Context()).Install.State != "running" })
	return r.Update(r.t.Context()).Install
}

// installs begins an install and waits for its end.
func (r *rig) installs(req diag.InstallRequest) (diag.Install, error) {
	r.t.Helper()
	if _, err := r.InstallUpdate(r.t.Context(), req); err != nil {
		return diag.Install{}, err
	}
	return r.ends(), nil
}

// refused asks for an install that has to be refused, for a kind of reason.
func (r *rig) refused(req diag.InstallRequest, kind error, name, says string) {
	r.t.Helper()
	before := r.Update(r.t.Context()).Refused[name]
	_, err := r.InstallUpdate(r.t.Context(), req)
	if err == nil || !errors.Is(err, diag.ErrRefused) || kind != nil && !errors.Is(err, kind) || !strings.Contains(err.Error(), says) {
		r.t.Errorf("%+v: %v; want a refusal that says %q", req, err, says)
	}
	if n := r.Update(r.t.Context()).Refused[name]; n != before+1 {
		r.t.Errorf("%+v: %d refusals are counted as %s, %d before", req, n, name, before)
	}
	if !r.said("an update is refused") || !r.said("reason="+name) {
		r.t.Errorf("%+v: the log does not say so", req)
	}
}

func (r *rig) rebootAsked() bool { _, err := os.Stat(r.o.Reboot); return err == nil }

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
