// Package diag is how the gateway explains itself on the device: the messages, the server on the gateway's Unix socket
// and the client that gwctl uses. It knows no part of the gateway; the assembly fills Status.
//
// The socket is {data_dir}/gateway.sock, readable by the gateway's user and group. Requests are HTTP.
package diag

import (
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

// SocketName is the socket's name in the gateway's data directory.
const SocketName = "gateway.sock"

// Status is the gateway at one moment.
type Status struct {
	Venue    string    `json:"venue"`
	Gateway  string    `json:"gateway"`
	Version  string    `json:"version"`
	Platform string    `json:"platform"`
	Epoch    string    `json:"epoch"`
	Since    time.Time `json:"since"`
	Points   int       `json:"points"`
	Table    string    `json:"table"`
	Clock    Clock     `json:"clock"`
	Identity Identity  `json:"identity"`
	Link     Link      `json:"link"`
	Lanes    []Lane    `json:"lanes"`
	Spool    Spool     `json:"spool"`
	Devices  []Device  `json:"devices"`
	RSSBytes int64     `json:"rss_bytes"`
}

// Clock is what dates the samples.
type Clock struct {
	Source      string        `json:"source"`
	Uncertainty time.Duration `json:"uncertainty_ns"`
}

// Identity is the gateway's SVID.
type Identity struct {
	ID       string    `json:"id,omitempty"`
	NotAfter time.Time `json:"not_after,omitzero"`
	Error    string    `json:"error,omitempty"`
}

// Link is the way to the broker.
type Link struct {
	Broker   string `json:"broker"`
	State    string `json:"state"`
	Cause    string `json:"cause,omitempty"`
	Connects uint64 `json:"connects"`
	Lost     uint64 `json:"lost"`
	Acks     uint64 `json:"acks"`
	Late     uint64 `json:"late_acks"`
}

// Spool is what happened to batches since the start.
type Spool struct {
	Acked          uint64 `json:"acked_batches"`
	Spilled        uint64 `json:"spilled_batches"`
	SpilledBytes   int64  `json:"spilled_bytes"`
	Dropped        uint64 `json:"dropped_batches"`
	DroppedSamples uint64 `json:"dropped_samples"`
	Refused        uint64 `json:"refused_batches"`
	Corrupt        uint64 `json:"corrupt_batches"`
	StoreErrors    uint64 `json:"store_errors"`
	BadAcks        uint64 `json:"bad_acks"`
}

// Lane is one lane from the filter to the spool.
type Lane struct {
	Lane    string `json:"lane"`
	Samples uint64 `json:"samples"`
	Batches uint64 `json:"batches"`
	Bytes   uint64 `json:"bytes"`
	Lost    uint64 `json:"lost_samples"`
	RAM     Count  `json:"ram"`
	Stored  Count  `json:"stored"`
	Backlog Count  `json:"backlog"`
}

// Count is a number of batches and their bytes.
type Count struct {
	Batches uint64 `json:"batches"`
	Bytes   int64  `json:"bytes"`
}

// Device is one device's connection.
type Device struct {
	Device     string        `json:"device"`
	State      string        `json:"state"`
	Cause      string        `json:"cause,omitempty"`
	Points     int           `json:"points"`
	LastAnswer time.Time     `json:"last_answer,omitzero"`
	Values     uint64        `json:"values"`
	Passed     uint64        `json:"passed"`
	Failures   uint64        `json:"failures"`
	Overruns   uint64        `json:"overruns"`
	Latency    time.Duration `json:"latency_ns"`
}

// Handler answers on the socket: GET /status, and whatever else is given, such as /metrics.
func Handler(status func() Status, more map[string]http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(status()) // the asker has gone; nobody is left to tell
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	for path, h := range more {
		mux.Handle("GET "+path, h)
	}
	return mux
}

// Listen opens the socket in dir, taking the place of one that a dead gateway left.
func Listen(dir string) (net.Listener, error) {
	path := filepath.Join(dir, SocketName)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("diagnostics socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("diagnostics socket: %w", err)
	}
	if err := os.Chmod(path, 0o660); err != nil {
		return nil, errors.Join(fmt.Errorf("diagnostics socket: %w", err), l.Close())
	}
	return l, nil
}

// ErrNotRunning is what asking a gateway that does not run wraps.
var ErrNotRunning = errors.New("no gateway answers on the socket")

// Client asks a running gateway.
type Client struct{ http http.Client }

// NewClient returns a client for the socket at path.
func NewClient(path string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "unix", path)
		if errors.Is(err, os.ErrNotExist) || isRefused(err) {
			return nil, fmt.Errorf("%w %s: %w; is the gateway started, and is this its data directory?", ErrNotRunning, path, err)
		}
		return conn, err
	}
	return &Client{http.Client{Transport: &http.Transport{DialContext: dial}, Timeout: 10 * time.Second}}
}

// Status asks for the gateway's status.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var s Status
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://gateway/status", nil)
	if err != nil {
		return s, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return s, fmt.Errorf("asking the gateway: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return s, fmt.Errorf("asking the gateway: %s", resp.Status)
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 16<<20)).Decode(&s); err != nil {
		return s, fmt.Errorf("asking the gateway: %w", err)
	}
	return s, nil
}
