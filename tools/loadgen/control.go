package loadgen

import (
	"sync/atomic"
	"time"
)

// DefaultHold is how many bytes of telemetry the spool holds before a generator at "max" waits: several batches, so that
// the link is never idle, and far less than the window, so that nothing is dropped or spilled.
const DefaultHold = 512 << 10

// holdLook is how often a generator that waits looks again.
const holdLook = 500 * time.Microsecond

// Control is what the generators of one process share: how much they may yield, and what they did. It is safe for concurrent use.
type Control struct {
	hold     int64
	closed   atomic.Bool // some generator is at "max"
	held     atomic.Int64
	produced atomic.Uint64 // readings, probes included
	skipped  atomic.Uint64 // readings that a paced generator owed and never made
	waited   atomic.Int64  // ns that generators at "max" stood still
	base     atomic.Int64  // Unix ns at the first total; cloud totals count from it
}

// NewControl returns a control that stops generators at "max" while the spool holds hold bytes or more; 0 stands for DefaultHold.
func NewControl(hold int64) *Control {
	if hold <= 0 {
		hold = DefaultHold
	}
	return &Control{hold: hold}
}

// SetHeld says how many bytes of telemetry the spool holds now.
func (c *Control) SetHeld(bytes int64) { c.held.Store(bytes) }

// Closed reports whether any generator is at "max", so that SetHeld has to be called every few milliseconds.
func (c *Control) Closed() bool { return c.closed.Load() }

// full reports whether a generator at "max" has to wait.
func (c *Control) full() bool { return c.held.Load() >= c.hold }

// Produced returns how many readings were yielded, and how many were owed and skipped.
func (c *Control) Produced() (readings, skipped uint64) { return c.produced.Load(), c.skipped.Load() }

// Waited returns how long generators at "max" stood still.
func (c *Control) Waited() time.Duration { return time.Duration(c.waited.Load()) }

// Base returns the Unix ns from which the totals count, 0 before the first.
func (c *Control) Base() int64 { return c.base.Load() }
