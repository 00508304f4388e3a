package update

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/policy"
)

// Fetch says how patiently an update is fetched. Zero fields count as the defaults.
type Fetch struct {
	// RateLimit is how many bytes a second are fetched at most; 0 for no limit.
	RateLimit int64
	// Stall is how long a connection may give nothing until it is given up; 30 s.
	Stall time.Duration
	// Opening is how long the first answer is tried for; 20 s.
	Opening time.Duration
	// Patience is how long a cut link is waited for; 4 min: the kernel gives up what it reads over the network after 5.
	Patience time.Duration
}

func (f Fetch) orDefault() Fetch {
	for _, d := range []struct {
		given     *time.Duration
		otherwise time.Duration
	}{{&f.Stall, 30 * time.Second}, {&f.Opening, 20 * time.Second}, {&f.Patience, 4 * time.Minute}} {
		if *d.given <= 0 {
			*d.given = d.otherwise
		}
	}
	return f
}

const (
	// chunk is what is read from a connection at once, and what the rate limit counts in.
	chunk = 16 << 10
	// backoffBase and backoffMax bound the wait between two tries.
	backoffBase, backoffMax = 100 * time.Millisecond, 5 * time.Second
)

// final is an error that no further try would mend.
type final struct{ error }

func (f final) Unwrap() error { return f.error }

// remote is an update on an HTTPS server. What it is, its size and its tag, is settled by the first answer and never changes: an update that
// was exchanged half-way is refused. It is safe for concurrent use.
type remote struct {
	url    string
	client *http.Client
	o      Fetch
	bucket *policy.Bucket
	begun  time.Time
	size   int64
	tag    string // ETag, else Last-Modified

	fetched, retries atomic.Uint64
}

// parseURL refuses what is no address of an update.
func parseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return nil, err
	case u.Scheme != "https":
		return nil, fmt.Errorf("%q: updates come over https, with mutual TLS; write https://host:8884/name.raucb", s)
	case u.Host == "" || u.User != nil || u.Fragment != "":
		return nil, fmt.Errorf("%q is not the address of an update; write https://host:8884/name.raucb", s)
	}
	return u, nil
}

// openRemote asks for the update's size.
func openRemote(ctx context.Context, address string, trust *tls.Config, o Fetch) (*remote, error) {
	u, err := parseURL(address)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{TLSClientConfig: trust, TLSHandshakeTimeout: 15 * time.Second, MaxIdleConnsPerHost: 4, MaxConnsPerHost: 4, IdleConnTimeout: time.Minute,
		DisableCompression: true}
	r := &remote{url: u.String(), o: o.orDefault(), begun: time.Now(), size: -1}
	r.client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return errors.New("the server points elsewhere") }}
	if o.RateLimit > 0 {
		r.bucket = policy.NewBucket(time.Duration(int64(time.Second)*chunk/o.RateLimit), 4)
	}
	opening, cancel := context.WithTimeout(ctx, r.o.Opening)
	defer cancel()
	if err := r.read(opening, make([]byte, 1), 0); err != nil {
		r.close()
		return nil, fmt.Errorf("fetching %s: %w", address, err)
	}
	return r, nil
}

func (r *remote) close() { r.client.CloseIdleConnections() }

// read fills p from off on, over as many connections as it takes.
func (r *remote) read(ctx context.Context, p []byte, off int64) error {
	backoff := policy.Backoff{Base: backoffBase, Max: backoffMax}
	last, failures := time.Now(), 0
	for {
		n, err := r.try(ctx, p, off)
		p, off = p[n:], off+int64(n)
		if len(p) == 0 {
			return nil
		}
		if f, ok := errors.AsType[final](err); ok {
			return f.error
		}
		if n > 0 {
			last, failures = time.Now(), 0
		}
		failures++
		r.retries.Add(1)
		if time.Since(last) > r.o.Patience {
			return fmt.Errorf("nothing has come for %s: %w", r.o.Patience, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		case <-time.After(backoff.Wait(failures)):
		}
	}
}

// try asks once for what fills p, and returns how much came.
func (r *remote) try(ctx context.Context, p []byte, off int64) (n int, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stalled := time.AfterFunc(r.o.Stall, func() { cancel(fmt.Errorf("the server gives nothing for %s", r.o.Stall)) })
	defer stalled.Stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url, nil)
	if err != nil {
		return 0, final{err}
	}
	req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", off, off+int64(len(p))-1))
	resp, err := r.client.Do(req)
	if err != nil {
		return 0, r.explain(ctx, err)
	}
	defer resp.Body.Close()
	if err := r.judge(resp, off, len(p)); err != nil {
		return 0, err
	}
	for n < len(p) {
		if err := r.pace(ctx); err != nil {
			return n, err
		}
		stalled.Reset(r.o.Stall) // what the rate limit holds up is no stall
		m, err := io.ReadFull(resp.Body, p[n:min(n+chunk, len(p))])
		n += m
		r.fetched.Add(uint64(m))
		if err != nil {
			return n, r.explain(ctx, err)
		}
	}
	return n, nil
}

// explain says why a request failed, and whether another try makes sense.
func (r *remote) explain(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	if outer, ok := errors.AsType[*url.Error](err); ok {
		err = outer.Err
	}
	if errors.Is(err, identity.ErrPeer) || errors.Is(err, identity.ErrNotReady) || errors.Is(err, identity.ErrExpired) {
		return final{err}
	}
	return err
}

// judge judges an answer before its body is read.
func (r *remote) judge(resp *http.Response, off int64, want int) error {
	switch code := resp.StatusCode; {
	case code == http.StatusOK:
		return final{errors.New("the server does not serve ranges (it answers 200 to a request for a part)")}
	case code == http.StatusRequestTimeout, code == http.StatusTooManyRequests, code >= 500:
		return fmt.Errorf("the server answers %s", resp.Status)
	case code != http.StatusPartialContent:
		return final{fmt.Errorf("the server answers %s", resp.Status)}
	}
	first, size, err := parseContentRange(resp.Header.Get("Content-Range"))
	if err != nil {
		return final{err}
	}
	tag := resp.Header.Get("ETag")
	if tag == "" {
		tag = resp.Header.Get("Last-Modified")
	}
	switch {
	case r.size < 0:
		r.size, r.tag = size, tag
	case size != r.size || tag != r.tag:
		return final{errors.New("the update was exchanged on the server while it was read; begin again")}
	}
	if first != off || resp.ContentLength >= 0 && resp.ContentLength > int64(want) {
		return final{fmt.Errorf("the server gives another part than was asked for: %s", resp.Header.Get("Content-Range"))}
	}
	return nil
}

// parseContentRange reads "bytes 0-3/100".
func parseContentRange(s string) (first, size int64, err error) {
	span, whole, ok := strings.Cut(strings.TrimPrefix(s, "bytes "), "/")
	from, _, also := strings.Cut(span, "-")
	first, err1 := strconv.ParseInt(from, 10, 64)
	size, err2 := strconv.ParseInt(whole, 10, 64)
	if !ok || !also || !strings.HasPrefix(s, "bytes ") || err1 != nil || err2 != nil || first < 0 || size < 1 {
		return 0, 0, fmt.Errorf("the server does not say which part of how many bytes it gives: %q", s)
	}
	return first, size, nil
}

// pace waits until the rate limit allows another chunk.
func (r *remote) pace(ctx context.Context) error {
	if r.bucket == nil {
		return nil
	}
	wait := r.bucket.Take(int64(time.Since(r.begun)))
	if wait == 0 {
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(wait):
		return nil
	}
}
