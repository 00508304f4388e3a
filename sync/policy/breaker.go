package policy

import (
	"errors"
	"sync"
)

// ErrOpen is what a call is refused with while a breaker is open.
var ErrOpen = errors.New("suspended after failures in a row")

// State is how a breaker stands.
type State uint8

// The states of a breaker.
const (
	Closed   State = iota // calls pass
	Open                  // calls are refused
	HalfOpen              // one call is on its way, the others are refused
)

// String returns the state as metrics label it.
func (s State) String() string {
	switch s {
	case Closed:
		return "closed"
	case Open:
		return "open"
	}
	return "half-open"
}

// Breaker refuses calls to what failed several times in a row, and tries again now and then. It is safe for concurrent use.
type Breaker struct {
	limit   int // failures in a row that open it
	backoff Backoff

	mu       sync.Mutex
	state    State
	failures int   // in a row
	opened   int   // times in a row
	until    int64 // when the next call may be tried
	stats    BreakerStats
}

// BreakerStats counts what a breaker did.
type BreakerStats struct {
	State    State
	Opened   uint64 // from closed
	Refused  uint64 // calls
	Failures uint64 // calls that failed
	Until    int64  // when the next call may be tried; of the caller's clock
}

// NewBreaker returns a closed breaker that limit failures in a row (at least one) open, for as long as backoff says.
func NewBreaker(limit int, backoff Backoff) *Breaker {
	return &Breaker{limit: max(limit, 1), backoff: backoff}
}

// Allow reports whether a call may be made at now. Who is told yes reports back by Succeed or Fail.
func (b *Breaker) Allow(now int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state == Closed {
		return true
	}
	if now < b.until {
		b.stats.Refused++
		return false
	}
	b.state, b.until = HalfOpen, now+int64(max(b.backoff.bound(b.opened), 1))
	return true
}

// State returns how the breaker stands; an open one whose time has come stays open until Allow.
func (b *Breaker) State() State {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state
}

// Due reports whether Allow would let the one call of an open breaker through at now.
func (b *Breaker) Due(now int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state != Closed && now >= b.until
}

// Succeed says that a call succeeded: the breaker closes.
func (b *Breaker) Succeed() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.state, b.failures, b.opened = Closed, 0, 0
}

// Fail says that a call failed at now. It reports whether this opened a closed breaker.
func (b *Breaker) Fail(now int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures++
	b.stats.Failures++
	if b.state == Closed && b.failures < b.limit || b.state == Open {
		return false
	}
	first := b.state == Closed
	if first {
		b.stats.Opened++
	}
	b.opened++
	b.state, b.until = Open, now+int64(b.backoff.Wait(b.opened))
	return first
}

// Stats returns what was counted so far.
func (b *Breaker) Stats() BreakerStats {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.stats
	s.State, s.Until = b.state, b.until
	return s
}
