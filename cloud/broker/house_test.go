package broker_test

import (
	"context"
	"crypto/tls"
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/courtside-edge/courtside/cloud/broker"
	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/identity/identitytest"
	"github.com/courtside-edge/courtside/sync/mqtt"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds waits for what must happen; nothing is asserted about how long it takes.
const patience = 20 * time.Second

func wait[T any](t *testing.T, what string, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatalf("%s did not happen", what)
		panic("not reached")
	}
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s did not happen", what)
		}
	}
}

// house is a broker with what stands around it.
type house struct {
	t        *testing.T
	ca       *identitytest.Authority
	broker   *broker.Embedded
	messages chan broker.Message
	ended    chan error
}

const venue, north, south = point.ID("dal-001"), point.ID("gw-north"), point.ID("gw-south")

// build starts an embedded broker that knows two gateways; change may be nil.
func build(t *testing.T, change func(*broker.EmbeddedOptions)) *house {
	t.Helper()
	h := &house{t: t, ca: identitytest.New(t, "courtside.test"), messages: make(chan broker.Message, 10000), ended: make(chan error, 1)}
	o := broker.EmbeddedOptions{
		Listen: "127.0.0.1:0",
		TLS:    identitytest.Open(t, h.ca, h.ca.Aggregator()).ServerTLS(broker.EmbeddedPeers()...),
	}
	o.Handler = func(m broker.Message) { h.messages <- m }
	o.Admit = func(id identity.ID) error {
		if id.Venue == venue && (id.Name == north || id.Name == south) {
			return nil
		}
		return errors.New("not in the configuration")
	}
	o.Birth = func() []byte { return []byte("born") }
	if change != nil {
		change(&o)
	}
	b, err := broker.NewEmbedded(o)
	if err != nil {
		t.Fatal(err)
	}
	h.broker = b
	go func() { h.ended <- b.Run(context.Background()) }()
	t.Cleanup(func() {
		if err := errors.Join(b.Close(), b.Close(), <-h.ended); err != nil {
			t.Error(err)
		}
	})
	eventually(t, "the broker's start", func() bool { return b.Stats().Up })
	return h
}

func (h *house) url() string { return "mqtts://" + h.broker.Addr().String() }

func (h *house) tls(id identity.ID) *tls.Config {
	return identitytest.Open(h.t, h.ca, id).ClientTLS(identity.Aggregator)
}

// dial connects as id, with its own client id unless the options name one.
func (h *house) dial(id identity.ID, o mqtt.Options) (*mqtt.Session, error) {
	h.t.Helper()
	o.URL = h.url()
	if o.TLS == nil {
		o.TLS = h.tls(id)
	}
	if o.ClientID == "" {
		o.ClientID = id.ClientID()
	}
	s, err := mqtt.Dial(context.Background(), o)
	if err == nil {
		h.t.Cleanup(func() { _ = s.Close() })
	}
	return s, err
}

func (h *house) mustDial(id identity.ID, o mqtt.Options) *mqtt.Session {
	h.t.Helper()
	s, err := h.dial(id, o)
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

// watch subscribes as id and returns what comes.
func (h *house) watch(id identity.ID, filters ...string) <-chan mqtt.Message {
	h.t.Helper()
	got := make(chan mqtt.Message, 10000)
	s := h.mustDial(id, mqtt.Options{OnMessage: func(m mqtt.Message) { got <- m }})
	if err := s.Subscribe(context.Background(), filters...); err != nil {
		h.t.Fatal(err)
	}
	return got
}

func (h *house) north() identity.ID { return h.ca.Gateway(string(venue), string(north)) }
func (h *house) south() identity.ID { return h.ca.Gateway(string(venue), string(south)) }
func (h *house) wall() identity.ID  { return h.ca.Subscriber(string(venue), "wall") }

func topic(gateway point.ID, c wire.Channel) string { return wire.GatewayTopic(venue, gateway, c) }

// publish sends and waits for the PUBACK.
func publish(t *testing.T, s *mqtt.Session, m mqtt.Message) error {
	t.Helper()
	result := make(chan error, 1)
	if err := s.Publish(m, func(err error) { result <- err }); err != nil {
		return err
	}
	return wait(t, "an answer to a publish", result)
}

// refused waits until the broker has counted a refusal for a reason.
func (h *house) refused(reason string) {
	h.t.Helper()
	eventually(h.t, "the count of "+reason, func() bool { return h.broker.Stats().Refused[reason] > 0 })
}

// nothing asserts that no gateway message came, by sending one that must come next.
func (h *house) nothing() {
	h.t.Helper()
	s := h.mustDial(h.south(), mqtt.Options{})
	if err := publish(h.t, s, mqtt.Message{Topic: topic(south, wire.InvCh), Payload: []byte("marker"), QoS: 1}); err != nil {
		h.t.Fatal(err)
	}
	if m := wait(h.t, "the marker", h.messages); string(m.Payload) != "marker" {
		h.t.Errorf("a message was delivered: %+v", m)
	}
	_ = s.Close()
}
