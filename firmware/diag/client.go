package diag

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// maxAnswerBytes bounds what a client takes; 100,000 points are some 40 MB.
const maxAnswerBytes = 256 << 20

const (
	// patience is how long the answer to a plain question may take, on a board that is busy too.
	patience = 20 * time.Second
	// maxPatience is how long an answer may take that takes work: looking at points, the doctor's checks, which have bounds of their own below it,
	// and reading a configuration again.
	maxPatience = time.Minute
)

// errNoAnswer ends a question that was not answered in time.
var errNoAnswer = errors.New("no answer in time")

// Client asks a running gateway.
type Client struct {
	http  http.Client
	plain time.Duration // how long the answer to a plain question may take
}

// NewClient returns a client for the socket at path.
func NewClient(path string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "unix", path)
		switch {
		case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
			return nil, fmt.Errorf("%w %s: %w; is the gateway started, and is this its data directory?", ErrNotRunning, path, err)
		case errors.Is(err, os.ErrPermission):
			return nil, fmt.Errorf("%w: %w; use sudo, or add the user to the group %s: usermod -aG %s USER, then log in again", ErrNotPermitted, err, Group, Group)
		}
		return conn, err
	}
	return &Client{http: http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}, plain: patience}
}

// Status asks for the gateway's status.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	return s, c.get(ctx, "/status", &s)
}

// Points asks for points.
func (c *Client) Points(ctx context.Context, q Query) (p Points, err error) {
	v := url.Values{"search": {q.Search}, "bad": {strconv.FormatBool(q.Bad)}, "look": {q.Look.String()}}
	if q.Limit > 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	return p, c.get(ctx, "/points?"+v.Encode(), &p)
}

// Plan asks how a device is read.
func (c *Client) Plan(ctx context.Context, device string) (p Plan, err error) {
	return p, c.get(ctx, "/plan/"+url.PathEscape(device), &p)
}

// Storage asks for the spool.
func (c *Client) Storage(ctx context.Context) (s Storage, err error) {
	return s, c.get(ctx, "/spool", &s)
}

// Connection asks for the uplink.
func (c *Client) Connection(ctx context.Context) (l Connection, err error) {
	return l, c.get(ctx, "/uplink", &l)
}

// Logs asks for the newest log records, oldest first.
func (c *Client) Logs(ctx context.Context) (r []Record, err error) { return r, c.get(ctx, "/logs", &r) }

// Doctor asks the gateway to run its checks.
func (c *Client) Doctor(ctx context.Context) (f []Finding, err error) {
	return f, c.get(ctx, "/doctor", &f)
}

// Reload asks the gateway to read its configuration again.
func (c *Client) Reload(ctx context.Context) (r Reload, err error) {
	return r, c.ask(ctx, http.MethodPost, "/reload", &r)
}

// Configuration asks for the gateway's file, without secrets.
func (c *Client) Configuration(ctx context.Context) (text string, err error) {
	return text, c.get(ctx, "/configuration", &text)
}

// Watch yields readings of points until ctx ends, yield returns false or the gateway stops.
func (c *Client) Watch(ctx context.Context, search string, yield func(Change) bool) error {
	body, err := c.open(ctx, http.MethodGet, "/watch?"+url.Values{"point": {search}}.Encode())
	if err != nil {
		return err
	}
	defer body.Close()
	lines := bufio.NewScanner(body)
	for lines.Scan() {
		var change Change
		if err := json.Unmarshal(lines.Bytes(), &change); err != nil {
			return fmt.Errorf("watching: %w", err)
		}
		if !yield(change) {
			return nil
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("watching: %w", err)
	}
	return nil
}

func (c *Client) get(ctx context.Context, path string, into any) error {
	return c.ask(ctx, http.MethodGet, path, into)
}

func (c *Client) ask(ctx context.Context, method, path string, into any) error {
	limit := c.plain
	if method != http.MethodGet || strings.HasPrefix(path, "/points") || path == "/doctor" {
		limit = maxPatience
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errNoAnswer)
	defer cancel()
	err := c.exchange(ctx, method, path, into)
	if err != nil && errors.Is(context.Cause(ctx), errNoAnswer) {
		return fmt.Errorf("asking the gateway: it took the connection, and did not answer within %v; journalctl -u courtside-gateway -n 50 says what it does", limit)
	}
	return err
}

func (c *Client) exchange(ctx context.Context, method, path string, into any) error {
	body, err := c.open(ctx, method, path)
	if err != nil {
		return err
	}
	defer body.Close()
	if err := json.NewDecoder(io.LimitReader(body, maxAnswerBytes)).Decode(into); err != nil {
		return fmt.Errorf("asking the gateway: its answer is not understood: %w; is it of the same version as gwctl? gwctl version says both", err)
	}
	return nil
}

// open asks and returns the answer's body, or the gateway's refusal as an error.
func (c *Client) open(ctx context.Context, method, path string) (io.ReadCloser, error) {
	resp, err := c.do(ctx, method, path)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

func (c *Client) do(ctx context.Context, method, path string) (*http.Response, error) {
	return c.send(ctx, method, path, nil)
}

func (c *Client) send(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://gateway"+path, body)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if outer, ok := errors.AsType[*url.Error](err); ok { // which would say "Get http://gateway/…" to somebody who asked nothing of the kind
			err = outer.Err
		}
		return nil, fmt.Errorf("asking the gateway: %w", err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	var p Problem
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&p); err != nil || p.Error == "" {
		return nil, fmt.Errorf("asking the gateway: it says %s; is it of the same version as gwctl? gwctl version says both", resp.Status)
	}
	return nil, &remote{p}
}

// remote is a refusal that came over the socket. It is the error of its kind, and says what the gateway said.
type remote struct{ p Problem }

func (r *remote) Error() string { return r.p.Error }

func (r *remote) Unwrap() error {
	switch r.p.Kind {
	case "not-found":
		return ErrNotFound
	case "refused":
		return ErrRefused
	case "not-permitted":
		return ErrNotPermitted
	}
	return nil
}
