package policy

import (
	"math/rand/v2"
	"time"
)

// Backoff says how long to wait after the n-th failure in a row: Base, doubled with each, up to Max.
type Backoff struct {
	Base, Max time.Duration
	// Full spreads the wait from 0 to the bound, so that a hundred callers do not return in step; otherwise from half of it.
	Full bool
	// Jitter draws 0 ≤ Jitter(n) < n; nil for random.
	Jitter func(n int64) int64
}

// Wait returns the wait after so many failures in a row; fewer than one count as one.
func (b Backoff) Wait(failures int) time.Duration {
	jitter := b.Jitter
	if jitter == nil {
		jitter = rand.Int64N
	}
	bound := int64(b.bound(failures))
	if b.Full {
		return time.Duration(jitter(bound + 1))
	}
	return time.Duration(bound - jitter(bound/2+1))
}

// bound returns the longest wait after so many failures in a row.
func (b Backoff) bound(failures int) time.Duration {
	d := max(b.Base, 0)
	for ; failures > 1 && d < b.Max; failures-- {
		if d *= 2; d <= 0 { // overflow, or nothing to double
			return max(b.Max, 0)
		}
	}
	return max(min(d, b.Max), 0)
}
