package update

import (
	"context"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/courtside-edge/courtside/cloud/control"
)

// socketName is the name of the socket on which orders to update are taken, in its directory.
const socketName = "orders.sock"

// Order tells a gateway to install an update.
type Order struct {
	Venue   string `json:"venue"`
	Gateway string `json:"gateway"`
	URL     string `json:"url"`
	Version string `json:"version,omitempty"` // that the update has to have; empty for any that is newer
	Force   bool   `json:"force,omitempty"`   // in spite of an event
	Reboot  bool   `json:"reboot,omitempty"`  // when it is installed
}

// Placed is an order that went out.
type Placed struct {
	ID      string    `json:"id"`      // of the command
	Expires time.Time `json:"expires"` // the gateway overlooks it later
}

// ListenOrders opens the socket in dir on which this machine's owner gives orders.
func ListenOrders(dir string) (net.Listener, error) {
	return control.Listen(filepath.Join(dir, socketName))
}

// ServeOrders takes orders on l until ctx ends, and gives each to place. It closes l.
func ServeOrders(ctx context.Context, l net.Listener, place func(Order) (Placed, error)) error {
	mux := http.NewServeMux()
	mux.Handle("POST /{$}", control.Obey(place))
	return control.Serve(ctx, l, mux)
}

// Send gives an order to the aggregator that runs on this machine and takes orders in dir.
func Send(ctx context.Context, dir string, o Order) (p Placed, err error) {
	return p, control.NewClient(filepath.Join(dir, socketName), "updates").Do(ctx, http.MethodPost, "/", o, &p)
}
