package broker_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/cloud/broker"
	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/identity/identitytest"
	"github.com/courtside-edge/courtside/sync/mqtt"
	"github.com/courtside-edge/courtside/sync/wire"
)

// far is an external client of a house's broker, which stands in for a broker that is not the aggregator's own.
type far struct {
	*broker.External
	messages chan broker.Message
	mu       sync.Mutex
	updated  chan struct{}
}

func (f *far) rotate() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.updated)
	f.updated = make(chan struct{})
}

func reach(t *testing.T, ca *identitytest.Authority, url string) *far {
	t.Helper()
	f := &far{messages: make(chan broker.Message, 1000), updated: make(chan struct{})}
	o := broker.ExternalOptions{URL: url, TLS: identitytest.Open(t, ca, ca.Aggregator()).ClientTLS(identity.Aggregator, identity.Broker)}
	o.Handler = func(m broker.Message) { f.messages <- m }
	o.Admit = func(id identity.ID) error {
		if id.Name == south {
			return errors.New("not in the configuration")
		}
		return nil
	}
	o.Birth = func() []byte { return []byte("far birth") }
	o.Death = []byte("far death")
	o.Updated = func() <-chan struct{} {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.updated
	}
	e, err := broker.NewExternal(o)
	if err != nil {
		t.Fatal(err)
	}
	f.External = e
	ended := make(chan error, 1)
	go func() { ended <- e.Run(context.Background()) }()
	t.Cleanup(func() {
		if err := errors.Join(e.Close(), e.Close(), <-ended); err != nil {
			t.Error(err)
		}
	})
	return f
}

func (f *far) up(t *testing.T, want bool) {
	t.Helper()
	eventually(t, "the change of the link", func() bool { return f.Stats().Up == want })
}

func TestExternalPassesBothWays(t *testing.T) {
	h := build(t, nil)
	status := h.watch(h.wall(), wire.CloudStatusTopic)
	if m := wait(t, "the first birth", status); string(m.Payload) != "born" {
		t.Errorf("%s", m.Payload)
	}
	f := reach(t, h.ca, h.url())
	f.up(t, true)
	if m := wait(t, "the birth", status); string(m.Payload) != "far birth" {
		t.Errorf("%s", m.Payload)
	}
	acks := h.watch(h.north(), topic(north, wire.AckCh))
	stranger := h.mustDial(h.south(), mqtt.Options{})
	if err := publish(t, stranger, mqtt.Message{Topic: topic(south, wire.Live), Payload: []byte("x"), QoS: 1}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the refusal of an unknown gateway", func() bool { return f.Stats().Refused["unknown-gateway"] == 1 })
	if err := f.Publish(topic(north, wire.AckCh), []byte("ack"), 1, false); err != nil {
		t.Fatal(err)
	}
	if m := wait(t, "the ack", acks); string(m.Payload) != "ack" {
		t.Errorf("%s", m.Payload)
	}
	sender := h.mustDial(h.north(), mqtt.Options{})
	for _, c := range []wire.Channel{wire.Live, wire.Replay, wire.Critical, wire.StatusCh, wire.InvCh, wire.ReplyCh} {
		if err := publish(t, sender, mqtt.Message{Topic: topic(north, c), Payload: []byte("x"), QoS: 1}); err != nil {
			t.Fatal(err)
		}
		if m := wait(t, "a message", f.messages); m.Topic.Gateway != north || m.Topic.Venue != venue || m.Topic.Channel != c {
			t.Errorf("%+v", m)
		}
	}
	if err := publish(t, sender, mqtt.Message{Topic: wire.TableTopic(venue, north, [16]byte{1}, 0), Payload: []byte("x"), QoS: 1, Retained: true}); err != nil {
		t.Fatal(err)
	}
	if m := wait(t, "a table", f.messages); m.Topic.Channel != wire.Table {
		t.Errorf("%+v", m)
	}
	f.rotate() // the identity changes: a new connection, which gets what is retained again
	if m := wait(t, "the table again", f.messages); m.Topic.Channel != wire.Table {
		t.Errorf("%+v", m)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for last := ""; last != "far death"; last = string(wait(t, "the announced end", status).Payload) {
	}
	if st := f.Stats(); st.Up || st.Received != 8 || st.Published != 1 || st.Dropped != 0 {
		t.Errorf("%+v", st)
	}
}

func TestExternalOutlivesItsBroker(t *testing.T) {
	h := build(t, nil)
	f := reach(t, h.ca, h.url())
	f.up(t, true)
	if err := h.broker.Close(); err != nil {
		t.Fatal(err)
	}
	f.up(t, false)
	if err := f.Publish(topic(north, wire.AckCh), []byte("ack"), 0, false); !errors.Is(err, broker.ErrDown) {
		t.Errorf("publishing while the broker is away: %v", err)
	}
	again := build(t, func(o *broker.EmbeddedOptions) {
		o.Listen = h.broker.Addr().String()
		o.TLS = identitytest.Open(t, h.ca, h.ca.Broker()).ServerTLS(broker.EmbeddedPeers()...)
	})
	f.up(t, true)
	again.ca = h.ca
	s := again.mustDial(h.north(), mqtt.Options{TLS: identitytest.Open(t, h.ca, h.north()).ClientTLS(identity.Broker)})
	if err := publish(t, s, mqtt.Message{Topic: topic(north, wire.Live), Payload: []byte("x"), QoS: 1}); err != nil {
		t.Fatal(err)
	}
	wait(t, "a message after the return", f.messages)
}

func TestExternalEndsWhileItsBrokerIsAway(t *testing.T) {
	h := build(t, nil)
	url := h.url()
	_ = h.broker.Close()
	f := reach(t, h.ca, url)
	time.Sleep(time.Millisecond) // anywhere between dialling and waiting
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if _, err := broker.NewExternal(broker.ExternalOptions{}); err == nil {
		t.Error("an external broker without anything was built")
	}
	o := broker.ExternalOptions{}
	o.Handler = func(broker.Message) {}
	if _, err := broker.NewExternal(o); err == nil {
		t.Error("an external broker without an address was built")
	}
}
