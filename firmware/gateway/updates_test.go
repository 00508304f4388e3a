package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/firmware/config"
	"github.com/courtside-edge/courtside/firmware/diag"
	"github.com/courtside-edge/courtside/firmware/gateway"
	"github.com/courtside-edge/courtside/firmware/slot"
)

// writer is RAUC that writes what it is told.
type writer struct{ installs atomic.Int32 }

func (w *writer) Inspect(context.Context, string) (slot.Bundle, error) {
	return slot.Bundle{Compatible: "courtside-x", Version: "20261124.1"}, nil
}
func (w *writer) Install(context.Context, string, func(slot.Progress)) error {
	w.installs.Add(1)
	return nil
}
func (w *writer) Slots(context.Context) ([]slot.State, error)          { return nil, nil }
func (w *writer) Primary(context.Context) (string, error)              { return "", nil }
func (w *writer) Mark(context.Context, string, string) (string, error) { return "", nil }

// asImage starts the rig's gateway as that of an image, and returns who asks it on its socket.
func (r *rig) asImage(w *writer) (*gateway.Gateway, *diag.Client) {
	r.t.Helper()
	c, err := config.Load(r.file, r.drivers)
	if err != nil {
		r.t.Fatal(err)
	}
	load := func() (*config.Config, error) { return config.Load(r.file, r.drivers) }
	g, err := gateway.Start(context.Background(), c, gateway.Deps{Version: "test", Log: r.log, Dial: r.c.dial, Load: load, Image: gateway.Image{Installer: w, Reboot: filepath.Join(r.t.TempDir(), "reboot"),
		Machine: func() slot.Machine {
			return slot.Machine{Release: slot.Release{Image: "courtside-x", Version: "20261123.1"}, Boot: slot.Boot{Slot: slot.A, Good: slot.A}}
		}}})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = g.Close() })
	return g, diag.NewClient(filepath.Join(r.dataDir(), diag.SocketName))
}

// A day with updates, as gwctl asks for it: an event refuses them visibly, its end lets them in, a reload brings a calendar.
func TestUpdatesOverTheSocket(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	heard := r.listen()
	w, address := &writer{}, r.listens()
	g, ask := r.asImage(w)
	ctx := t.Context()
	if e, err := ask.BeginEvent(ctx, time.Hour); err != nil || e.By != "command" {
		t.Fatalf("%+v, %v", e, err)
	}
	_, err := ask.InstallUpdate(ctx, diag.InstallRequest{Source: "/x.raucb"})
	if !errors.Is(err, diag.ErrRefused) || !strings.Contains(err.Error(), "an event begun by command") || diag.ExitOf(err) != diag.ExitRefused {
		t.Errorf("%v", err)
	}
	s, err := ask.Status(ctx)
	if err != nil || s.Update == nil || s.Update.Event == nil || s.Update.Refused["event"] != 1 {
		t.Errorf("%+v, %v", s.Update, err)
	}
	if err := ask.Reboot(ctx, false); !errors.Is(err, diag.ErrRefused) {
		t.Errorf("a reboot: %v", err)
	}
	if !heard.has("an update is refused") {
		t.Error("the log does not say so")
	}
	if m := metrics(t, address); !strings.Contains(m, `courtside_gateway_updates_refused_total{reason="event"} 2`) || !strings.Contains(m, "courtside_gateway_event_open 1") ||
		!strings.Contains(m, `courtside_gateway_image_info{slot="A",version="20261123.1"} 1`) {
		t.Errorf("metrics: %s", m)
	}
	if e, err := ask.EndEvent(ctx); e != nil || err != nil {
		t.Errorf("%+v, %v", e, err)
	}
	if _, err := ask.InstallUpdate(ctx, diag.InstallRequest{Source: "/x.raucb"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string {
		if u, err := ask.Update(ctx); err != nil || u.Install.State != "done" || u.Installs["done"] != 1 {
			return "the install has not ended"
		}
		return ""
	})
	r.add("updates: {events: [{name: always, days: [sun, mon, tue, wed, thu, fri, sat], from: \"00:00\", to: \"24:00\", timezone: UTC}]}\n")
	if out, err := ask.Reload(ctx); err != nil || len(out.Waiting) != 0 {
		t.Fatalf("%+v, %v", out, err)
	}
	if _, err := ask.InstallUpdate(ctx, diag.InstallRequest{Source: "/x.raucb"}); !errors.Is(err, diag.ErrRefused) {
		t.Errorf("after the reload: %v", err)
	}
	if n := w.installs.Load(); n != 1 {
		t.Errorf("%d installs, want 1", n)
	}
	r.close(g)
}

// add adds to the rig's configuration.
func (r *rig) add(text string) {
	r.t.Helper()
	old, err := os.ReadFile(r.file)
	if err == nil {
		err = os.WriteFile(r.file, append(old, text...), 0o600)
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// metrics returns what the gateway tells Prometheus at address.
func metrics(t *testing.T, address string) string {
	t.Helper()
	resp, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// listens has the gateway serve its metrics, and returns where.
func (r *rig) listens() string {
	r.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.t.Fatal(err)
	}
	address := l.Addr().String()
	text, err := os.ReadFile(r.file)
	if err = errors.Join(err, l.Close()); err == nil {
		err = os.WriteFile(r.file, []byte(strings.Replace(string(text), `diag: {listen: ""}`, fmt.Sprintf("diag: {listen: %q}", address), 1)), 0o600)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return address
}
