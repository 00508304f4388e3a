// Package control takes orders from the owner of the aggregator's machine: JSON over HTTP on a Unix socket that nobody but its owner and root may open.
//
//	what fails                                  what happens
//	an aggregator died and left its socket      Listen takes its place
//	the path is too long for a socket           Listen says so
//	an order is too long, or no JSON            400, and why
//	what was ordered cannot be done             422, and why; the client's error says the same
//	the aggregator does not run, or runs as     the client says what has to be so
//	somebody else
package control

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

	"github.com/courtside-edge/courtside/cloud/httpserver"
)

const (
	// patience is how long an order may take to be read, and to be obeyed and answered.
	patience = 10 * time.Second
	// maxOrderBytes is the longest order that is read; a longer one is refused.
	maxOrderBytes = 64 << 10
	// maxAnswerBytes is how much of an answer a client reads; a longer one does not parse.
	maxAnswerBytes = 16 << 20
)

// fault is every answer but the wanted one.
type fault struct {
	Error string `json:"error"`
}

// Listen opens the socket at path, taking the place of one that a dead process left. Its folder is made, and closed to everybody else.
func Listen(path string) (net.Listener, error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("the socket for orders: %w", err)
	}
	if err := os.Chmod(dir, 0o700); err != nil { // no moment at which others may open the socket
		return nil, fmt.Errorf("the socket for orders: %w", err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("the socket for orders: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("the socket for orders: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("the socket for orders: %w", err), l.Close())
	}
	return l, nil
}

// Serve takes orders on l until ctx ends. It closes l.
func Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	srv := &http.Server{Handler: h, ReadTimeout: patience, WriteTimeout: patience}
	if err := httpserver.Run(ctx, srv, l, patience/2); err != nil {
		return fmt.Errorf("taking orders: %w", err)
	}
	return nil
}

// Obey reads an order, and answers with what do makes of it.
func Obey[In, Out any](do func(In) (Out, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
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
}

// Tell answers with what is.
func Tell[Out any](is func() Out) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { write(w, http.StatusOK, is()) }
}

func write(w http.ResponseWriter, status int, out any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store") // it may be a secret
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(out) // the asker has gone; nobody is left to tell
}

// Client gives orders to the aggregator that runs on this machine. It is safe for concurrent use.
type Client struct {
	http http.Client
	part string
}

// NewClient returns a client of the socket at path. part is the key of the configuration without which nobody listens there, for the error that says so.
func NewClient(path, part string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}
	return &Client{http.Client{Timeout: 3 * patience, Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}, part}
}

// Do sends in as JSON and reads the answer into out. What the aggregator refuses is an error in its words.
func (c *Client) Do(ctx context.Context, method, path string, in, out any) error {
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
		return fmt.Errorf("asking the aggregator, which has to run on this machine, with %s in its configuration, as the same user (or use sudo): %w", c.part, err)
	}
	defer func() { _ = resp.Body.Close() }() // it was read
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes))
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
