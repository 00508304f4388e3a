package faulttest

import (
	"sync"
	"time"

	"github.com/courtside-edge/courtside/sync/clock"
)

// ShiftedClock is a machine's clocks whose wall time is off by as much as a test says. Monotonic time goes on as it
// does, unless Boot begins another one. It is safe for concurrent use.
type ShiftedClock struct {
	under func() clock.Reading

	mu      sync.Mutex
	shift   time.Duration
	unset   bool
	sure    bool
	boot    clock.BootID
	started int64 // monotonic time of the clock below at the last Boot
}

// NewShiftedClock returns clocks that show what under shows until they are changed.
func NewShiftedClock(under func() clock.Reading) *ShiftedClock { return &ShiftedClock{under: under} }

// Shift sets how far the wall time is ahead of what is right; negative for behind.
func (c *ShiftedClock) Shift(by time.Duration) { c.mu.Lock(); c.shift = by; c.mu.Unlock() }

// Pretend makes the kernel say that its clock is disciplined, however wrong it is.
func (c *ShiftedClock) Pretend(sure bool) { c.mu.Lock(); c.sure = sure; c.mu.Unlock() }

// Unset makes the wall time that of a board without a battery: it begins at the Unix epoch with each boot.
func (c *ShiftedClock) Unset(unset bool) { c.mu.Lock(); c.unset = unset; c.mu.Unlock() }

// Boot begins another boot, whose monotonic time starts near zero.
func (c *ShiftedClock) Boot(id clock.BootID) {
	now := c.under().Mono
	c.mu.Lock()
	c.boot, c.started = id, now-int64(time.Second)
	c.mu.Unlock()
}

// Read shows the clocks.
func (c *ShiftedClock) Read() clock.Reading {
	r := c.under()
	c.mu.Lock()
	defer c.mu.Unlock()
	r.Mono -= c.started
	r.Wall += int64(c.shift)
	if c.boot != (clock.BootID{}) {
		r.Boot = c.boot
	}
	if c.unset {
		r.Wall, r.Synchronised = r.Mono, false
	}
	if c.sure {
		r.Synchronised, r.MaxError = true, 10*time.Millisecond
	}
	return r
}
