package mqtt

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
)

const (
	// pipeline is how many messages may be between Publish and the socket.
	pipeline = 2
	// handOver is how long the library may wait to take a message that pipeline has room for.
	handOver = 500 * time.Millisecond
)

// Session is one connection to a broker. It is safe for concurrent use. Whoever dialled it closes it, also after a loss.
type Session struct {
	options Options
	client  paho.Client
	link    *link
	queue   chan Message
	lost    chan struct{}
	work    sync.WaitGroup // the dispatcher and callbacks not yet called

	filters   atomic.Int32 // of the SUBSCRIBE that waits for its answer
	subscribe sync.Mutex   // one SUBSCRIBE at a time
	inFlight  atomic.Int64
	closing   atomic.Bool

	mu   sync.Mutex
	over bool // no callback may be added to work any more
	err  error
}

// Dial connects. ctx and ConnectTimeout bound the attempt; they do not end the session later.
func Dial(ctx context.Context, o Options) (*Session, error) {
	addr, err := o.settle()
	if err != nil {
		return nil, err
	}
	s := &Session{options: o, queue: make(chan Message, queued), lost: make(chan struct{})}
	ctx, cancel := context.WithTimeout(ctx, o.ConnectTimeout)
	defer cancel()
	unaborted := func() bool { return true }
	s.client = paho.NewClient(s.pahoOptions(func() (net.Conn, error) {
		conn, err := dial(ctx, addr, o.TLS)
		if err != nil {
			return nil, err
		}
		s.link = &link{Conn: conn, writeTimeout: o.WriteTimeout, slots: make(chan struct{}, pipeline), ended: make(chan struct{}),
			guard: guard{maxBytes: o.MaxPacketBytes, filters: &s.filters}}
		unaborted = context.AfterFunc(ctx, func() { _ = s.link.Close() })
		return s.link, nil
	}))
	token := s.client.Connect()
	<-token.Done() // within ConnectTimeout: dialling has ctx, the answer a deadline
	aborted := !unaborted()
	if err := token.Error(); err != nil {
		return nil, connectError(addr, token, err)
	}
	s.work.Go(s.dispatch)
	if aborted {
		_ = s.Close()
		return nil, fmt.Errorf("mqtt: connecting to %s: %w", addr, ctx.Err())
	}
	return s, nil
}

func connectError(addr string, token paho.Token, err error) error {
	const networkError = 0xFE // paho's own code, beside those of the standard
	if t, ok := token.(*paho.ConnectToken); ok && t.ReturnCode() != 0 && t.ReturnCode() != networkError {
		return fmt.Errorf("mqtt: connecting to %s: %w: %w", addr, ErrRefused, err)
	}
	return fmt.Errorf("mqtt: connecting to %s: %w", addr, err)
}

// pahoOptions are the settings under which the library neither loses nor invents acknowledgements.
func (s *Session) pahoOptions(open func() (net.Conn, error)) *paho.ClientOptions {
	o := paho.NewClientOptions().
		AddBroker(s.options.URL).
		SetClientID(s.options.ClientID).
		SetCleanSession(true).
		SetAutoReconnect(false).
		SetConnectRetry(false).
		SetProtocolVersion(4).
		SetOrderMatters(true). // the callback only queues; without it every message is a goroutine, and nothing holds a fast broker
		SetKeepAlive(s.options.KeepAlive).
		SetPingTimeout(max(s.options.KeepAlive/2, time.Second)).
		SetConnectTimeout(s.options.ConnectTimeout).
		SetWriteTimeout(handOver). // only for its channel; the link limits its writes itself
		SetCustomOpenConnectionFn(func(*url.URL, paho.ClientOptions) (net.Conn, error) { return open() }).
		SetDefaultPublishHandler(s.enqueue).
		SetConnectionLostHandler(func(_ paho.Client, err error) { s.end(err) })
	if w := s.options.Will; w != nil {
		o.SetBinaryWill(w.Topic, w.Payload, w.QoS, w.Retained)
	}
	return o
}

// enqueue hands an inbound message to the dispatcher, waiting while it is behind.
func (s *Session) enqueue(_ paho.Client, m paho.Message) {
	select {
	case s.queue <- Message{Topic: m.Topic(), Payload: m.Payload(), QoS: m.Qos(), Retained: m.Retained()}:
	case <-s.link.ended:
	}
}

// dispatch calls OnMessage until the session is over and the queue is empty.
func (s *Session) dispatch() {
	deliver := func(m Message) {
		if s.options.OnMessage != nil && !s.closing.Load() {
			s.options.OnMessage(m)
		}
	}
	for {
		select {
		case m := <-s.queue:
			deliver(m)
		case <-s.lost:
			for len(s.queue) > 0 {
				deliver(<-s.queue)
			}
			return
		}
	}
}

// end records why the session is over. The library calls it once, when all its own work has ended.
func (s *Session) end(cause error) {
	if s.closing.Load() {
		cause = ErrClosed
	} else {
		cause = fmt.Errorf("%w: %w", ErrLost, cause)
		s.options.Log.Info("MQTT session lost", "broker", s.options.URL, "err", cause)
	}
	s.mu.Lock()
	s.over, s.err = true, cause
	s.mu.Unlock()
	close(s.lost)
}

// Publish sends m. It returns when the connection has taken it, at once when the session ends, after WriteTimeout at the latest; at most
// one message waits behind the one that is being written. done, which may be nil, is called exactly once if and only if Publish returns nil: with nil on
// PUBACK (QoS 0: when written), with an error when the session ends before. It is called from a goroutine of the session and must not block.
func (s *Session) Publish(m Message, done func(error)) error {
	if err := m.check(); err != nil {
		return fmt.Errorf("mqtt: %w", err)
	}
	s.mu.Lock()
	if s.over {
		s.mu.Unlock()
		return fmt.Errorf("mqtt: publishing to %s: %w: %w", m.Topic, ErrNotSent, s.err)
	}
	if s.inFlight.Load() >= int64(s.options.MaxInFlight) {
		s.mu.Unlock()
		return fmt.Errorf("mqtt: publishing to %s: %w: %d messages wait for their acknowledgement", m.Topic, ErrNotSent, s.options.MaxInFlight)
	}
	s.inFlight.Add(1)
	s.work.Add(1) // before Close can wait
	s.mu.Unlock()

	token, err := s.handOver(m)
	if err != nil {
		s.inFlight.Add(-1)
		s.work.Done()
		return fmt.Errorf("mqtt: publishing to %s: %w", m.Topic, err)
	}
	go func() {
		defer s.work.Done()
		err := s.await(token)
		s.inFlight.Add(-1)
		if err != nil {
			err = fmt.Errorf("mqtt: publishing to %s: %w", m.Topic, err)
		}
		if done != nil {
			done(err)
		}
	}()
	return nil
}

// handOver gives a message to the library. After an error it will not be written, or was so in part at most.
func (s *Session) handOver(m Message) (paho.Token, error) {
	ctx, cancel := context.WithTimeout(context.Background(), s.options.WriteTimeout)
	defer cancel()
	if err := s.link.reserve(ctx, 1); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotSent, err)
	}
	for {
		token := s.client.Publish(m.Topic, m.QoS, m.Retained, m.Payload)
		err := notTaken(token)
		if err == nil {
			return token, nil
		}
		if s.link.over() { // it may even have been written in part
			return nil, err
		}
		if ctx.Err() == nil && !errors.Is(err, paho.ErrNotConnected) {
			continue // another packet is being written for long; this one was not taken
		}
		s.link.unreserve(1)
		return nil, err
	}
}

// notTaken returns why the library refused a message, or nil when it will write it.
func notTaken(token paho.Token) error {
	select {
	case <-token.Done():
		return token.Error()
	default:
		return nil
	}
}

// await waits for a token. The library forgets tokens that are made while a connection is
// going down, hence the look at the session.
func (s *Session) await(token paho.Token) error {
	select {
	case <-token.Done():
		return token.Error()
	case <-s.lost:
	}
	select {
	case <-token.Done():
		return token.Error()
	default:
		return s.Err()
	}
}

// Subscribe asks for the filters with QoS 1 and waits for the answer. A refused filter is an error that wraps ErrSubscription and
// names all that were refused; the others stand. After any other error the session is over, or soon will be: the
// end of ctx ends it.
func (s *Session) Subscribe(ctx context.Context, filters ...string) error {
	if len(filters) == 0 {
		return nil
	}
	s.subscribe.Lock()
	defer s.subscribe.Unlock()
	asked := make(map[string]byte, len(filters))
	for _, f := range filters {
		asked[f] = 1
	}
	s.filters.Store(int32(len(asked)))
	if err := s.link.reserve(ctx, pipeline); err != nil { // else a long write could cost the library its patience
		return fmt.Errorf("mqtt: subscribing: %w", err)
	}
	token := s.client.SubscribeMultiple(asked, nil)
	s.link.unreserve(pipeline)
	select {
	case <-token.Done():
	case <-s.lost:
		return fmt.Errorf("mqtt: subscribing: %w", s.Err())
	case <-ctx.Done():
		_ = s.link.Close() // a late answer could not be told from that to a later question
		return fmt.Errorf("mqtt: subscribing: %w", ctx.Err())
	}
	if err := token.Error(); err != nil {
		return fmt.Errorf("mqtt: subscribing: %w", err)
	}
	return refusals(token, filters)
}

// refusals reads a SUBACK. A filter without an answer counts as refused.
func refusals(token paho.Token, filters []string) error {
	answer, ok := token.(*paho.SubscribeToken)
	if !ok {
		return errors.New("mqtt: subscribing: the library gave no answer")
	}
	granted := answer.Result()
	var refused []string
	for _, f := range filters {
		if qos, ok := granted[f]; !ok || qos > 2 {
			refused = append(refused, f)
		}
	}
	if len(refused) > 0 {
		slices.Sort(refused)
		return fmt.Errorf("mqtt: %w to %q", ErrSubscription, refused)
	}
	return nil
}

// Lost is closed when the session has ended, whoever ended it; Err says why then.
func (s *Session) Lost() <-chan struct{} { return s.lost }

// Err returns nil while the session lives, then an error that wraps ErrLost or ErrClosed.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// ConnectionState returns the TLS state of the connection, which names the broker; the zero value without TLS.
func (s *Session) ConnectionState() tls.ConnectionState {
	if t, ok := s.link.Conn.(*tls.Conn); ok {
		return t.ConnectionState()
	}
	return tls.ConnectionState{}
}

// Close sends a DISCONNECT, so that the will is not announced, ends the session and waits for everything that it started, callbacks
// included; within two seconds and the longest callback. It may be called twice, and always returns nil.
func (s *Session) Close() error {
	if s.closing.CompareAndSwap(false, true) {
		s.link.finish()
	}
	<-s.lost
	s.work.Wait()
	return nil
}
