package broker

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/wire"
)

// matches is MQTT's rule for topics and filters, written the slow, obvious way.
func matches(filter, topic []string) bool {
	switch {
	case len(filter) > 0 && filter[0] == "#":
		return true
	case len(filter) == 0 || len(topic) == 0:
		return len(filter) == len(topic)
	case filter[0] != "+" && filter[0] != topic[0]:
		return false
	}
	return matches(filter[1:], topic[1:])
}

// FuzzI7Policy looks for a topic or filter that lets an identity out of its part.
func FuzzI7Policy(f *testing.F) {
	for _, seed := range [][2]string{{"courtside/1/dal/gw/north/live", "courtside/1/dal/#"}, {"courtside/1/dal/gw/north/ack", "courtside/1/dal/gw/+/ack"},
		{"courtside/1/dal/state/occupancy", "courtside/1/+/state/#"}, {wire.CloudStatusTopic, "#"}, {"courtside/1/dal/gw/north/table/00/0", "courtside/1/dal/gw/north/table/#"},
		{"courtside/1//gw/north/live", "courtside/1//#"}, {"courtside/1/dal/gw/north/cmd", "courtside/1/dal/+/north/+"}} {
		f.Add(seed[0], seed[1])
	}
	gateway := identity.ID{TrustDomain: "t", Role: identity.Gateway, Venue: "dal", Name: "north"}
	subscriber := identity.ID{TrustDomain: "t", Role: identity.Subscriber, Venue: "dal", Name: "wall"}
	aggregator := identity.ID{TrustDomain: "t", Role: identity.Aggregator}
	broker := identity.ID{TrustDomain: "t", Role: identity.Broker}
	f.Fuzz(func(t *testing.T, topic, filter string) {
		own := "courtside/1/dal/gw/north/"
		if mayPublish(gateway, topic) && (!strings.HasPrefix(topic, own) || topic == own+"ack" || topic == own+"cmd") {
			t.Errorf("a gateway may publish to %q", topic)
		}
		if mayWill(gateway, topic) && topic != own+"status" {
			t.Errorf("a gateway may will on %q", topic)
		}
		if mayRead(gateway, filter) && filter != own+"ack" && filter != own+"cmd" && filter != wire.CloudStatusTopic {
			t.Errorf("a gateway may subscribe to %q", filter)
		}
		if mayPublish(subscriber, topic) || mayWill(subscriber, topic) || mayPublish(broker, topic) || mayWill(broker, topic) || mayRead(broker, filter) {
			t.Errorf("who has no voice may speak on %q, or a broker read %q", topic, filter)
		}
		if mayPublish(aggregator, topic) {
			if parsed, err := wire.ParseTopic(topic); err == nil && parsed.Channel != wire.AckCh && parsed.Channel != wire.CommandCh {
				t.Errorf("the aggregator may speak for a gateway on %q", topic)
			}
		}
		// What reaches a subscriber matched an allowed filter, and is an allowed topic.
		if mayRead(subscriber, filter) && matches(strings.Split(filter, "/"), strings.Split(topic, "/")) && mayRead(subscriber, topic) {
			parsed, err := wire.ParseTopic(topic)
			secret := err == nil && (parsed.Channel == wire.AckCh || parsed.Channel == wire.CommandCh)
			if topic != wire.CloudStatusTopic && (!strings.HasPrefix(topic, "courtside/1/dal/") || secret) {
				t.Errorf("%q reaches a subscriber by %q", topic, filter)
			}
		}
	})
}

func TestClientIDs(t *testing.T) {
	gateway := identity.ID{Role: identity.Gateway, Venue: "dal", Name: "north"}
	subscriber := identity.ID{Role: identity.Subscriber, Venue: "dal", Name: "wall"}
	for _, test := range []struct {
		id     identity.ID
		client string
		want   bool
	}{
		{gateway, "dal:north", true}, {gateway, "dal:north:a", false}, {gateway, "", false}, {gateway, "dal:north ", false}, {gateway, "dal:sub:north", false},
		{subscriber, "dal:sub:wall", true}, {subscriber, "dal:sub:wall:2", true}, {subscriber, "dal:sub:wall:", false}, {subscriber, "dal:sub:wall2", false},
		{subscriber, "dal:wall", false}, {identity.ID{Role: identity.Aggregator}, "_aggregator:b", true}, {identity.ID{Role: identity.Aggregator}, "aggregator", false},
	} {
		if got := mayBeClient(test.id, test.client); got != test.want {
			t.Errorf("%v as %q: %v", test.id, test.client, got)
		}
	}
}

func TestBucket(t *testing.T) {
	now := time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC)
	b := newBucket(10, now)
	take := func(n float64, after time.Duration, want bool) {
		t.Helper()
		now = now.Add(after)
		if got := b.take(n, now); got != want {
			t.Errorf("taking %v after %v: %v", n, after, got)
		}
	}
	take(20, 0, true) // the burst
	take(1, 0, false)
	take(1, 100*time.Millisecond, true)
	take(1, -time.Hour, false) // a clock that steps back gives nothing
	take(1, time.Hour, false)  // and does not give it twice
	take(1, 100*time.Millisecond, true)
	take(21, time.Hour, false) // more than it ever holds
	take(20, 0, true)
}

func TestRefusalsAreLoggedOnceAWhile(t *testing.T) {
	var log strings.Builder
	now := time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC)
	r := newRefusals(slog.New(slog.NewTextHandler(&log, nil)), func() time.Time { return now })
	lines := func() int { return strings.Count(log.String(), "\n") }
	for range 100 {
		r.note(reasonPublish, "a", "x")
	}
	if lines() != 1 {
		t.Errorf("%d lines for one client and reason", lines())
	}
	r.note(reasonPublish, "b", "x")
	r.note(reasonWill, "a", "x")
	if lines() != 3 {
		t.Errorf("%d lines", lines())
	}
	now = now.Add(logAgain)
	r.note(reasonPublish, "a", "x")
	if lines() != 4 {
		t.Errorf("%d lines after a while", lines())
	}
	if got := r.snapshot(); got[reasonPublish] != 102 || got[reasonWill] != 1 {
		t.Errorf("%v", got)
	}
	for i := range 2 * logMemory {
		r.note(reasonTLS, fmt.Sprint(i), "x")
	}
	if len(r.logged) > logMemory {
		t.Errorf("%d refusals are remembered", len(r.logged))
	}
}
