package modbus

import (
	"fmt"
	"os"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/sync/policy"
)

// How a unit that does not answer is suspended, while others share its connection.
const (
	unitFailures = 2 // requests in a row that suspend it
	unitBase     = time.Second
	unitMax      = time.Minute
	// minProbe is the shortest that a suspended unit is waited for; beyond, four times as long as it took lately, or any other unit when
	// it never answered. One probe in patientProbe waits for the whole timeout.
	minProbe     = 20 * time.Millisecond
	patientProbe = 8
	slowDecay    = 32 // a slow answer is forgotten over some times as many
	// maxWitnesses is how many other units are asked whether the line itself is dead.
	maxWitnesses = 2
)

// unit is one unit id of a device. It outlives connections.
type unit struct {
	id      uint8
	breaker *policy.Breaker // nil for the only unit: if that is silent, so is the connection
	slowest time.Duration   // that it took to answer lately
	witness *request        // answered last on connection conn
	conn    uint64
	probes  int // since it was suspended
}

func newUnit(id uint8, alone bool) *unit {
	u := &unit{id: id}
	if !alone {
		u.breaker = policy.NewBreaker(unitFailures, policy.Backoff{Base: unitBase, Max: unitMax})
	}
	return u
}

// isSuspended reports whether the unit is not asked at present.
func (u *unit) isSuspended() bool { return u.breaker != nil && u.breaker.State() != policy.Closed }

// allowed returns how many of requests may be sent, from the first on.
func (c *Conn) allowed(requests []*request) int {
	if len(c.source.units) == 1 {
		return len(requests)
	}
	for n, r := range requests {
		if c.source.units[r.unit].isSuspended() {
			return n
		}
	}
	return len(requests)
}

// judge lets the unit of r learn what became of r.
func (c *Conn) judge(r *request, a answer) {
	if len(c.source.units) == 1 {
		return
	}
	u := c.source.units[r.unit]
	if a.outcome == silent || a.outcome == refused && isUnreachable(a.code) {
		if u.breaker.Fail(int64(time.Since(c.source.began))) {
			c.source.log.Warn("a unit does not answer; it is suspended, and asked again now and then", "unit", u.id)
		}
		return
	}
	if a.outcome == malformed {
		return
	}
	if u.isSuspended() {
		c.source.log.Info("the unit answers again", "unit", u.id)
	}
	u.breaker.Succeed()
	u.probes = 0
	u.slowest = max(c.line.took, u.slowest-u.slowest/slowDecay)
	u.witness, u.conn = r, c.id
}

// alive finds out, after several timeouts in a row, whether it is units that are silent or the line, by asking units that answered before.
func (c *Conn) alive() error {
	asked := 0
	for _, id := range c.source.order {
		u := c.source.units[id]
		if len(c.source.units) == 1 || asked == maxWitnesses {
			break
		}
		if u.isSuspended() || u.conn != c.id {
			continue
		}
		asked++
		r := u.witness
		if err := c.wire.send(append([]byte(nil), r.adu...), 0); err != nil {
			return err
		}
		a, err := c.wire.receive()
		if err != nil {
			return err
		}
		c.judge(r, a)
		if a.outcome != silent {
			return nil
		}
	}
	return fmt.Errorf("%d requests in a row were not answered: %w", c.line.misses, os.ErrDeadlineExceeded)
}

// candidate returns the first request of a suspended unit whose time to be asked again has come, and nil when there is none. Its points are left out of the
// round: they come with the probe that follows it.
func (c *Conn) candidate(s *sending) *request {
	if len(c.source.units) == 1 {
		return nil
	}
	now := int64(time.Since(c.source.began))
	for _, r := range s.requests {
		if u := c.source.units[r.unit]; u.isSuspended() && u.breaker.Due(now) && u.breaker.Allow(now) {
			return r
		}
	}
	return nil
}

// patience returns how long a probe of u is waited for.
func (s *Source) patience(u *unit) time.Duration {
	slowest := u.slowest
	for _, o := range s.units {
		if u.slowest == 0 {
			slowest = max(slowest, o.slowest)
		}
	}
	if u.probes++; u.probes%patientProbe == 0 || slowest == 0 {
		return s.options.Timeout
	}
	return min(s.options.Timeout, max(minProbe, 4*slowest))
}

// probe asks a suspended unit once, after everybody else was served, and for no longer than it may need.
func (c *Conn) probe(co *course, r *request, yield func(*drivers.Block)) error {
	limit := c.line.timeout
	c.line.timeout = c.source.patience(c.source.units[r.unit])
	defer func() { c.line.timeout = limit }()
	if err := c.wire.send(append([]byte(nil), r.adu...), 0); err != nil {
		return err
	}
	a, err := c.wire.receive()
	if err != nil {
		return err
	}
	misses := c.line.misses
	c.take(co, r, a, yield)
	c.parts = nil // of a refused probe: the next scan asks for them
	if a.outcome == silent {
		c.line.misses = max(misses-1, 0) // says nothing of the line
	}
	return nil
}
