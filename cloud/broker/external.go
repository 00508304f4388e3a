package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/mqtt"
	"github.com/courtside-edge/courtside/sync/wire"
)

// Between two attempts to reach the broker: full jitter below a ceiling that doubles. A session that
// lasted for steady starts at the bottom again.
const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 30 * time.Second
	steady     = 10 * time.Second
)

// subscribePatience is how long the broker may take to answer subscriptions.
const subscribePatience = 10 * time.Second

// ExternalOptions describe the way to a broker that is not the aggregator's own. The broker must keep gateways
// apart; MosquittoACL prints how.
type ExternalOptions struct {
	Options
	URL      string      // "mqtts://host:8883"
	ClientID string      // empty for "_aggregator"; replicas append ":" and a name
	TLS      *tls.Config // identity.Source.ClientTLS(identity.Broker)
	// Updated returns a channel that is closed when the identity changes (identity.Source.Updated); the
	// connection is made anew then. nil for an identity that does not.
	Updated func() <-chan struct{}
	// Signer returns what signs acks and commands, of the SVID in use (identity.Source.Signer); it is asked once a connection.
	// nil signs nothing, and gateways then accept nothing.
	Signer func() (*identity.Signer, error)
	// Announce returns the payload of cloud/status with the chains of the keys that sign now or did before; it replaces Birth.
	Announce func([]wire.Chain) []byte
	// Probe is how long a forbidden publish is listened for before the broker is used for the first time; 0 for
	// mqtt.DefaultProbeWindow, negative for no probe.
	Probe time.Duration
}

// External is the aggregator's side of a broker that is not its own.
type External struct {
	options  ExternalOptions
	refusals *refusals

	received, bytes, published, dropped atomic.Uint64

	running   atomic.Bool
	closeOnce sync.Once
	closing   chan struct{}
	done      chan struct{}

	probed bool         // the broker has refused a forbidden publish; of Run's goroutine
	former []wire.Chain // of the keys that signed before, newest first; of Run's goroutine

	mu      sync.Mutex
	session *mqtt.Session // nil while down
	signer  *identity.Signer
	fault   error // why it is down
}

// NewExternal checks the options; Run connects.
func NewExternal(o ExternalOptions) (*External, error) {
	if err := o.settle(); err != nil {
		return nil, err
	}
	if o.URL == "" {
		return nil, errors.New("broker: no address is given; write mqtts://host:8883")
	}
	if o.ClientID == "" {
		o.ClientID = identity.ID{Role: identity.Aggregator}.ClientID()
	}
	return &External{options: o, refusals: newRefusals(o.Log, o.Now), closing: make(chan struct{}), done: make(chan struct{})}, nil
}

// filters returns what the aggregator subscribes to: everything that gateways publish.
func filters() []string {
	every := identity.ID{Venue: "+", Name: "+"}
	var all []string
	for _, c := range uplinkChannels() {
		all = append(all, channelFilter(every, c))
	}
	return all
}

// Run implements Broker. It may be called once.
func (e *External) Run(ctx context.Context) error {
	if !e.running.CompareAndSwap(false, true) {
		select {
		case <-e.closing:
			return nil
		default:
			return errors.New("broker: Run was called before")
		}
	}
	defer close(e.done)
	ctx, cancel := context.WithCancel(ctx)
	var watch sync.WaitGroup
	defer watch.Wait()
	defer cancel()
	watch.Go(func() {
		select {
		case <-e.closing:
			cancel()
		case <-ctx.Done():
		}
	})
	ceiling := firstRetry
	for ctx.Err() == nil {
		began := time.Now()
		err := e.serve(ctx)
		e.blame(err)
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			e.options.Log.Warn("broker lost or not reached", "broker", e.options.URL, "err", err)
		}
		if time.Since(began) >= steady {
			ceiling = firstRetry
		}
		select {
		case <-ctx.Done():
		case <-time.After(rand.N(ceiling)):
		}
		ceiling = min(2*ceiling, lastRetry)
	}
	e.shut()
	return nil
}

// serve is one session: nil when the identity changed or ctx ended, else why it was lost or never was.
func (e *External) serve(ctx context.Context) error {
	var updated <-chan struct{}
	if e.options.Updated != nil {
		updated = e.options.Updated()
	}
	if err := e.probe(ctx); err != nil {
		return err
	}
	signer, chains, err := e.keys()
	if err != nil {
		return err
	}
	o := mqtt.Options{URL: e.options.URL, ClientID: e.options.ClientID, TLS: e.options.TLS, OnMessage: e.take, Log: e.options.Log}
	if len(e.options.Death) > 0 {
		o.Will = &mqtt.Message{Topic: wire.CloudStatusTopic, Payload: e.options.Death, QoS: 1, Retained: true}
	}
	session, err := mqtt.Dial(ctx, o)
	if err != nil {
		return err
	}
	defer func() { _ = session.Close() }()
	if err := e.begin(ctx, session, chains); err != nil {
		return err
	}
	e.use(session, signer)
	defer e.use(nil, nil)
	e.options.Log.Info("broker reached", "broker", e.options.URL)
	select {
	case <-session.Lost():
		return session.Err()
	case <-updated:
		return nil
	case <-ctx.Done():
		e.leave(session)
		return nil
	}
}

// begin subscribes and announces the aggregator.
func (e *External) begin(ctx context.Context, session *mqtt.Session, chains []wire.Chain) error {
	ctx, cancel := context.WithTimeout(ctx, subscribePatience)
	defer cancel()
	if err := session.Subscribe(ctx, filters()...); err != nil {
		return err
	}
	var birth []byte
	switch {
	case e.options.Announce != nil:
		birth = e.options.Announce(chains)
	case e.options.Birth != nil:
		birth = e.options.Birth()
	default:
		return nil
	}
	return session.Publish(mqtt.Message{Topic: wire.CloudStatusTopic, Payload: birth, QoS: 1, Retained: true}, e.acknowledged)
}

// leave announces the aggregator's end, since a DISCONNECT takes the will back.
func (e *External) leave(session *mqtt.Session) {
	if len(e.options.Death) == 0 {
		return
	}
	took := make(chan error, 1)
	err := session.Publish(mqtt.Message{Topic: wire.CloudStatusTopic, Payload: e.options.Death, QoS: 1, Retained: true}, func(err error) { took <- err })
	if err != nil {
		return
	}
	select {
	case <-took:
	case <-time.After(time.Second):
	}
}

func (e *External) use(session *mqtt.Session, signer *identity.Signer) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.session, e.signer = session, signer
	if session != nil {
		e.fault = nil
	}
}

// blame notes why the broker is not reached.
func (e *External) blame(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err != nil {
		e.fault = err
	}
}

// Err returns why the broker is not used now, nil while it is or when it was not tried yet.
func (e *External) Err() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.session != nil {
		return nil
	}
	return e.fault
}

// take judges an inbound message and hands it on.
func (e *External) take(m mqtt.Message) {
	topic, err := wire.ParseTopic(m.Topic)
	if err == nil && !slices.Contains(uplinkChannels(), topic.Channel) {
		err = fmt.Errorf("topic %s is not a gateway's to publish to", m.Topic)
	}
	if err != nil {
		e.refusals.note(reasonTopic, "the external broker", err)
		return
	}
	if e.options.Admit != nil {
		id := identity.ID{Role: identity.Gateway, Venue: topic.Venue, Name: topic.Gateway}
		if err := e.options.Admit(id); err != nil {
			e.refusals.note(reasonUnknown, id.ClientID(), err)
			return
		}
	}
	e.received.Add(1)
	e.bytes.Add(uint64(len(m.Payload)))
	e.options.Handler(Message{Topic: topic, Payload: m.Payload, Received: e.options.Now()})
}

// Publish implements Broker. With QoS 1 it counts what was not acknowledged, and does not wait for it. It may block for the client's
// write timeout while the link is stuck.
func (e *External) Publish(topic string, payload []byte, qos byte, retained bool) error {
	e.mu.Lock()
	session, signer := e.session, e.signer
	e.mu.Unlock()
	if session == nil {
		return fmt.Errorf("broker: publishing to %s: %w", topic, ErrDown)
	}
	payload, err := seal(signer, topic, payload)
	if err != nil {
		return err
	}
	err = session.Publish(mqtt.Message{Topic: topic, Payload: payload, QoS: min(qos, 1), Retained: retained}, e.acknowledged)
	if err != nil {
		return fmt.Errorf("broker: %w: %w", ErrDown, err)
	}
	e.published.Add(1)
	return nil
}

func (e *External) acknowledged(err error) {
	if err != nil {
		e.dropped.Add(1)
	}
}

func (e *External) shut() { e.closeOnce.Do(func() { close(e.closing) }) }

// Close implements Broker.
func (e *External) Close() error {
	e.shut()
	if e.running.CompareAndSwap(false, true) { // it never ran
		close(e.done)
	}
	<-e.done
	return nil
}

// Stats implements Broker.
func (e *External) Stats() Stats {
	e.mu.Lock()
	up := e.session != nil
	e.mu.Unlock()
	return Stats{Up: up, Received: e.received.Load(), Bytes: e.bytes.Load(), Published: e.published.Load(),
		Dropped: e.dropped.Load(), Refused: e.refusals.snapshot()}
}
