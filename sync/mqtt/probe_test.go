package mqtt_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/courtside-edge/courtside/sync/mqtt"
)

// manners is a broker's way with a publish to a topic below forbidden/.
type manners struct {
	mochi.HookBase
	drops, cuts, silent bool
}

func (manners) ID() string { return "manners" }
func (manners) Provides(b byte) bool {
	return b == mochi.OnConnectAuthenticate || b == mochi.OnACLCheck || b == mochi.OnPublish || b == mochi.OnPacketRead
}
func (manners) OnConnectAuthenticate(*mochi.Client, packets.Packet) bool { return true }
func (manners) OnACLCheck(*mochi.Client, string, bool) bool              { return true }

func (m manners) OnPacketRead(_ *mochi.Client, pk packets.Packet) (packets.Packet, error) {
	if m.cuts && pk.FixedHeader.Type == packets.Publish {
		return pk, packets.ErrRejectPacket // which ends the connection
	}
	return pk, nil
}

func (m manners) OnPublish(_ *mochi.Client, pk packets.Packet) (packets.Packet, error) {
	switch {
	case m.silent:
		return pk, packets.ErrRejectPacket // neither taken nor delivered
	case m.drops:
		return pk, packets.CodeSuccessIgnore // taken and dropped, as mosquitto does
	}
	return pk, nil
}

func mannered(t *testing.T, m manners) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := mochi.New(&mochi.Options{Logger: slog.New(slog.DiscardHandler)})
	if err := errors.Join(server.AddHook(&m, nil), server.AddListener(listeners.NewNet("t", l)), server.Serve()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return "mqtt://" + l.Addr().String()
}

func TestProbe(t *testing.T) {
	for name, c := range map[string]struct {
		m    manners
		want error
	}{
		"a broker that delivers":            {manners{}, mqtt.ErrOpenBroker},
		"a broker that takes it and drops":  {manners{drops: true}, nil},
		"a broker that ends the connection": {manners{cuts: true}, nil},
		"a broker that says nothing":        {manners{silent: true}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			o := mqtt.Options{URL: mannered(t, c.m), ClientID: "p", KeepAlive: time.Second}
			err := mqtt.Probe(context.Background(), o, "forbidden/x", 50*time.Millisecond, "forbidden/#", "own")
			if !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if c.want != nil && !strings.Contains(err.Error(), "forbidden/x") {
				t.Errorf("%v names no topic", err)
			}
		})
	}
}

func TestProbeThatFindsNothingOut(t *testing.T) {
	o := mqtt.Options{URL: "mqtt://127.0.0.1:1", ClientID: "p"}
	if err := mqtt.Probe(context.Background(), o, "x", 0, "x"); err == nil || errors.Is(err, mqtt.ErrOpenBroker) {
		t.Errorf("no broker: %v", err)
	}
	o.URL = plainBroker(t)
	if err := mqtt.Probe(context.Background(), o, "x", 0, "forbidden"); !errors.Is(err, mqtt.ErrSubscription) {
		t.Errorf("a subscription refused: %v", err)
	}
	if err := mqtt.Probe(context.Background(), o, "x/#", 0, "x"); !errors.Is(err, mqtt.ErrNotSent) {
		t.Errorf("a topic that is none: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := mqtt.Probe(ctx, o, "x", 0, "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
