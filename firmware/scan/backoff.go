package scan

import (
	"time"

	"github.com/courtside-edge/courtside/sync/policy"
)

// The waits between two connections.
const (
	// baseWait and maxWait bound the wait after a transient failure; full jitter spreads it from 0 to the bound, so that a
	// hundred devices behind one switch do not return in step.
	baseWait = 100 * time.Millisecond
	maxWait  = 30 * time.Second
	// basePermanent and maxPermanent bound the wait after a permanent failure: seldom enough not to lock an
	// account, often enough to notice the repair. Jitter takes at most half.
	basePermanent = time.Minute
	maxPermanent  = 5 * time.Minute
	// settled is how long a connection must hold for the next failure to count as the first.
	settled = 10 * time.Second
)

// backoff says how long to wait after so many failures in a row.
type backoff struct {
	jitter func(n int64) int64 // 0 ≤ jitter(n) < n; nil for random
}

// wait returns the wait after the n-th failure in a row.
func (b backoff) wait(n int, permanent bool) time.Duration {
	if permanent {
		return policy.Backoff{Base: basePermanent, Max: maxPermanent, Jitter: b.jitter}.Wait(n)
	}
	return policy.Backoff{Base: baseWait, Max: maxWait, Full: true, Jitter: b.jitter}.Wait(n)
}
