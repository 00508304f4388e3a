package update_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/cloud/update"
)

func TestOrders(t *testing.T) {
	dir, err := os.MkdirTemp("", "o") // sockets have short names
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	dir = filepath.Join(dir, "updates")
	for range 2 { // the second takes the place of what the first left
		l, err := update.ListenOrders(dir)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		want := update.Placed{ID: "update-1", Expires: time.Unix(1, 0).UTC()}
		go func() {
			done <- update.ServeOrders(ctx, l, func(o update.Order) (update.Placed, error) {
				if o != (update.Order{Venue: "v", Gateway: "g", URL: "https://a/x.raucb", Version: "7", Force: true, Reboot: true}) {
					return update.Placed{}, errors.New("it is another order")
				}
				return want, nil
			})
		}()
		o := update.Order{Venue: "v", Gateway: "g", URL: "https://a/x.raucb", Version: "7", Force: true, Reboot: true}
		if p, err := update.Send(t.Context(), dir, o); err != nil || p != want {
			t.Errorf("%+v, %v", p, err)
		}
		if _, err := update.Send(t.Context(), dir, update.Order{}); err == nil || err.Error() != "it is another order" {
			t.Errorf("%v", err)
		}
		if _, err := update.Send(t.Context(), dir, update.Order{URL: strings.Repeat("x", 1<<20)}); err == nil {
			t.Error("an order of a megabyte was read")
		}
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%v, %v", info, err)
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("%v", err)
		}
	}
	if _, err := update.Send(t.Context(), dir, update.Order{}); err == nil || !strings.Contains(err.Error(), "has to run on this machine") {
		t.Errorf("%v", err)
	}
	if _, err := update.ListenOrders(filepath.Join(dir, strings.Repeat("x", 200))); err == nil {
		t.Error("a socket with too long a name")
	}
}
