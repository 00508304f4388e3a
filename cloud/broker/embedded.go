package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"

	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/wire"
)

// Limits bound what clients of the embedded broker can take. Zero values stand for DefaultLimits.
type Limits struct {
	MaxClients        int // connections; more are closed after their handshake
	MaxPerIdentity    int // connections of one SPIFFE ID; more are refused at CONNECT
	MaxHandshakes     int // handshakes under way; more are closed at once
	MaxPacketBytes    int // of an inbound packet; a larger one ends the connection
	MessagesPerSecond int // of one connection, with a burst of two seconds' worth; more end it
	BytesPerSecond    int // the same
	MaxSubscriptions  int // filters that one connection may ask for in its life; more end it
	MaxRetainedTopics int // of one gateway; more end the connection
	MaxRetainedBytes  int // of one gateway; more end the connection
	MaxPendingWrites  int // messages waiting for one reader; more are dropped

	FirstWord time.Duration // for a handshake, and again for the CONNECT; beyond it the connection ends
}

// DefaultLimits returns limits that no honest client reaches.
func DefaultLimits() Limits {
	return Limits{
		MaxClients:        2000,
		MaxPerIdentity:    16,
		MaxHandshakes:     256,
		MaxPacketBytes:    1<<20 + 1<<12, // the largest batch that can be configured, with its topic
		MessagesPerSecond: 20000,
		BytesPerSecond:    64 << 20,
		MaxSubscriptions:  256,
		MaxRetainedTopics: 1024,
		MaxRetainedBytes:  32 << 20,
		MaxPendingWrites:  2048,
		FirstWord:         10 * time.Second,
	}
}

func (l *Limits) settle() {
	d := DefaultLimits()
	for _, f := range []struct {
		value *int
		def   int
	}{{&l.MaxClients, d.MaxClients}, {&l.MaxPerIdentity, d.MaxPerIdentity}, {&l.MaxHandshakes, d.MaxHandshakes}, {&l.MaxPacketBytes, d.MaxPacketBytes},
		{&l.MessagesPerSecond, d.MessagesPerSecond}, {&l.BytesPerSecond, d.BytesPerSecond}, {&l.MaxSubscriptions, d.MaxSubscriptions},
		{&l.MaxRetainedTopics, d.MaxRetainedTopics}, {&l.MaxRetainedBytes, d.MaxRetainedBytes}, {&l.MaxPendingWrites, d.MaxPendingWrites}} {
		if *f.value <= 0 {
			*f.value = f.def
		}
	}
	if l.FirstWord <= 0 {
		l.FirstWord = d.FirstWord
	}
}

// EmbeddedOptions describe an embedded broker.
type EmbeddedOptions struct {
	Options
	Listen string      // TCP address, such as ":8883"
	TLS    *tls.Config // identity.Source.ServerTLS(EmbeddedPeers()...)
	Limits Limits
}

// EmbeddedPeers returns the roles that an embedded broker serves.
func EmbeddedPeers() []identity.Peer {
	return []identity.Peer{identity.Gateway, identity.Subscriber, identity.Aggregator}
}

// Embedded is a broker inside the aggregator. Messages are kept in memory only: gateways send what
// was retained again on each connection.
type Embedded struct {
	options  EmbeddedOptions
	server   *mochi.Server
	hook     *hook
	listener *listener

	published atomic.Uint64
	running   atomic.Bool
	closeOnce sync.Once
	closing   chan struct{}
	done      chan struct{} // closed when Run has ended
}

// NewEmbedded binds the address; Run serves it.
func NewEmbedded(o EmbeddedOptions) (*Embedded, error) {
	if err := o.settle(); err != nil {
		return nil, err
	}
	if o.TLS == nil || o.TLS.ClientAuth < tls.RequireAnyClientCert {
		return nil, errors.New("broker: the TLS configuration does not ask for client certificates; nobody could be told apart")
	}
	o.Limits.settle()
	tcp, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("broker: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	e := &Embedded{options: o, closing: make(chan struct{}), done: make(chan struct{})}
	e.server = mochi.New(serverOptions(o.Limits))
	registry := &registry{perIdentity: o.Limits.MaxPerIdentity, clients: map[string]*conn{}, counts: map[identity.ID]int{}}
	e.listener = &listener{tcp: tcp, config: o.TLS, limits: o.Limits, refusals: newRefusals(o.Log, o.Now), now: o.Now, log: o.Log,
		ctx: ctx, cancel: cancel, handshakes: make(chan struct{}, o.Limits.MaxHandshakes),
		turns: make(chan struct{}, runtime.GOMAXPROCS(0)), conns: map[*conn]struct{}{}}
	e.listener.ended = func(c *conn) {
		e.forget(c)
		registry.release(c)
	}
	e.hook = &hook{options: &e.options.Options, limits: o.Limits, registry: registry, listener: e.listener, retained: map[identity.ID]*retained{}}
	if err := e.server.AddHook(e.hook, nil); err != nil {
		e.listener.Close(nil)
		return nil, fmt.Errorf("broker: %w", err)
	}
	if err := e.server.AddListener(e.listener); err != nil {
		e.listener.Close(nil)
		return nil, fmt.Errorf("broker: %w", err)
	}
	return e, nil
}

// serverOptions are mochi's, with its traps closed.
func serverOptions(l Limits) *mochi.Options {
	c := mochi.NewDefaultServerCapabilities()
	c.MaximumClients = math.MaxInt64   // the listener counts, before CONNECT already
	c.MaximumMessageExpiryInterval = 0 // else what is retained is forgotten after a day
	c.MaximumClientWritesPending = int32(l.MaxPendingWrites)
	c.MaximumSessionExpiryInterval = 3600 // sessions are not kept at all
	c.MaximumPacketSize = uint32(l.MaxPacketBytes)
	c.MinimumProtocolVersion = 4
	c.MaximumQos = 1
	c.SharedSubAvailable = 0
	c.TopicAliasMaximum = 0
	return &mochi.Options{
		Capabilities:             c,
		ClientNetReadBufferSize:  16 << 10, // a TLS record
		ClientNetWriteBufferSize: 16 << 10,
		Logger:                   slog.New(slog.DiscardHandler), // it would log whole payloads of refused clients
		SysTopicResendInterval:   365 * 24 * 3600,               // nobody may read $SYS, and gathering it stops the world
		InlineClient:             true,
	}
}

// forget removes what mochi keeps of a client whose connection failed while it was being taken in.
func (e *Embedded) forget(c *conn) {
	if c.client == "" {
		return
	}
	if cl, ok := e.server.Clients.Get(c.client); ok && connOf(cl) == c {
		e.server.UnsubscribeClient(cl)
		e.server.Clients.Delete(c.client)
	}
}

// Addr returns the address that is served.
func (e *Embedded) Addr() net.Addr { return e.listener.tcp.Addr() }

// Publish implements Broker. A message is dropped for a reader whose queue is full.
func (e *Embedded) Publish(topic string, payload []byte, qos byte, retained bool) error {
	select {
	case <-e.closing:
		return fmt.Errorf("broker: publishing to %s: %w", topic, ErrDown)
	default:
	}
	if err := e.server.Publish(topic, payload, retained, min(qos, 1)); err != nil {
		return fmt.Errorf("broker: publishing to %s: %w", topic, err)
	}
	e.published.Add(1)
	return nil
}

// Run implements Broker. It may be called once.
func (e *Embedded) Run(ctx context.Context) error {
	if !e.running.CompareAndSwap(false, true) {
		select {
		case <-e.closing:
			return nil
		default:
			return errors.New("broker: Run was called before")
		}
	}
	defer close(e.done)
	if e.options.Birth != nil {
		if err := e.Publish(wire.CloudStatusTopic, e.options.Birth(), 1, true); err != nil {
			return err
		}
	}
	if err := e.server.Serve(); err != nil {
		return fmt.Errorf("broker: %w", err)
	}
	e.options.Log.Info("broker serves", "address", e.Addr().String())
	select {
	case <-ctx.Done():
	case <-e.closing:
	}
	e.shut()
	return e.server.Close() // waits for all connections
}

// shut makes Publish fail and keeps wills back: the gateways are not dead, this end leaves.
func (e *Embedded) shut() {
	e.closeOnce.Do(func() {
		e.hook.closing.Store(true)
		close(e.closing)
	})
}

// Close implements Broker.
func (e *Embedded) Close() error {
	e.shut()
	if e.running.CompareAndSwap(false, true) { // it never ran
		e.listener.Close(nil)
		close(e.done)
	}
	<-e.done
	return nil
}

// Stats implements Broker.
func (e *Embedded) Stats() Stats {
	up := e.running.Load()
	select {
	case <-e.closing:
		up = false
	default:
	}
	return Stats{Up: up, Clients: e.listener.clients(), Received: e.hook.received.Load(), Bytes: e.hook.bytes.Load(),
		Published: e.published.Load(), Dropped: e.hook.dropped.Load(), Refused: e.listener.refusals.snapshot()}
}
