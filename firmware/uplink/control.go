package uplink

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/courtside-edge/courtside/sync/point"
)

// creditTick is how often replay is looked at while the cloud limits it.
const creditTick = 100 * time.Millisecond

var errNoAcks = errors.New("no ack for a long time")

// control does what is due until the session ends, and says why it did.
func (s *session) control(ctx context.Context) ending {
	inventory := time.NewTicker(InventoryEvery)
	defer inventory.Stop()
	credit := pulse{Ticker: time.NewTicker(creditTick), ticks: true}
	defer credit.Stop()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	half := s.halfLife()
	defer half.Stop()
	updated := s.updated
	var deadline <-chan time.Time // of draining or stopping
	stop := ctx.Done()
	for {
		s.u.pulse.Work()
		if end, over := s.look(time.Now(), timer); over {
			return end
		}
		credit.tick(s.limited())
		s.u.pulse.Rest()
		select {
		case <-s.turn:
		case <-timer.C:
		case <-credit.C:
			s.poke(s.wake)
		case f := <-s.todo:
			f()
		case <-inventory.C:
			s.tell()
		case <-updated:
			updated, half.C = nil, nil
			deadline = s.drain(deadline)
		case <-half.C:
			if !s.u.o.Identity.NotAfter().Equal(s.expires) {
				deadline = s.drain(deadline)
			}
		case <-deadline:
			return s.patienceOver()
		case <-s.conn.Lost():
			return endLost
		case <-stop:
			stop = nil
			deadline = time.After(StopPatience)
			s.mu.Lock()
			s.stopping, s.draining = true, false
			s.mu.Unlock()
			s.poke(s.wake)
		}
	}
}

// look takes in what time has changed, arms the timer for the next change, and says whether the session is over.
func (s *session) look(now time.Time, timer *time.Timer) (ending, bool) {
	s.mu.Lock()
	ids, fell := s.win.late(now)
	down, fellAt := s.win.down, s.win.fell
	if at := s.win.next(now); !at.IsZero() {
		timer.Reset(max(at.Sub(now), 0))
	}
	draining, stopping, err := s.draining, s.stopping, s.err
	s.mu.Unlock()
	for _, id := range ids {
		s.u.count.late.Add(1)
		s.u.o.Spool.Fail(id)
	}
	if fell {
		s.u.state.Store(int32(Down))
		s.u.log.Warn("no ack for three timeouts: the link counts as down and is probed")
	}
	if len(ids) > 0 || down {
		s.poke(s.wake)
	}
	switch {
	case err != nil:
		return endLost, true
	case stopping && (down || s.quiet()):
		return endStop, true
	case draining && s.u.o.Spool.InFlight() == 0:
		return endRotation, true
	case down && now.Sub(fellAt) >= DownPatience:
		s.fail(fmt.Errorf("%w: %s", errNoAcks, now.Sub(fellAt).Round(time.Second)))
		return endDown, true
	}
	return 0, false
}

// quiet reports whether nothing live waits and nothing is in flight.
func (s *session) quiet() bool {
	sp := s.u.o.Spool
	return sp.InFlight() == 0 && sp.LiveWaiting(point.Critical) == 0 && sp.LiveWaiting(point.Telemetry) == 0
}

func (s *session) patienceOver() ending {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return endStop
	}
	return endRotation
}

// drain stops taking, so that the session ends soon with nothing in flight.
func (s *session) drain(deadline <-chan time.Time) <-chan time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping || s.draining {
		return deadline
	}
	s.draining = true
	return time.After(DrainPatience)
}

// halfLife fires at half of what the SVID in use has left: by then there should be another, even if its coming was missed.
func (s *session) halfLife() *time.Timer {
	t := time.NewTimer(time.Hour)
	left := time.Until(s.expires)
	if s.expires.IsZero() || left <= 0 {
		t.Stop()
		return t
	}
	t.Reset(left / 2)
	return t
}

// pulse is a ticker that rests while nobody needs it.
type pulse struct {
	*time.Ticker
	ticks bool
}

func (p *pulse) tick(wanted bool) {
	switch {
	case wanted && !p.ticks:
		p.Reset(creditTick)
	case !wanted && p.ticks:
		p.Stop()
	}
	p.ticks = wanted
}

// limited reports whether credit or rate may open by time alone.
func (s *session) limited() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.credit.rate != 0 || s.limit.all.rate != 0
}

// tell publishes the inventory, and the status if it changed.
func (s *session) tell() {
	if err := errors.Join(s.birth(false), s.sendInventory()); err != nil {
		s.fail(err)
	}
}
