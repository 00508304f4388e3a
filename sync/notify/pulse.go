package notify

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Pulse says whether a loop moves. The loop calls Rest before it waits for something to do, and Work when it goes on and after each step of
// a long piece of work; so a loop that stands at a lock, in a call or in a driver is told from one that has nothing to do. The zero
// value rests. Rest and Work are for the loop alone and cost next to nothing; Stuck is for whoever looks, now and then.
type Pulse struct {
	steps atomic.Uint64 // odd while the loop works

	mu    sync.Mutex
	seen  uint64    // steps at the look that first saw them
	since time.Time // when that was
}

// Rest says that the loop waits for something to do.
func (p *Pulse) Rest() { p.steps.Store((p.steps.Load() + 2) &^ 1) }

// Work says that the loop goes on.
func (p *Pulse) Work() { p.steps.Store((p.steps.Load() + 2) | 1) }

// Stuck returns an error when the loop was at the same step at a look that is longer ago than patience. what names the loop.
func (p *Pulse) Stuck(what string, patience time.Duration) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	now, steps := time.Now(), p.steps.Load()
	if steps != p.seen || steps%2 == 0 {
		p.seen, p.since = steps, now
		return nil
	}
	if busy := now.Sub(p.since); busy > patience {
		return fmt.Errorf("%s has been at one step for %s", what, busy.Round(time.Second))
	}
	return nil
}
