package ingest

import (
	"slices"
	"sync"
	"time"
)

// How backlogs are let in. One rate holds for all gateways together; it falls by a factor while what was received is applied late and
// later still, and grows by a step while it is in time and the rate is used: AIMD, as of RFC 5681, over the age of what waits.
const (
	firstRate  = 32 << 20 // bytes a second
	leastRate  = 1 << 20
	mostRate   = 256 << 20
	rateStep   = 512 << 10 // a look
	rateFactor = 0.8
	leastShare = 4 << 10 // of one gateway
	lookEvery  = 250 * time.Millisecond
	lagAllowed = 500 * time.Millisecond
	replayEnds = 5 * time.Second // after the last batch of a backlog
	mostMarks  = 1024
)

// credits shares what the aggregator takes of backlogs among the gateways that replay, so that half a thousand of them returning
// at once wait for each other, and nobody's live values wait for them. The zero value is ready.
type credits struct {
	mu     sync.Mutex
	rate   float64 // bytes a second for all; 0 for the first
	taken  int     // bytes of backlogs since the last look
	looked time.Time
	lagged time.Duration         // at the last look
	active map[Gateway]time.Time // who replays, and when it last did
	marks  []mark                // one a look, oldest first
}

// mark says that every record below next was received by at.
type mark struct {
	next uint64
	at   time.Time
}

// replayed notes a batch of gw's backlog.
func (c *credits) replayed(gw Gateway, bytes int, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.active == nil {
		c.active, c.rate = map[Gateway]time.Time{}, firstRate
	}
	c.active[gw] = now
	c.taken += bytes
}

// look adapts the rate, when it is time to: next records were received, and those below reached are applied. waiting is since when the
// oldest batch of a backlog has waited for its turn, the zero time for none.
func (c *credits) look(next, reached uint64, waiting, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	passed := now.Sub(c.looked)
	if passed >= 0 && passed < lookEvery {
		return
	}
	for gw, at := range c.active {
		if now.Sub(at) > replayEnds {
			delete(c.active, gw)
		}
	}
	lag := c.lag(next, reached, now)
	if !waiting.IsZero() {
		lag = max(lag, now.Sub(waiting))
	}
	used := passed > 0 && float64(c.taken) >= c.rate/2*passed.Seconds()
	c.looked, c.taken = now, 0
	switch {
	case len(c.active) == 0:
	case lag > lagAllowed && lag >= c.lagged: // what shrinks already needs time, not less
		c.rate = max(c.rate*rateFactor, leastRate)
	case lag <= lagAllowed && used:
		c.rate = min(c.rate+rateStep, mostRate)
	}
	c.lagged = lag
}

// lag returns for how long the oldest record that is not applied has waited, to within a look. The caller holds the lock.
func (c *credits) lag(next, reached uint64, now time.Time) time.Duration {
	done := slices.IndexFunc(c.marks, func(m mark) bool { return m.next > reached })
	if done < 0 {
		done = len(c.marks)
	}
	c.marks = slices.Delete(c.marks, 0, done)
	if next > reached && len(c.marks) < mostMarks {
		c.marks = append(c.marks, mark{next, now})
	}
	if len(c.marks) == 0 {
		return 0
	}
	return now.Sub(c.marks[0].at)
}

// share returns how many bytes of its backlog gw may send a second; 0 for as many as it likes, which is said while it would be the
// only one and nothing is late.
func (c *credits) share(gw Gateway) uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.active)
	if _, ok := c.active[gw]; !ok {
		n++
	}
	if n == 1 && (c.rate == 0 || c.rate >= firstRate) {
		return 0
	}
	return uint32(max(c.rate/float64(n), leastShare))
}

// state returns the rate for all and how many replay.
func (c *credits) state() (rate float64, replaying int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rate, len(c.active)
}
