package enrol

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/courtside-edge/courtside/sync/join"
)

func TestControl(t *testing.T) {
	r := newRig(t)
	dir, err := os.MkdirTemp("", "d") // sockets have short names
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	c := NewClient(dir)
	if _, err := c.List(t.Context()); err == nil || !strings.Contains(err.Error(), "has to run") {
		t.Errorf("nobody runs: %v", err)
	}
	for range 2 { // the second finds the socket of the first
		l, err := ListenControl(dir)
		if err != nil {
			t.Fatal(err)
		}
		l.(*net.UnixListener).SetUnlinkOnClose(false)
		if info, err := os.Stat(filepath.Join(dir, socketName)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.d.ServeControl(ctx, l) }()
		made, err := c.Create(t.Context(), Order{Gateway: north.String(), For: "1h"})
		if err != nil {
			t.Fatal(err)
		}
		if k, err := join.Parse(made.Line); err != nil || k.ID() != made.Kept.ID() || k.Address != r.o.Address || k.Authority != r.o.Authority.Hash() {
			t.Errorf("%v, %v", k, err)
		}
		if all, err := c.List(t.Context()); err != nil || len(all) == 0 || all[0].ID() != made.Kept.ID() {
			t.Errorf("%v, %v", all, err)
		}
		if done, err := c.Revoke(t.Context(), Revocation{What: made.Kept.ID()}); err != nil || done.Tokens != 1 {
			t.Errorf("%v, %v", done, err)
		}
		for _, o := range []Order{{Gateway: "x", For: "1h"}, {Gateway: north.String(), For: "soon"}, {Gateway: "lax-001/gw", For: "1h"}} {
			if _, err := c.Create(t.Context(), o); err == nil {
				t.Errorf("%+v was obeyed", o)
			}
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
