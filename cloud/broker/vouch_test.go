package broker_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/courtside-edge/courtside/cloud/broker"
	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/identity/identitytest"
	"github.com/courtside-edge/courtside/sync/mqtt"
	"github.com/courtside-edge/courtside/sync/wire"
)

// anarchy is a broker that lets everybody do everything.
type anarchy struct{ mochi.HookBase }

func (anarchy) ID() string { return "anarchy" }
func (anarchy) Provides(b byte) bool {
	return b == mochi.OnConnectAuthenticate || b == mochi.OnACLCheck
}
func (anarchy) OnConnectAuthenticate(*mochi.Client, packets.Packet) bool { return true }
func (anarchy) OnACLCheck(*mochi.Client, string, bool) bool              { return true }

// anarchic returns the address of a broker of ca's that keeps nobody apart.
func anarchic(t *testing.T, ca *identitytest.Authority) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l = tls.NewListener(l, identitytest.Open(t, ca, ca.Broker()).ServerTLS(broker.EmbeddedPeers()...))
	server := mochi.New(&mochi.Options{Logger: slog.New(slog.DiscardHandler)})
	if err := errors.Join(server.AddHook(&anarchy{}, nil), server.AddListener(listeners.NewNet("t", l)), server.Serve()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return "mqtts://" + l.Addr().String()
}

// serveFar runs an external side until the test ends.
func serveFar(t *testing.T, o broker.ExternalOptions) *broker.External {
	t.Helper()
	if o.Handler == nil {
		o.Handler = func(broker.Message) {}
	}
	e, err := broker.NewExternal(o)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- e.Run(context.Background()) }()
	t.Cleanup(func() {
		if err := errors.Join(e.Close(), <-ended); err != nil {
			t.Error(err)
		}
	})
	return e
}

func TestExternalRefusesABrokerThatKeepsNobodyApart(t *testing.T) {
	ca := identitytest.New(t, "courtside.test")
	o := broker.ExternalOptions{URL: anarchic(t, ca), TLS: identitytest.Open(t, ca, ca.Aggregator()).ClientTLS(identity.Broker)}
	e := serveFar(t, o)
	eventually(t, "the probe's verdict", func() bool { return errors.Is(e.Err(), mqtt.ErrOpenBroker) })
	if e.Stats().Up {
		t.Error("it is used all the same")
	}
	if err := e.Publish(topic(north, wire.AckCh), []byte("ack"), 0, false); !errors.Is(err, broker.ErrDown) {
		t.Errorf("%v", err)
	}
	o.Probe = -1
	trusting := serveFar(t, o)
	eventually(t, "the start without a probe", func() bool { return trusting.Stats().Up })
	if err := trusting.Err(); err != nil {
		t.Error(err)
	}
}

// TestExternalSignsAcksAndCommands, over a rotation: the chain of the key before is still announced, and both verify.
func TestExternalSignsAcksAndCommands(t *testing.T) {
	h := build(t, nil)
	first, second := identitytest.Open(t, h.ca, h.ca.Aggregator()), identitytest.Open(t, h.ca, h.ca.Aggregator())
	var mu sync.Mutex
	source, updated := first, make(chan struct{})
	o := broker.ExternalOptions{URL: h.url(), TLS: first.ClientTLS(identity.Aggregator)}
	o.Updated = func() <-chan struct{} { mu.Lock(); defer mu.Unlock(); return updated }
	o.Signer = func() (*identity.Signer, error) { mu.Lock(); defer mu.Unlock(); return source.Signer() }
	o.Announce = func(chains []wire.Chain) []byte {
		raw, err := json.Marshal(wire.CloudStatus{State: "up", Incarnation: "inc", Chains: chains})
		if err != nil {
			t.Error(err)
		}
		return raw
	}
	statuses := h.watch(h.wall(), wire.CloudStatusTopic)
	down := h.watch(h.north(), topic(north, wire.AckCh), topic(north, wire.CommandCh))
	e := serveFar(t, o)
	eventually(t, "the link", func() bool { return e.Stats().Up })
	v := identitytest.Open(t, h.ca, h.north()).Verifier(4, identity.Aggregator)
	learn := func(chains int) {
		t.Helper()
		for {
			s, err := wire.DecodeCloudStatus(wait(t, "a status", statuses).Payload)
			if err != nil || len(s.Chains) != chains {
				continue // the house's own birth
			}
			for _, c := range s.Chains {
				if err := v.Learn(c); err != nil {
					t.Error(err)
				}
			}
			return
		}
	}
	verify := func(m mqtt.Message, as string) error {
		t.Helper()
		body, trailer, signed, err := wire.SplitTrailer(m.Payload)
		if err != nil || !signed {
			t.Fatalf("signed %v, %v", signed, err)
		}
		_, err = v.Verify(trailer.Key, wire.SigningDigest(as, body), trailer.Signature)
		return err
	}
	learn(1)
	ack, command := wire.EncodeAck(wire.Ack{Incarnation: "inc"}), wire.EncodeCommand(wire.Command{ID: "c", Kind: wire.Rebirth})
	send := func(c wire.Channel, payload []byte) mqtt.Message {
		t.Helper()
		eventually(t, "a publish", func() bool { return e.Publish(topic(north, c), payload, 1, false) == nil })
		return wait(t, "its delivery", down)
	}
	old := send(wire.AckCh, ack)
	if err := errors.Join(verify(old, topic(north, wire.AckCh)), verify(send(wire.CommandCh, command), topic(north, wire.CommandCh))); err != nil {
		t.Error(err)
	}
	if err := verify(old, topic(south, wire.AckCh)); !errors.Is(err, identity.ErrSignature) {
		t.Errorf("another gateway's ack: %v", err)
	}
	mu.Lock()
	close(updated)
	source, updated = second, make(chan struct{})
	mu.Unlock()
	learn(2)
	var fresh mqtt.Message
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if fresh = send(wire.AckCh, ack); string(fresh.Payload) != string(old.Payload) {
			break
		}
	}
	if err := errors.Join(verify(fresh, topic(north, wire.AckCh)), verify(old, topic(north, wire.AckCh))); err != nil {
		t.Error(err)
	}
	if err := e.Publish(wire.StateTopic(venue, "x"), []byte("state"), 0, true); err != nil {
		t.Error(err)
	}
}
