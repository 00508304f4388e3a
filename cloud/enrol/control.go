package enrol

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
	// SocketName is the name of the socket on which a desk takes orders, in its directory.
	SocketName = "control.sock"
	// maxOrderBytes is the longest order that is read.
	maxOrderBytes = 4 << 10
	// maxListBytes is the longest list that a client reads.
	maxListBytes = 16 << 20
)

// Order asks for a token.
type Order struct {
	Gateway string `json:"gateway"` // venue/gateway
	For     string `json:"for"`     // how long it is valid, such as 72h
}

// Made is a token that was made.
type Made struct {
	Line string `json:"token"`
	Kept Token  `json:"kept"`
}

// Revocation asks for the end of tokens.
type Revocation struct {
	What  string `json:"what"` // a token's id, or venue/gateway
	SVIDs bool   `json:"svids"`
}

// Revoked says what was ended.
type Revoked struct {
	Tokens int `json:"tokens"`
}

// fault is every other answer.
type fault struct {
	Error string `json:"error"`
}

// ListenControl opens the socket in dir on which this machine's owner gives orders, taking the place of one that a dead process left. Whoever may
// open it may become any gateway, so that nobody may but its owner and root.
func ListenControl(dir string) (net.Listener, error) {
	path := filepath.Join(dir, SocketName)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("enrol: the socket for orders: %w", err)
	}
	if err := os.Chmod(dir, 0o700); err != nil { // no moment at which others may open the socket
		return nil, fmt.Errorf("enrol: the socket for orders: %w", err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("enrol: the socket for orders: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("enrol: the socket for orders: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("enrol: the socket for orders: %w", err), l.Close())
	}
	return l, nil
}

// ServeControl takes orders on l until ctx ends. It closes l.
func (d *Desk) ServeControl(ctx context.Context, l net.Listener) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /tokens", func(w http.ResponseWriter, _ *http.Request) { write(w, http.StatusOK, d.Tokens()) })
	mux.HandleFunc("POST /tokens", func(w http.ResponseWriter, r *http.Request) {
		obey(w, r, func(o Order) (Made, error) {
			n, err := ParseName(o.Gateway)
			if err != nil {
				return Made{}, err
			}
			valid, err := time.ParseDuration(o.For)
			if err != nil {
				return Made{}, err
			}
			line, kept, err := d.Create(n, valid)
			return Made{line, kept}, err
		})
	})
	mux.HandleFunc("POST /revoke", func(w http.ResponseWriter, r *http.Request) {
		obey(w, r, func(o Revocation) (Revoked, error) {
			n, err := d.Revoke(o.What, o.SVIDs)
			return Revoked{n}, err
		})
	})
	return serve(ctx, &http.Server{Handler: mux, ReadTimeout: patience, WriteTimeout: patience}, l)
}

// obey reads an order and writes what became of it.
func obey[In, Out any](w http.ResponseWriter, r *http.Request, do func(In) (Out, error)) {
	var in In
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxOrderBytes)).Decode(&in); err != nil {
		write(w, http.StatusBadRequest, fault{"reading the order: " + err.Error()})
		return
	}
	out, err := do(in)
	if err != nil {
		write(w, http.StatusUnprocessableEntity, fault{err.Error()})
		return
	}
	write(w, http.StatusOK, out)
}

// Client gives orders to the aggregator that runs on this machine.
type Client struct{ http http.Client }

// NewClient returns a client of the desk whose directory is dir.
func NewClient(dir string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(dir, SocketName))
	}
	return &Client{http.Client{Timeout: 3 * patience, Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
}

// Create orders a token.
func (c *Client) Create(ctx context.Context, o Order) (m Made, err error) {
	return m, c.do(ctx, http.MethodPost, "/tokens", o, &m)
}

// List asks what is kept of tokens, the newest first.
func (c *Client) List(ctx context.Context) (all []Token, err error) {
	return all, c.do(ctx, http.MethodGet, "/tokens", nil, &all)
}

// Revoke orders the end of tokens.
func (c *Client) Revoke(ctx context.Context, o Revocation) (r Revoked, err error) {
	return r, c.do(ctx, http.MethodPost, "/revoke", o, &r)
}

func (c *Client) do(ctx context.Context, method, path string, in, out any) error {
	raw, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://aggregator"+path, bytes.NewReader(raw))
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("asking the aggregator, which has to run on this machine, with enrol in its configuration, as the same user (or use sudo): %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // it was read
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxListBytes))
	if err != nil {
		return fmt.Errorf("reading the aggregator's answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		var f fault
		if json.Unmarshal(body, &f) != nil || f.Error == "" {
			f.Error = resp.Status
		}
		return errors.New(f.Error)
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("reading the aggregator's answer: %w", err)
	}
	return nil
}
