package uplink

import (
	"context"
	"fmt"
	"time"

	"github.com/courtside-edge/courtside/sync/mqtt"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/spool"
	"github.com/courtside-edge/courtside/sync/wire"
)

// pump publishes batches until ctx ends or the session cannot go on.
func (s *session) pump(ctx context.Context) {
	defer s.u.pumping.Rest()
	for ctx.Err() == nil {
		s.u.pumping.Work()
		sent, err := s.next()
		if err != nil {
			s.fail(err)
			return
		}
		if sent {
			continue
		}
		s.u.pumping.Rest()
		select {
		case <-s.u.o.Spool.Ready():
		case <-s.wake:
		case <-s.conn.Lost():
			return
		case <-ctx.Done():
		}
	}
}

// next publishes the next batch, if one may go.
func (s *session) next() (sent bool, err error) {
	g, ok := s.grant(time.Now())
	if !ok {
		return false, nil
	}
	t, ok := s.u.o.Spool.Take(g)
	if !ok {
		return false, nil
	}
	if err := s.tableFirst(t); err != nil {
		s.u.o.Spool.Fail(t.ID)
		return false, err
	}
	s.took(time.Now(), t)
	m, err := s.message(t)
	if err != nil {
		s.mu.Lock()
		s.win.unsent(t.ID)
		s.mu.Unlock()
		s.u.o.Spool.Fail(t.ID)
		return false, err
	}
	err = s.conn.Publish(m, func(err error) {
		if err == nil {
			s.u.o.Spool.Commit(t.ID)
		}
	})
	if err != nil { // whether it went is unknown
		s.mu.Lock()
		s.win.unsent(t.ID)
		s.mu.Unlock()
		s.u.o.Spool.Fail(t.ID)
		return false, fmt.Errorf("publishing batch %s: %w", t.ID, err)
	}
	s.counted(t)
	return true, nil
}

// message returns what is published of a batch.
func (s *session) message(t spool.Taken) (mqtt.Message, error) {
	m := mqtt.Message{Topic: s.topic(t.Channel), Payload: t.Frame, QoS: 1}
	if s.u.o.Sign == nil {
		return m, nil
	}
	var err error
	if m.Payload, err = s.u.o.Sign(m.Topic, t.Frame); err != nil {
		return m, fmt.Errorf("signing batch %s: %w", t.ID, err)
	}
	return m, nil
}

func (s *session) counted(t spool.Taken) {
	c := &s.u.count
	c.bytes.Add(uint64(t.Size))
	switch t.Channel {
	case wire.Live:
		c.live.Add(1)
	case wire.Replay:
		c.replay.Add(1)
	default:
		c.critical.Add(1)
	}
}

// grant says what may go now.
func (s *session) grant(now time.Time) (spool.Grant, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	some, backlog := s.limit.any(now)
	g := spool.Grant{Window: s.win.grant(now), Backlog: s.win.paced(now), LiveOnly: s.stopping || !backlog, NoReplay: !s.credit.any(now)}
	return g, g.Window > 0 && some && !s.draining && s.err == nil
}

// took notes that a batch is on its way.
func (s *session) took(now time.Time, t spool.Taken) {
	s.mu.Lock()
	if s.win.down {
		s.u.count.probes.Add(1)
	}
	s.win.sent(t.ID, flight{at: now, size: t.Size, waited: t.Waited, backlog: t.Backlog})
	s.limit.use(t.Size, t.Backlog)
	if t.Backlog && t.ID.Lane == point.Telemetry {
		s.credit.use(t.Size)
	}
	s.mu.Unlock()
	s.poke(s.turn)
}

// tableFirst publishes the table that a batch names, once a connection.
func (s *session) tableFirst(t spool.Taken) error {
	s.mu.Lock()
	known := s.tables[t.Table]
	s.mu.Unlock()
	if known {
		return nil
	}
	table, ok := s.u.o.Spool.Table(t.Table)
	if !ok {
		return nil // released: the cloud has it
	}
	return s.sendTable(table, &s.u.pumping)
}

// credit is the rate at which the cloud lets a backlog come; no limit at first.
type credit struct {
	rate uint32 // bytes a second; 0 for no limit
	left float64
	at   time.Time
}

// set changes the rate; what was earned or is owed stays.
func (c *credit) set(now time.Time, rate uint32) {
	if c.rate == rate {
		return
	}
	c.any(now) // earns what is due at the old rate
	if c.rate == 0 {
		c.left = 0
	}
	c.rate, c.left, c.at = rate, min(c.left, float64(rate)), now
}

// any reports whether a batch may go; what it is too large for is owed.
func (c *credit) any(now time.Time) bool {
	if c.rate == 0 {
		return true
	}
	c.left = min(c.left+now.Sub(c.at).Seconds()*float64(c.rate), float64(c.rate))
	c.at = now
	return c.left > 0
}

func (c *credit) use(size int) {
	if c.rate != 0 {
		c.left -= float64(size)
	}
}
