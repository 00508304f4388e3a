package modbus

import (
	"fmt"
	"sync/atomic"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/sync/policy"
)

// Stats is what happened on one connection.
type Stats struct {
	Requests   uint64 // sent
	Timeouts   uint64 // of them, not answered in time
	Exceptions uint64 // of them, refused by the device
	Malformed  uint64 // of them, answered with something else
	Strays     uint64 // answers that came too late or to no request
}

// counters is Stats while they are counted.
type counters struct{ requests, timeouts, exceptions, malformed, strays atomic.Uint64 }

func (c *counters) stats() Stats {
	return Stats{c.requests.Load(), c.timeouts.Load(), c.exceptions.Load(), c.malformed.Load(), c.strays.Load()}
}

// Stats returns what happened so far. It may be called beside a poll.
func (c *Conn) Stats() Stats { return c.stats.stats() }

// counting makes c count for the present connection.
func (s *Source) counting(c *counters) {
	s.statsMu.Lock()
	defer s.statsMu.Unlock()
	if s.current != nil {
		s.past = s.past.plus(s.current.stats())
	}
	s.current = c
}

// requests returns the figures of all connections.
func (s *Source) requests() Stats {
	s.statsMu.Lock()
	defer s.statsMu.Unlock()
	if s.current == nil {
		return s.past
	}
	return s.past.plus(s.current.stats())
}

func (s Stats) plus(o Stats) Stats {
	return Stats{s.Requests + o.Requests, s.Timeouts + o.Timeouts, s.Exceptions + o.Exceptions, s.Malformed + o.Malformed, s.Strays + o.Strays}
}

// Stats implements drivers.Statser. Requests are those of all connections; units and rings are counted since the start.
func (s *Source) Stats() []drivers.Stat {
	n := s.requests()
	stats := []drivers.Stat{
		{Name: "requests_total", Value: float64(n.Requests), Meaning: "Requests sent."},
		{Name: "timeouts_total", Value: float64(n.Timeouts), Meaning: "Requests not answered in time."},
		{Name: "exceptions_total", Value: float64(n.Exceptions), Meaning: "Requests refused by the device."},
		{Name: "malformed_total", Value: float64(n.Malformed), Meaning: "Requests answered with something else."},
		{Name: "strays_total", Value: float64(n.Strays), Meaning: "Answers that came too late or to no request."},
	}
	for _, id := range s.order {
		b := s.units[id].breaker
		if b == nil {
			continue
		}
		u, part := b.Stats(), fmt.Sprintf("unit %d", id)
		up := 1.0
		if u.State != policy.Closed {
			up = 0
		}
		stats = append(stats, drivers.Stat{Name: "unit_up", Part: part, Value: up, Meaning: "1 while the unit is asked, 0 while it is suspended."},
			drivers.Stat{Name: "unit_suspensions_total", Part: part, Value: float64(u.Opened), Meaning: "Times that the unit was suspended."})
	}
	for _, r := range s.rings {
		part := "ring " + string(r.outlets[0].Point.Name)
		stats = append(stats, drivers.Stat{Name: "ring_events_total", Part: part, Value: float64(r.stats.events.Load()), Meaning: "Events read."},
			drivers.Stat{Name: "ring_lost_total", Part: part, Value: float64(r.stats.lost.Load()), Meaning: "Events declared lost."},
			drivers.Stat{Name: "ring_torn_total", Part: part, Value: float64(r.stats.torn.Load()), Meaning: "Slots that did not hold their event and were read again."},
			drivers.Stat{Name: "ring_restarts_total", Part: part, Value: float64(r.stats.restarts.Load()), Meaning: "Times that the ring began anew."})
	}
	return stats
}

var (
	_ drivers.Statser = (*Source)(nil)
	_ drivers.Planner = (*Source)(nil)
)
