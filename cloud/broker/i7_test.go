package broker_test

import (
	"context"
	"crypto/tls"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/cloud/broker"
	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/identity/identitytest"
	"github.com/courtside-edge/courtside/sync/mqtt"
	"github.com/courtside-edge/courtside/sync/wire"
)

// foreignTopics are those that gw-north must not publish to.
func foreignTopics() []string {
	return []string{
		topic(south, wire.Live), topic(south, wire.Critical), topic(south, wire.StatusCh), topic(south, wire.AckCh),
		topic(north, wire.AckCh), topic(north, wire.CommandCh), topic(north, wire.Table),
		wire.GatewayTopic("dal-002", north, wire.Live), wire.CloudStatusTopic, wire.StateTopic(venue, "occupancy"),
		"courtside/2/dal-001/gw/gw-north/live", topic(north, wire.Live) + "/x", "$SYS/broker/x", "x", "/" + topic(north, wire.Live),
	}
}

func TestI7ForeignPublishDisconnectsAndIsNotDelivered(t *testing.T) {
	for _, qos := range []byte{0, 1} {
		h := build(t, nil)
		seen := h.watch(h.wall(), "courtside/1/dal-001/#", wire.CloudStatusTopic)
		if m := wait(t, "the aggregator's birth", seen); string(m.Payload) != "born" {
			t.Fatalf("%s", m.Payload)
		}
		for _, foreign := range foreignTopics() {
			s := h.mustDial(h.north(), mqtt.Options{})
			_ = s.Publish(mqtt.Message{Topic: foreign, Payload: []byte("forged"), QoS: qos}, nil) // it may be cut off before this returns
			wait(t, "the disconnection after "+foreign, s.Lost())
			_ = s.Close()
		}
		h.refused("publish")
		h.nothing()
		if m := wait(t, "the marker", seen); string(m.Payload) != "marker" {
			t.Errorf("a subscriber got %s %s", m.Topic, m.Payload)
		}
	}
}

func TestI7ForeignSubscriptionIsRefused(t *testing.T) {
	h := build(t, nil)
	s := h.mustDial(h.north(), mqtt.Options{})
	for _, filter := range []string{"#", "+/#", "courtside/1/dal-001/#", topic(south, wire.AckCh), topic(south, wire.CommandCh), topic(north, wire.AckCh) + "/#",
		"courtside/1/dal-001/gw/+/ack", "courtside/1/dal-001/gw/gw-north/+", topic(north, wire.Live), "$SYS/#", "$share/g/" + topic(north, wire.AckCh)} {
		if err := s.Subscribe(context.Background(), filter); !errors.Is(err, mqtt.ErrSubscription) {
			t.Errorf("%s: %v", filter, err)
		}
	}
	if err := s.Subscribe(context.Background(), topic(north, wire.AckCh), topic(north, wire.CommandCh), wire.CloudStatusTopic); err != nil {
		t.Error(err)
	}
	h.refused("subscribe")
}

func TestI7ForeignWillIsRefused(t *testing.T) {
	h := build(t, nil)
	for _, foreign := range append(foreignTopics(), topic(north, wire.Live), topic(north, wire.InvCh)) {
		if _, err := h.dial(h.north(), mqtt.Options{Will: &mqtt.Message{Topic: foreign, Payload: []byte("forged"), QoS: 1}}); !errors.Is(err, mqtt.ErrRefused) {
			t.Errorf("a will on %s: %v", foreign, err)
		}
	}
	if _, err := h.dial(h.wall(), mqtt.Options{Will: &mqtt.Message{Topic: topic(north, wire.StatusCh), Payload: []byte("forged")}}); !errors.Is(err, mqtt.ErrRefused) {
		t.Errorf("a subscriber's will: %v", err)
	}
	h.refused("will")
	h.nothing()
}

func TestI7ForeignClientIDIsRefused(t *testing.T) {
	h := build(t, nil)
	victim := h.mustDial(h.north(), mqtt.Options{})
	for _, id := range []identity.ID{h.south(), h.wall(), h.ca.Subscriber(string(venue), string(north))} {
		for _, client := range []string{h.north().ClientID(), h.north().ClientID() + ":x", "inline", "x", h.wall().ClientID() + ":", h.wall().ClientID() + ":" + strings.Repeat("x", 100)} {
			if _, err := h.dial(id, mqtt.Options{ClientID: client}); !errors.Is(err, mqtt.ErrRefused) {
				t.Errorf("%s as %.60s: %v", id, client, err)
			}
		}
	}
	h.refused("client-id")
	if err := publish(t, victim, mqtt.Message{Topic: topic(north, wire.Live), QoS: 1, Payload: []byte("x")}); err != nil {
		t.Errorf("the owner of the name was disturbed: %v", err)
	}
	if _, err := h.dial(h.wall(), mqtt.Options{ClientID: h.wall().ClientID() + ":left"}); err != nil {
		t.Errorf("a subscriber with a suffix: %v", err)
	}
}

func TestI7SubscriberPublishesNothing(t *testing.T) {
	h := build(t, nil)
	for _, tp := range append(foreignTopics(), topic(north, wire.Live), wire.StateTopic(venue, "x")) {
		s := h.mustDial(h.wall(), mqtt.Options{})
		_ = s.Publish(mqtt.Message{Topic: tp, Payload: []byte("forged"), QoS: 1}, nil) // it may be cut off before this returns
		wait(t, "the disconnection after "+tp, s.Lost())
		_ = s.Close()
	}
	h.nothing()
}

func TestI7SubscriberReadsItsVenueOnly(t *testing.T) {
	h := build(t, nil)
	s := h.mustDial(h.wall(), mqtt.Options{})
	for _, filter := range []string{"#", "courtside/#", "courtside/1/#", "courtside/1/+/state/#", "courtside/1/dal-002/#", "courtside/1/dal-001/gw/+/ack",
		"courtside/1/dal-001/gw/gw-north/cmd", "courtside/1/dal-001", "$SYS/#", "courtside/1/dal-001/" + strings.Repeat("+/", 200) + "#"} {
		if err := s.Subscribe(context.Background(), filter); !errors.Is(err, mqtt.ErrSubscription) {
			t.Errorf("%.60s: %v", filter, err)
		}
	}
	_ = s.Close()
	for _, filter := range []string{"courtside/1/dal-001/#", "courtside/1/dal-001/gw/#", "courtside/1/dal-001/gw/gw-north/+", "courtside/1/dal-001/+/+/+"} {
		got := h.watch(h.wall(), filter)
		for _, c := range []wire.Channel{wire.AckCh, wire.CommandCh} { // covered by the wildcard, and held back
			if err := h.broker.Publish(topic(north, c), []byte("secret"), 1, false); err != nil {
				t.Fatal(err)
			}
		}
		gateway := h.mustDial(h.north(), mqtt.Options{})
		if err := publish(t, gateway, mqtt.Message{Topic: topic(north, wire.Live), Payload: []byte("open"), QoS: 1}); err != nil {
			t.Fatal(err)
		}
		if m := wait(t, "a batch", got); string(m.Payload) != "open" {
			t.Errorf("with %s a subscriber got %s %s", filter, m.Topic, m.Payload)
		}
		_ = gateway.Close()
	}
}

func TestI7OnlyAnSVIDOpens(t *testing.T) {
	h := build(t, nil)
	foreign := identitytest.New(t, "elsewhere.test")
	impostor := identitytest.New(t, "courtside.test")
	svid, err := h.ca.Issue(identitytest.RequestFor(h.north(), time.Now().Add(-2*time.Hour), time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	expired, err := tls.X509KeyPair(svid.CertPEM(), svid.KeyPEM())
	if err != nil {
		t.Fatal(err)
	}
	show := func(c tls.Certificate) *tls.Config {
		config := h.tls(h.north())
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &c, nil }
		return config
	}
	trusting := func(a *identitytest.Authority) *tls.Config {
		config := identitytest.Open(t, a, a.Gateway(string(venue), string(north))).ClientTLS(identity.Aggregator)
		config.VerifyConnection = nil // whatever the server is
		return config
	}
	for name, config := range map[string]*tls.Config{
		"no certificate":       show(tls.Certificate{}),
		"an expired SVID":      show(expired),
		"another trust domain": trusting(foreign),
		"another authority":    trusting(impostor),
		"a broker's SVID":      h.tls(h.ca.Broker()),
	} {
		if _, err := h.dial(h.north(), mqtt.Options{TLS: config}); err == nil {
			t.Errorf("%s was let in", name)
		}
	}
	h.refused("tls")
	if _, err := h.dial(h.ca.Gateway(string(venue), "gw-east"), mqtt.Options{}); !errors.Is(err, mqtt.ErrRefused) {
		t.Errorf("an unknown gateway: %v", err)
	}
	h.refused("unknown-gateway")
	h.nothing()
}

// TestI7AggregatorStaysInItsPart: even the aggregator's own SVID does not speak for gateways.
func TestI7AggregatorStaysInItsPart(t *testing.T) {
	h := build(t, nil)
	got := h.watch(h.north(), topic(north, wire.AckCh))
	peer := h.mustDial(h.ca.Aggregator(), mqtt.Options{ClientID: h.ca.Aggregator().ClientID() + ":b"})
	if err := publish(t, peer, mqtt.Message{Topic: topic(north, wire.AckCh), Payload: []byte("ack"), QoS: 1}); err != nil {
		t.Fatal(err)
	}
	if m := wait(t, "the ack", got); string(m.Payload) != "ack" {
		t.Errorf("%s", m.Payload)
	}
	_ = peer.Publish(mqtt.Message{Topic: topic(north, wire.Live), Payload: []byte("forged"), QoS: 1}, nil) // it may be cut off before this returns
	wait(t, "the disconnection", peer.Lost())
	h.nothing()
}

func TestServerMustAskForCertificates(t *testing.T) {
	for _, config := range []*tls.Config{nil, {}} {
		o := broker.EmbeddedOptions{Listen: "127.0.0.1:0", TLS: config}
		o.Handler = func(broker.Message) {}
		if _, err := broker.NewEmbedded(o); err == nil {
			t.Error("a broker without identities was built")
		}
	}
}
