package scan

import (
	"math/rand/v2"
	"time"
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

// backoff says how long to wait after each failure in a row. The zero value has seen none.
type backoff struct {
	failures int
	jitter   func(n int64) int64 // 0 ≤ jitter(n) < n; nil for random
}

// wait returns the wait after one more failure.
func (b *backoff) wait(permanent bool) time.Duration {
	jitter := b.jitter
	if jitter == nil {
		jitter = rand.Int64N
	}
	b.failures++
	if permanent {
		span := int64(grown(basePermanent, maxPermanent, b.failures))
		return time.Duration(span - jitter(span/2+1))
	}
	return time.Duration(jitter(int64(grown(baseWait, maxWait, b.failures)) + 1))
}

// settle forgets the failures when a connection held.
func (b *backoff) settle(held time.Duration) {
	if held >= settled {
		b.failures = 0
	}
}

// grown doubles base with each failure after the first, up to most.
func grown(base, most time.Duration, failures int) time.Duration {
	for range failures - 1 {
		if base *= 2; base >= most {
			return most
		}
	}
	return base
}
