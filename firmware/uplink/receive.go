package uplink

import (
	"errors"
	"fmt"
	"time"

	"github.com/courtside-edge/courtside/sync/mqtt"
	"github.com/courtside-edge/courtside/sync/wire"
)

// receive takes in what the broker delivers. It never waits for the session: what has to be published is left to the control.
func (s *session) receive(m mqtt.Message) {
	switch m.Topic {
	case s.topic(wire.AckCh):
		if v, ok := s.vouched("ack", m); ok {
			s.receiveAck(m.Payload, v)
		}
	case wire.CloudStatusTopic:
		s.learn(m.Payload)
	case s.topic(wire.CommandCh):
		if _, ok := s.vouched("command", m); !ok {
			return
		}
		c, err := wire.DecodeCommand(m.Payload)
		if err != nil {
			s.malformed("command", err)
			return
		}
		if s.u.repeated(c.ID) {
			return
		}
		s.ask(func() { s.obey(c) })
	default:
		s.malformed("message", fmt.Errorf("topic %q was not subscribed to", m.Topic))
	}
}

func (s *session) malformed(what string, err error) {
	if s.u.count.malformed.Add(1) == 1 {
		s.u.log.Warn("an inbound "+what+" is ignored; further ones are only counted", "err", err)
	}
}

// ask leaves f to the control.
func (s *session) ask(f func()) {
	select {
	case s.todo <- f:
	default:
		s.u.count.overflow.Add(1)
	}
}

func (s *session) receiveAck(payload []byte, v Voucher) {
	a, err := wire.DecodeAck(payload)
	if err != nil {
		s.malformed("ack", err)
		return
	}
	now := time.Now()
	if !s.fresh(now, v, &a) {
		return
	}
	s.u.count.acks.Add(1)
	out := s.u.o.Spool.Ack(a)
	counts := out.Batches.Batches > 0 || len(out.Landed) > 0 || out.Answered
	s.mu.Lock()
	up := counts && s.win.acked(now, out.Landed)
	if counts {
		s.credit.set(now, a.Credit)
	}
	s.mu.Unlock()
	if counts {
		s.proved.Store(true)
		if v.tells(a.CloudTime) {
			s.u.judge(now, a.CloudTime)
			if trip, ok := s.roundTrip(a.Inventory, now); ok && s.u.o.CloudTime(a.CloudTime, trip) {
				s.ask(s.tell)
			}
		}
	}
	if up {
		s.u.state.Store(int32(Up))
		s.u.log.Info("acks come again: the link is up")
	}
	for _, t := range out.Tables {
		s.ask(func() {
			if err := s.clearTable(t); err != nil {
				s.fail(err)
			}
		})
	}
	s.poke(s.wake)
	s.poke(s.turn)
}

var (
	errExpired = errors.New("the command has expired")
	errUnknown = errors.New("the command is not known")
	errNoTable = errors.New("no such point table is here")
	errNoTime  = errors.New("the time is not known here, so that nobody can tell whether the order has expired")
)

// obey does what a command wants and replies.
func (s *session) obey(c wire.Command) {
	err := s.do(c)
	reply := wire.Reply{ID: c.ID}
	switch {
	case err == nil:
		s.u.count.commands.Add(1)
	case errors.Is(err, errExpired):
		s.u.count.expired.Add(1)
		reply.Error = err.Error()
	default:
		reply.Error = err.Error()
	}
	if err := s.conn.Publish(mqtt.Message{Topic: s.topic(wire.ReplyCh), Payload: wire.EncodeReply(reply), QoS: 1}, nil); err != nil {
		s.fail(fmt.Errorf("replying to command %q: %w", c.ID, err))
	}
}

func (s *session) do(c wire.Command) error {
	now, known := s.u.o.Now()
	if known && !c.Expires.IsZero() && now.After(c.Expires) {
		return errExpired
	}
	switch c.Kind {
	case wire.Update:
		switch {
		case s.u.o.Update == nil:
			return errUnknown
		case !known || c.Expires.IsZero(): // an old order that is played again must not take an update back
			return errNoTime
		}
		return s.u.o.Update(c.Order)
	case wire.TableWanted:
		t, ok := s.u.o.Spool.Table(c.Table)
		if !ok {
			return fmt.Errorf("%w: %s", errNoTable, c.Table)
		}
		return s.sendTable(t, &s.u.pulse)
	case wire.SetAside:
		s.noticed(c.Notice)
		return nil
	case wire.Rebirth:
		if err := s.birth(true); err != nil {
			return err
		}
		for _, t := range s.u.o.Spool.Tables() {
			if err := s.sendTable(t, &s.u.pulse); err != nil {
				return err
			}
		}
		return s.sendInventory()
	}
	return errUnknown
}
