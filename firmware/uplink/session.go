package uplink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/courtside-edge/courtside/sync/mqtt"
	"github.com/courtside-edge/courtside/sync/notify"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/spool"
	"github.com/courtside-edge/courtside/sync/wire"
)

// Why a session ended.
type ending int

const (
	endLost ending = iota
	endDown
	endRotation
	endStop
)

// queued bounds inbound work that waits: commands to do, tables to clear.
const queued = 32

// session is one connection and the two goroutines that use it: the pump publishes batches and may wait for the link, the
// control does everything else that is due.
type session struct {
	u       *Uplink
	id      string
	conn    Session
	updated <-chan struct{} // the identity's, asked for before the handshake
	expires time.Time       // of the SVID in use

	proved atomic.Bool // the cloud acknowledged something
	notice atomic.Pointer[notice]
	wake   chan struct{} // for the pump: the window may have opened
	turn   chan struct{} // for the control: something in the window changed
	todo   chan func()   // for the control: what inbound messages ask for
	gone   chan struct{} // the farewell is over

	mu        sync.Mutex
	win       *window
	credit    credit
	limit     limit
	tables    map[point.TableHash]bool // published on this connection
	status    string                   // last published
	judge     Judge                    // nil before there is a connection
	questions map[uint64]time.Time     // when inventories went out, by number
	draining  bool                     // nothing more is taken: a fresh SVID waits
	stopping  bool                     // live batches only
	err       error                    // why it ended
}

// connect opens a session and announces the gateway. down says that no ack has come since a link was found down.
func (u *Uplink) connect(ctx context.Context, updated <-chan struct{}, down bool) (*session, error) {
	s := &session{u: u, id: newSessionID(), updated: updated, wake: make(chan struct{}, 1), turn: make(chan struct{}, 1),
		todo: make(chan func(), queued), limit: newLimit(time.Now(), u.o.RateLimit), gone: make(chan struct{}), win: newWindow(time.Now(), u.o.Window, down, u.o.Jitter), tables: map[point.TableHash]bool{}, questions: map[uint64]time.Time{}}
	if u.o.Identity != nil {
		s.expires = u.o.Identity.NotAfter()
	}
	will, err := s.statusMessage("death", "lost")
	if err != nil {
		return nil, err
	}
	if s.conn, err = u.o.Dial(ctx, mqtt.Options{Will: &will, OnMessage: s.receive, Log: u.log}); err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	u.pulse.Work()
	if u.o.Judge != nil {
		judge := u.o.Judge(s.conn)
		s.mu.Lock()
		s.judge = judge
		s.mu.Unlock()
	}
	if err := s.announce(ctx); err != nil {
		_ = s.conn.Close()
		return nil, err
	}
	return s, nil
}

// announce subscribes first, so that no ack is missed, and then says everything that comes before a batch.
func (s *session) announce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, birthPatience)
	defer cancel()
	filters := []string{s.topic(wire.AckCh), s.topic(wire.CommandCh)}
	if s.u.o.Judge != nil {
		filters = append([]string{wire.CloudStatusTopic}, filters...) // who signs comes before what is signed
	}
	if err := s.conn.Subscribe(ctx, filters...); err != nil {
		return fmt.Errorf("subscribing to acks and commands: %w", err)
	}
	s.u.pulse.Work()
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

func (s *session) topic(c wire.Channel) string {
	return wire.GatewayTopic(s.u.o.Venue, s.u.o.Gateway, c)
}

// statusMessage returns the status as it stands.
func (s *session) statusMessage(state, reason string) (mqtt.Message, error) {
	st := s.u.o.Status()
	st.Venue, st.Gateway, st.Session, st.State, st.Reason = s.u.o.Venue, s.u.o.Gateway, s.id, state, reason
	b, err := json.Marshal(st)
	if err != nil {
		return mqtt.Message{}, fmt.Errorf("encoding the status: %w", err)
	}
	return mqtt.Message{Topic: s.topic(wire.StatusCh), Payload: b, QoS: 1, Retained: true}, nil
}

// birth announces the gateway, or what changed of it since it did.
func (s *session) birth(always bool) error {
	m, err := s.statusMessage("birth", "")
	if err != nil {
		return err
	}
	if !always && s.status == string(m.Payload) {
		return nil
	}
	s.status = string(m.Payload)
	if err := s.conn.Publish(m, nil); err != nil {
		return fmt.Errorf("announcing the gateway: %w", err)
	}
	return nil
}

func (s *session) sendInventory() error {
	inv := s.u.o.Spool.Inventory()
	inv.Session = s.id
	s.asked(inv.Number, time.Now())
	if err := s.conn.Publish(mqtt.Message{Topic: s.topic(wire.InvCh), Payload: wire.EncodeInventory(inv), QoS: 1}, nil); err != nil {
		return fmt.Errorf("publishing inventory %d: %w", inv.Number, err)
	}
	return nil
}

// sendTable publishes a point table, retained. pulse is the caller's.
func (s *session) sendTable(t spool.Table, pulse *notify.Pulse) error {
	for part, payload := range t.Parts {
		m := mqtt.Message{Topic: wire.TableTopic(s.u.o.Venue, s.u.o.Gateway, t.Hash, part), Payload: payload, QoS: 1, Retained: true}
		if err := s.conn.Publish(m, nil); err != nil {
			return fmt.Errorf("publishing point table %s: %w", t.Hash, err)
		}
		pulse.Work()
	}
	s.notice.Store(nil) // it was said of other points, and is said again if it holds for these
	s.mu.Lock()
	s.tables[t.Hash] = true
	s.mu.Unlock()
	return nil
}

// clearTable takes a released table off the broker.
func (s *session) clearTable(t spool.Table) error {
	for part := range t.Parts {
		m := mqtt.Message{Topic: wire.TableTopic(s.u.o.Venue, s.u.o.Gateway, t.Hash, part), QoS: 1, Retained: true}
		if err := s.conn.Publish(m, nil); err != nil {
			return fmt.Errorf("clearing point table %s: %w", t.Hash, err)
		}
		s.u.pulse.Work()
	}
	s.mu.Lock()
	delete(s.tables, t.Hash)
	s.mu.Unlock()
	return nil
}

// run sends until the session ends, and leaves nothing in flight.
func (s *session) run(ctx context.Context) ending {
	s.u.state.Store(int32(s.standing()))
	pump, stop := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() { s.pump(pump) })
	end := s.control(ctx)
	s.u.pulse.Work()
	stop()
	if end == endStop {
		work.Go(s.farewell)
		s.parting()
	}
	if err := s.conn.Close(); err != nil && end != endLost {
		s.u.log.Debug("closing the session", "err", err)
	}
	work.Wait()
	s.u.o.Spool.FailAll()
	return end
}

// standing is the state that the window stands for.
func (s *session) standing() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.win.down {
		return Down
	}
	return Up
}

// fail notes why the session cannot go on.
func (s *session) fail(err error) {
	s.mu.Lock()
	if s.err == nil {
		s.err = err
	}
	s.mu.Unlock()
	s.poke(s.turn)
}

func (s *session) cause() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.err, s.conn.Err())
}

func (s *session) poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// farewell announces the death. It may wait for the link.
func (s *session) farewell() {
	defer close(s.gone)
	m, err := s.statusMessage("death", "stopped")
	if err != nil {
		return
	}
	took := make(chan struct{})
	if err := s.conn.Publish(m, func(error) { close(took) }); err != nil {
		return
	}
	select {
	case <-took:
	case <-s.conn.Lost():
	}
}

// parting gives the farewell its time; the end of the connection ends what is left of it.
func (s *session) parting() {
	timer := time.NewTimer(farewell)
	defer timer.Stop()
	select {
	case <-s.gone:
	case <-timer.C:
	}
}
