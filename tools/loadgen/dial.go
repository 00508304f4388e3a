package loadgen

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/courtside-edge/courtside/firmware/config"
	"github.com/courtside-edge/courtside/firmware/uplink"
	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/mqtt"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// keptTrips is how many of the newest round trips are kept for percentiles; more than a minute at the highest rate of batches.
const keptTrips = 1 << 16

// trips measures batches from publish to ack, by looking on at a session. It is safe for concurrent use.
type trips struct {
	mu        sync.Mutex
	sent      map[point.BatchID]time.Time
	took      []time.Duration // the newest keptTrips, a ring
	at        int
	connected time.Time
	returned  time.Duration // from the newest session to its first live batch of telemetry; 0 before it
}

func newTrips() *trips { return &trips{sent: map[point.BatchID]time.Time{}} }

func (t *trips) begin(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.sent)
	t.connected, t.returned = now, 0
}

// published notes a message if it is a batch.
func (t *trips) published(now time.Time, m mqtt.Message) {
	h, err := wire.ParseHeader(m.Payload)
	if err != nil {
		return // a table, an inventory, a status
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sent[h.ID()] = now
	if t.returned == 0 && h.Lane == point.Telemetry && hasChannel(m.Topic, wire.Live) {
		t.returned = now.Sub(t.connected)
	}
}

// unpublished forgets what did not go.
func (t *trips) unpublished(m mqtt.Message) {
	if h, err := wire.ParseHeader(m.Payload); err == nil {
		t.mu.Lock()
		delete(t.sent, h.ID())
		t.mu.Unlock()
	}
}

func hasChannel(topic string, c wire.Channel) bool {
	t, err := wire.ParseTopic(topic)
	return err == nil && t.Channel == c
}

// received notes a message if it is an ack.
func (t *trips) received(now time.Time, m mqtt.Message) {
	if !hasChannel(m.Topic, wire.AckCh) {
		return
	}
	a, err := wire.DecodeAck(m.Payload)
	if err != nil {
		return // the uplink counts it
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, at := range t.sent {
		if covers(a.Durable, id) {
			t.keep(now.Sub(at))
			delete(t.sent, id)
		}
	}
}

func covers(ranges []wire.Range, id point.BatchID) bool {
	for _, r := range ranges {
		if r.Lane == id.Lane && r.Epoch == id.Epoch && r.From <= id.Seq && id.Seq < r.To {
			return true
		}
	}
	return false
}

func (t *trips) keep(d time.Duration) {
	if len(t.took) < keptTrips {
		t.took = append(t.took, d)
		return
	}
	t.took[t.at] = d
	t.at = (t.at + 1) % keptTrips
}

// snapshot returns the kept round trips, unordered, and how long the newest session took to its first live batch.
func (t *trips) snapshot() (took []time.Duration, connected time.Time, returned time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append(took, t.took...), t.connected, t.returned
}

// forget drops what was measured so far, as after a warm-up.
func (t *trips) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.took, t.at = t.took[:0], 0
}

// watched is a session that is looked on at.
type watched struct {
	uplink.Session
	trips *trips
}

// Publish implements uplink.Session.
func (w watched) Publish(m mqtt.Message, done func(error)) error {
	w.trips.published(time.Now(), m)
	err := w.Session.Publish(m, done)
	if err != nil {
		w.trips.unpublished(m)
	}
	return err
}

// watch returns dial with every session looked on at.
func (t *trips) watch(dial uplink.Dialer) uplink.Dialer {
	return func(ctx context.Context, o mqtt.Options) (uplink.Session, error) {
		inner := o.OnMessage
		o.OnMessage = func(m mqtt.Message) {
			t.received(time.Now(), m)
			inner(m)
		}
		s, err := dial(ctx, o)
		if err != nil {
			return nil, err
		}
		t.begin(time.Now())
		return watched{s, t}, nil
	}
}

// openIdentity opens the identity that the configuration names, as the gateway does.
func openIdentity(ctx context.Context, c config.Identity, log *slog.Logger) (*identity.Source, error) {
	o := identity.Options{TrustDomain: c.TrustDomain, WorkloadAPI: c.WorkloadAPI, CertFile: c.CertFile, KeyFile: c.KeyFile, BundleFile: c.BundleFile, Log: log}
	if c.WorkloadAPI != "" {
		return identity.OpenWorkload(context.WithoutCancel(ctx), o) // it ends with Close, after the gateway's farewell
	}
	return identity.OpenFiles(o)
}

// dialer opens MQTT sessions under an identity, as the gateway does.
func dialer(source *identity.Source, broker string) uplink.Dialer {
	return func(ctx context.Context, o mqtt.Options) (uplink.Session, error) {
		id, err := source.ID()
		if err != nil {
			return nil, err
		}
		o.URL, o.ClientID, o.TLS = broker, id.ClientID(), source.ClientTLS(identity.Aggregator, identity.Broker)
		return mqtt.Dial(ctx, o)
	}
}
