package faulttest

import (
	"sync"
	"time"

	"github.com/courtside-edge/courtside/sync/clock"
)

// ShiftedClock is a gateway's clock whose wall time is off by as much as a test says. Monotonic time goes on as it
// does, unless Boot begins another one. It is safe for concurrent use.
type ShiftedClock struct {
	under clock.Clock

	mu      sync.Mutex
	shift   time.Duration
	unset   bool
	boot    clock.BootID
	started int64 // monotonic time of the clock below at the last Boot
}

// NewShiftedClock returns a clock that tells what under tells until it is changed.
func NewShiftedClock(under clock.Clock) *ShiftedClock { return &ShiftedClock{under: under} }

// Shift sets how far the wall time is ahead of what is right; negative for behind.
func (c *ShiftedClock) Shift(by time.Duration) { c.mu.Lock(); c.shift = by; c.mu.Unlock() }

// Unset takes the wall time away: nothing dates the boot any more, until Shift and Unset(false).
func (c *ShiftedClock) Unset(unset bool) { c.mu.Lock(); c.unset = unset; c.mu.Unlock() }

// Boot begins another boot, whose monotonic time starts near zero.
func (c *ShiftedClock) Boot(id clock.BootID) {
	now := c.under.Mono()
	c.mu.Lock()
	c.boot, c.started = id, now-int64(time.Second)
	c.mu.Unlock()
}

// Mono implements clock.Clock.
func (c *ShiftedClock) Mono() int64 {
	c.mu.Lock()
	started := c.started
	c.mu.Unlock()
	return c.under.Mono() - started
}

// Map implements clock.Clock.
func (c *ShiftedClock) Map() clock.Map {
	m := c.under.Map()
	c.mu.Lock()
	defer c.mu.Unlock()
	m.From -= c.started
	m.Offset += time.Duration(c.started) + c.shift
	if c.boot != (clock.BootID{}) {
		m.Boot = c.boot
	}
	if c.unset {
		// A board without a battery-backed clock begins at the Unix epoch.
		m.Source, m.Offset, m.Uncertainty = clock.Unknown, 0, 0
	}
	return m
}
