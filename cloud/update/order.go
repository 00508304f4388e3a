package update

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

const (
	// socketName is the socket's name in its directory.
	socketName = "orders.sock"
	// orderPatience is how long an order may take to be read, obeyed and answered.
	orderPatience = 10 * time.Second
	// maxOrderBytes is the longest order, and answer, that is read.
	maxOrderBytes = 64 << 10
)

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

// refusal is every other answer.
type refusal struct {
	Error string `json:"error"`
}

// ListenOrders opens the socket in dir on which this machine's owner gives orders, taking the place of one that a dead process left. Nobody but
// its owner and root may open it.
func ListenOrders(dir string) (net.Listener, error) {
	path := filepath.Join(dir, socketName)
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		err = os.Chmod(dir, 0o700) // no moment at which others may open the socket
	}
	if err == nil {
		if err = os.Remove(path); errors.Is(err, os.ErrNotExist) {
			err = nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("the socket for orders: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("the socket for orders: %w", err)
	}
	return l, nil
}

// ServeOrders takes orders on l until ctx ends, and closes it.
func ServeOrders(ctx context.Context, l net.Listener, place func(Order) (Placed, error)) error {
	srv := &http.Server{ReadTimeout: orderPatience, WriteTimeout: orderPatience, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var o Order
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxOrderBytes)).Decode(&o); err != nil || r.Method != http.MethodPost {
			say(w, http.StatusBadRequest, refusal{"the order cannot be read"})
			return
		}
		placed, err := place(o)
		if err != nil {
			say(w, http.StatusUnprocessableEntity, refusal{err.Error()})
			return
		}
		say(w, http.StatusOK, placed)
	})}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	select {
	case err := <-done:
		return fmt.Errorf("taking orders of updates: %w", err)
	case <-ctx.Done():
	}
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownPatience)
	defer cancel()
	if err := srv.Shutdown(late); err != nil {
		_ = srv.Close() // who is still there is cut off
	}
	<-done
	return nil
}

func say(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v) // the asker has gone; nobody is left to tell
}

// Send gives an order to the aggregator that runs on this machine and takes orders in dir.
func Send(ctx context.Context, dir string, o Order) (p Placed, err error) {
	raw, err := json.Marshal(o)
	if err != nil {
		return p, err
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(dir, socketName))
	}
	client := http.Client{Timeout: 2 * orderPatience, Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://aggregator/", bytes.NewReader(raw))
	if err != nil {
		return p, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return p, fmt.Errorf("asking the aggregator, which has to run on this machine, with updates in its configuration, as the same user (or use sudo): %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxOrderBytes))
	if err != nil {
		return p, fmt.Errorf("reading the aggregator's answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		var f refusal
		if json.Unmarshal(body, &f) != nil || f.Error == "" {
			f.Error = resp.Status
		}
		return p, errors.New(f.Error)
	}
	if err := json.Unmarshal(body, &p); err != nil {
		return p, fmt.Errorf("reading the aggregator's answer: %w", err)
	}
	return p, nil
}
