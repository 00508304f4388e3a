package identity

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

// Between two attempts to reach the agent: full jitter below a ceiling that doubles. The agent is local
// and an attempt is cheap, hence the low maximum.
const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// OpenWorkload returns a source that follows the SPIFFE Workload API until ctx ends or Close. It does not wait for the
// agent. Its error is one of configuration. Of several SVIDs the first that is an identity of Courtside in the
// trust domain is taken.
func OpenWorkload(ctx context.Context, o Options) (*Source, error) {
	if o.WorkloadAPI == "" {
		return nil, errors.New("identity: the address of the Workload API is empty; name the agent's socket, such as unix:///run/spire/agent.sock")
	}
	if err := workloadapi.ValidateAddress(o.WorkloadAPI); err != nil {
		return nil, fmt.Errorf("identity: address %q of the Workload API: %w", o.WorkloadAPI, err)
	}
	return open(ctx, o, o.WorkloadAPI, func(ctx context.Context, s *Source) { s.follow(ctx, o.WorkloadAPI) })
}

// follow watches the agent until ctx ends. Each attempt is a new connection: the library's own
// retry gives up on some answers and waits up to two minutes after others.
func (s *Source) follow(ctx context.Context, addr string) {
	ceiling := firstRetry
	for ctx.Err() == nil {
		if s.watch(ctx, addr) {
			ceiling = firstRetry
		}
		select {
		case <-ctx.Done():
		case <-time.After(rand.N(ceiling)):
		}
		ceiling = min(2*ceiling, lastRetry)
	}
}

// watch makes one attempt, which lasts until the stream ends, and reports whether it brought an identity.
func (s *Source) watch(ctx context.Context, addr string) bool {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	client, err := workloadapi.New(ctx, workloadapi.WithAddr(addr))
	if err != nil {
		s.fail(fmt.Errorf("connecting to the agent: %w", err))
		return false
	}
	defer func() { _ = client.Close() }() // nothing is pending on it
	w := &watcher{source: s, ctx: ctx, cancel: cancel}
	_ = client.WatchX509Context(ctx, w) // the watcher was told why it ended
	return w.brought
}

// watcher takes what the agent sends. The library calls it from one goroutine.
type watcher struct {
	source  *Source
	ctx     context.Context
	cancel  context.CancelFunc
	brought bool
}

// OnX509ContextUpdate implements workloadapi.X509ContextWatcher.
func (w *watcher) OnX509ContextUpdate(c *workloadapi.X509Context) {
	bundle, err := c.Bundles.GetX509BundleForTrustDomain(w.source.domain)
	if err != nil {
		w.source.fail(fmt.Errorf("the agent's answer: %w", err))
		return
	}
	var refused error
	for _, svid := range c.SVIDs {
		if err := w.source.set(svid, bundle); err != nil {
			refused = errors.Join(refused, err)
			continue
		}
		w.brought = true
		return
	}
	w.source.fail(fmt.Errorf("the agent's answer holds no usable SVID: %w", refused))
}

// OnX509ContextWatchError implements workloadapi.X509ContextWatcher.
func (w *watcher) OnX509ContextWatchError(err error) {
	if w.ctx.Err() == nil { // else it is only the end that was asked for
		w.source.fail(fmt.Errorf("watching the Workload API: %w", err))
	}
	w.cancel()
}
