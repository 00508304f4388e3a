package broker_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/cloud/broker"
	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/identity/identitytest"
	"github.com/courtside-edge/courtside/sync/mqtt"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

func TestMessagesPassBothWays(t *testing.T) {
	h := build(t, nil)
	down := make(chan mqtt.Message, 10)
	s := h.mustDial(h.north(), mqtt.Options{OnMessage: func(m mqtt.Message) { down <- m }})
	if err := s.Subscribe(context.Background(), topic(north, wire.AckCh), topic(north, wire.CommandCh), wire.CloudStatusTopic); err != nil {
		t.Fatal(err)
	}
	if m := wait(t, "the birth", down); m.Topic != wire.CloudStatusTopic || string(m.Payload) != "born" || !m.Retained {
		t.Errorf("%+v", m)
	}
	hash := point.TableHash{1, 2, 3}
	for _, want := range []wire.Topic{
		{Channel: wire.Live}, {Channel: wire.Replay}, {Channel: wire.Critical}, {Channel: wire.StatusCh}, {Channel: wire.InvCh}, {Channel: wire.ReplyCh},
		{Channel: wire.Table, Hash: hash, Part: 3},
	} {
		want.Venue, want.Gateway = venue, north
		name := topic(north, want.Channel)
		if want.Channel == wire.Table {
			name = wire.TableTopic(venue, north, hash, 3)
		}
		if err := publish(t, s, mqtt.Message{Topic: name, Payload: []byte(want.Channel), QoS: 1}); err != nil {
			t.Fatal(err)
		}
		if m := wait(t, "a message", h.messages); m.Topic != want || string(m.Payload) != string(want.Channel) || m.Received.IsZero() {
			t.Errorf("got %+v, want %+v", m, want)
		}
	}
	for _, c := range []wire.Channel{wire.AckCh, wire.CommandCh} {
		if err := errors.Join(h.broker.Publish(topic(south, c), []byte("foreign"), 0, false), h.broker.Publish(topic(north, c), []byte(c), 1, false)); err != nil {
			t.Fatal(err)
		}
		if m := wait(t, "an answer", down); m.Topic != topic(north, c) || string(m.Payload) != string(c) {
			t.Errorf("%+v", m)
		}
	}
	if st := h.broker.Stats(); !st.Up || st.Clients != 1 || st.Received != 7 || st.Bytes == 0 || st.Published != 5 || len(st.Refused) != 0 {
		t.Errorf("%+v", st)
	}
}

func TestRetainedOutlivesItsConnection(t *testing.T) {
	h := build(t, nil)
	s := h.mustDial(h.north(), mqtt.Options{})
	table := wire.TableTopic(venue, north, point.TableHash{9}, 0)
	for name, payload := range map[string]string{table: "table", topic(north, wire.StatusCh): "birth"} {
		if err := publish(t, s, mqtt.Message{Topic: name, Payload: []byte(payload), QoS: 1, Retained: true}); err != nil {
			t.Fatal(err)
		}
	}
	_ = s.Close()
	got := h.watch(h.wall(), "courtside/1/dal-001/gw/+/table/#", "courtside/1/dal-001/gw/+/status")
	seen := map[string]bool{}
	for range 2 {
		seen[string(wait(t, "a retained message", got).Payload)] = true
	}
	if !seen["table"] || !seen["birth"] {
		t.Errorf("%v", seen)
	}
}

func TestWillReachesHandlerAndSubscribers(t *testing.T) {
	h := build(t, nil)
	got := h.watch(h.wall(), "courtside/1/dal-001/#")
	will := &mqtt.Message{Topic: topic(north, wire.StatusCh), Payload: []byte("death"), QoS: 1, Retained: true}
	s := h.mustDial(h.north(), mqtt.Options{Will: will})
	if err := s.Close(); err != nil { // polite: no death
		t.Fatal(err)
	}
	s = h.mustDial(h.north(), mqtt.Options{Will: will})
	_ = s.Publish(mqtt.Message{Topic: "not/allowed", QoS: 1, Payload: []byte("x")}, nil) // is cut off for it
	wait(t, "the disconnection", s.Lost())
	if m := wait(t, "the death", h.messages); m.Topic.Channel != wire.StatusCh || m.Topic.Gateway != north || string(m.Payload) != "death" {
		t.Errorf("%+v", m)
	}
	if m := wait(t, "the death", got); string(m.Payload) != "death" {
		t.Errorf("%+v", m)
	}
	if m := wait(t, "the retained death", h.watch(h.wall(), "courtside/1/dal-001/gw/+/status")); string(m.Payload) != "death" || !m.Retained {
		t.Errorf("%+v", m)
	}
	h.nothing()
}

// TestNewerConnectionWins, without a death in between, and is heard from then on; round after round, since mochi's own takeover
// loses the newer one now and then.
func TestNewerConnectionWins(t *testing.T) {
	h := build(t, nil)
	will := &mqtt.Message{Topic: topic(north, wire.StatusCh), Payload: []byte("death"), QoS: 1, Retained: true}
	config := h.tls(h.north())
	var older *mqtt.Session
	for round := range 20 {
		acks := make(chan mqtt.Message, 1)
		newer := h.mustDial(h.north(), mqtt.Options{TLS: config, Will: will, OnMessage: func(m mqtt.Message) { acks <- m }})
		if older != nil {
			wait(t, "the end of the older connection", older.Lost())
			_ = older.Close()
		}
		if err := newer.Subscribe(context.Background(), topic(north, wire.AckCh)); err != nil {
			t.Fatal(err)
		}
		if err := h.broker.Publish(topic(north, wire.AckCh), fmt.Append(nil, round), 0, false); err != nil {
			t.Fatal(err)
		}
		if m := wait(t, "the ack", acks); string(m.Payload) != fmt.Sprint(round) {
			t.Fatalf("round %d: ack %s", round, m.Payload)
		}
		older = newer
	}
	if err := older.Close(); err != nil {
		t.Fatal(err)
	}
	h.nothing()
	eventually(t, "the end of all connections", func() bool { return h.broker.Stats().Clients == 0 })
}

func TestExpiredSVIDEndsItsConnection(t *testing.T) {
	var ahead atomic.Int64 // the broker's clock, so that an SVID of an hour is nearly over
	h := build(t, func(o *broker.EmbeddedOptions) {
		o.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	})
	source := identitytest.Open(t, h.ca, h.north())
	ahead.Store(int64(time.Until(source.NotAfter()) - 300*time.Millisecond))
	s := h.mustDial(h.north(), mqtt.Options{TLS: source.ClientTLS(identity.Aggregator),
		Will: &mqtt.Message{Topic: topic(north, wire.StatusCh), Payload: []byte("death"), QoS: 1}})
	wait(t, "the end", s.Lost())
	if m := wait(t, "the death", h.messages); string(m.Payload) != "death" {
		t.Errorf("%+v", m)
	}
	h.refused("expired")
}

// raw speaks MQTT by hand over TLS.
func (h *house) raw(id identity.ID, client string) net.Conn {
	h.t.Helper()
	conn, err := tls.Dial("tcp", h.broker.Addr().String(), h.tls(id))
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = conn.Close() })
	body := append([]byte{0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 60, 0, byte(len(client))}, client...)
	h.send(conn, append([]byte{0x10, byte(len(body))}, body...))
	ack := make([]byte, 4)
	if _, err := io.ReadFull(conn, ack); err != nil || !bytes.Equal(ack, []byte{0x20, 2, 0, 0}) {
		h.t.Fatalf("CONNACK %v, %v", ack, err)
	}
	return conn
}

func (h *house) send(conn net.Conn, b []byte) {
	h.t.Helper()
	if _, err := conn.Write(b); err != nil {
		h.t.Fatal(err)
	}
}

// closed waits until the broker has ended a connection.
func closed(t *testing.T, conn net.Conn) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.Copy(io.Discard, conn); errors.Is(err, context.DeadlineExceeded) {
		t.Fatal("the connection was not ended")
	}
}

// packet is a PUBLISH with the given first byte.
func packet(first byte, name string, payload int) []byte {
	body := append([]byte{byte(len(name) >> 8), byte(len(name))}, name...)
	if first&0x06 != 0 {
		body = append(body, 0, 1)
	}
	body = append(body, make([]byte, payload)...)
	out := []byte{first}
	for n := len(body); ; {
		digit := byte(n & 0x7F)
		if n >>= 7; n == 0 {
			out = append(out, digit)
			break
		}
		out = append(out, digit|0x80)
	}
	return append(out, body...)
}

func TestHostilePackets(t *testing.T) {
	live := topic(north, wire.Live)
	limits := broker.Limits{MaxPacketBytes: 4096, MaxSubscriptions: 2, MaxRetainedTopics: 2, MaxRetainedBytes: 3000}
	table := func(i byte) string { return wire.TableTopic(venue, north, point.TableHash{i}, 0) }
	subscribe := []byte{0x82, 6, 0, 1, 0, 1, 'x', 0}
	for name, test := range map[string]struct {
		bytes  []byte
		reason string
	}{
		"oversized":               {packet(0x30, live, 5000), "oversized"},
		"oversized, header only":  {[]byte{0x30, 0xFF, 0xFF, 0xFF, 0x7F}, "oversized"},
		"a length without an end": {[]byte{0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}, "malformed"},
		"a torn topic":            {[]byte{0x30, 3, 0, 9, 'x'}, "malformed"},
		"reserved flags":          {[]byte{0x83, 6, 0, 1, 0, 1, 'x', 0}, "malformed"},
		"CONNECT again":           {[]byte{0x10, 13, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 60, 0, 1, 'x'}, "malformed"},
		"QoS 2":                   {packet(0x34, live, 10), "qos"},
		"QoS 3":                   {packet(0x36, live, 10), "malformed"},
		"a retained batch":        {packet(0x31, live, 10), "retain"},
		"too many retained":       {bytes.Join([][]byte{packet(0x31, table(1), 9), packet(0x31, table(2), 9), packet(0x31, table(3), 9)}, nil), "retained"},
		"too much retained":       {bytes.Join([][]byte{packet(0x31, table(1), 2000), packet(0x31, table(2), 2000)}, nil), "retained"},
		"too many subscriptions":  {bytes.Repeat(subscribe, 3), "subscriptions"},
		"a topic of nothing":      {packet(0x30, "", 10), "publish"},
		"a wildcard topic":        {packet(0x30, "courtside/1/dal-001/gw/gw-north/+", 10), "publish"},
	} {
		t.Run(name, func(t *testing.T) {
			h := build(t, func(o *broker.EmbeddedOptions) { o.Limits = limits })
			conn := h.raw(h.north(), h.north().ClientID())
			h.send(conn, test.bytes)
			if test.reason == "malformed" && name == "a torn topic" {
				h.send(conn, []byte{0xC0, 0})
			}
			closed(t, conn)
			h.refused(test.reason)
			for reason := range h.broker.Stats().Refused {
				if reason != test.reason && reason != "subscribe" {
					t.Errorf("it counts as %s too", reason)
				}
			}
		})
	}
}

func TestReplacingWhatIsRetainedCostsNothing(t *testing.T) {
	h := build(t, func(o *broker.EmbeddedOptions) {
		o.Limits = broker.Limits{MaxRetainedTopics: 2, MaxRetainedBytes: 3000}
	})
	s := h.mustDial(h.north(), mqtt.Options{})
	for i := range byte(20) {
		name := wire.TableTopic(venue, north, point.TableHash{i}, 0)
		for _, payload := range [][]byte{make([]byte, 2500), make([]byte, 2900), nil} { // made, replaced, cleared
			if err := publish(t, s, mqtt.Message{Topic: name, Payload: payload, QoS: 1, Retained: true}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestFloodEndsItsConnectionOnly(t *testing.T) {
	for name, limits := range map[string]broker.Limits{"messages": {MessagesPerSecond: 20}, "bytes": {BytesPerSecond: 20000}} {
		t.Run(name, func(t *testing.T) {
			h := build(t, func(o *broker.EmbeddedOptions) { o.Limits = limits })
			quiet := h.mustDial(h.south(), mqtt.Options{})
			flood := h.mustDial(h.north(), mqtt.Options{})
			for i := 0; i < 1000 && flood.Err() == nil; i++ {
				_ = flood.Publish(mqtt.Message{Topic: topic(north, wire.Live), Payload: make([]byte, 1000)}, nil)
			}
			wait(t, "the end of the flood", flood.Lost())
			h.refused("rate")
			if err := publish(t, quiet, mqtt.Message{Topic: topic(south, wire.Live), Payload: []byte("x"), QoS: 1}); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestStalledReaderHoldsNobody: a subscriber stops reading while a gateway sends far more than its queue holds.
func TestStalledReaderHoldsNobody(t *testing.T) {
	h := build(t, func(o *broker.EmbeddedOptions) { o.Limits = broker.Limits{MaxPendingWrites: 8} })
	stalled := h.raw(h.wall(), h.wall().ClientID()+":stalled")
	filter := "courtside/1/dal-001/#"
	h.send(stalled, append([]byte{0x82, byte(len(filter) + 5), 0, 1, 0, byte(len(filter))}, append([]byte(filter), 1)...))
	if _, err := io.ReadFull(stalled, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	s := h.mustDial(h.north(), mqtt.Options{})
	const messages = 200
	for range messages { // 50 MB
		if err := publish(t, s, mqtt.Message{Topic: topic(north, wire.Live), Payload: make([]byte, 256<<10), QoS: 1}); err != nil {
			t.Fatal(err)
		}
	}
	for range messages {
		wait(t, "a message", h.messages)
	}
	if h.broker.Stats().Dropped == 0 {
		t.Error("nothing was dropped for the stalled reader; the test proves nothing")
	}
}

func TestSlowHandlerHoldsItsGatewayOnly(t *testing.T) {
	release, entered := make(chan struct{}), make(chan struct{}, 1000)
	h := build(t, func(o *broker.EmbeddedOptions) {
		handler := o.Handler
		o.Handler = func(m broker.Message) {
			if m.Topic.Gateway == north {
				entered <- struct{}{}
				<-release
			}
			handler(m)
		}
	})
	acked := make(chan error, 1)
	slow, quick := h.mustDial(h.north(), mqtt.Options{}), h.mustDial(h.south(), mqtt.Options{})
	if err := slow.Publish(mqtt.Message{Topic: topic(north, wire.Live), Payload: []byte("x"), QoS: 1}, func(err error) { acked <- err }); err != nil {
		t.Fatal(err)
	}
	wait(t, "the handler's call", entered)
	if err := publish(t, quick, mqtt.Message{Topic: topic(south, wire.Live), Payload: []byte("y"), QoS: 1}); err != nil {
		t.Error(err)
	}
	if len(acked) != 0 {
		t.Error("a message was acknowledged before the handler had it")
	}
	close(release)
	if err := wait(t, "the acknowledgement", acked); err != nil {
		t.Error(err)
	}
}

func TestConnectionsAreLimited(t *testing.T) {
	h := build(t, func(o *broker.EmbeddedOptions) {
		o.Limits = broker.Limits{MaxClients: 3, MaxPerIdentity: 2}
	})
	for range 2 { // a suffix each, drawn by the broker
		if conn := h.raw(h.wall(), ""); conn == nil {
			t.Fatal("no connection")
		}
	}
	if _, err := h.dial(h.wall(), mqtt.Options{}); !errors.Is(err, mqtt.ErrRefused) {
		t.Errorf("a third connection of one identity: %v", err)
	}
	h.refused("clients")
	eventually(t, "the end of the third", func() bool { return h.broker.Stats().Clients == 2 })
	first := h.mustDial(h.north(), mqtt.Options{})
	if _, err := h.dial(h.south(), mqtt.Options{}); err == nil {
		t.Error("a connection beyond the limit was served")
	}
	_ = first.Close()
	eventually(t, "the end of the gateway", func() bool { return h.broker.Stats().Clients == 2 })
	h.mustDial(h.south(), mqtt.Options{})
}

func TestSilentConnectionsEnd(t *testing.T) {
	h := build(t, func(o *broker.EmbeddedOptions) {
		o.Limits = broker.Limits{FirstWord: 50 * time.Millisecond, MaxHandshakes: 1}
	})
	mute, err := net.Dial("tcp", h.broker.Addr().String()) // no handshake
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = mute.Close() }()
	closed(t, mute)
	h.refused("tls")
	shy, err := tls.Dial("tcp", h.broker.Addr().String(), h.tls(h.north())) // no CONNECT
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = shy.Close() }()
	closed(t, shy)
	h.refused("silent")
}

func TestHandshakesAreLimited(t *testing.T) {
	h := build(t, func(o *broker.EmbeddedOptions) { o.Limits = broker.Limits{MaxHandshakes: 1} })
	var held []net.Conn
	for range 5 {
		conn, err := net.Dial("tcp", h.broker.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, conn)
	}
	h.refused("handshakes")
	for _, conn := range held {
		_ = conn.Close()
	}
	eventually(t, "service after the crowd", func() bool {
		_, err := h.dial(h.north(), mqtt.Options{})
		return err == nil
	})
}

// TestHandshakesThatStallKeepNobodyOut: they take their turns, and give them up.
func TestHandshakesThatStallKeepNobodyOut(t *testing.T) {
	h := build(t, nil)
	stalled := runtime.GOMAXPROCS(0) + 8 // more than may use a processor at once
	for range stalled {
		conn, err := net.Dial("tcp", h.broker.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
	}
	h.mustDial(h.north(), mqtt.Options{}) // within what a session allows for its beginning, and the stalled ones last as long
	h.nothing()
}

func TestOtherProtocolsAreRefused(t *testing.T) {
	h := build(t, nil)
	for name, connect := range map[string][]byte{
		"MQTT 5":   {0x10, 14, 0, 4, 'M', 'Q', 'T', 'T', 5, 2, 0, 60, 0, 0, 1, 'x'},
		"MQTT 3.1": {0x10, 15, 0, 6, 'M', 'Q', 'I', 's', 'd', 'p', 3, 2, 0, 60, 0, 1, 'x'},
		"HTTP":     []byte("GET / HTTP/1.1\r\n\r\n"),
	} {
		conn, err := tls.Dial("tcp", h.broker.Addr().String(), h.tls(h.north()))
		if err != nil {
			t.Fatal(err)
		}
		h.send(conn, connect)
		answer, _ := io.ReadAll(conn)
		if len(answer) >= 4 && answer[0] == 0x20 && answer[3] == 0 {
			t.Errorf("%s was served: %v", name, answer)
		}
		_ = conn.Close()
	}
	h.nothing()
}

// TestCloseWithGatewaysConnected ends everything, and calls nobody dead: the aggregator leaves, not they.
func TestCloseWithGatewaysConnected(t *testing.T) {
	h := build(t, nil)
	var sessions []*mqtt.Session
	for _, id := range []identity.ID{h.north(), h.south()} {
		sessions = append(sessions, h.mustDial(id, mqtt.Options{Will: &mqtt.Message{Topic: topic(id.Name, wire.StatusCh), Payload: []byte("death"), QoS: 1}}))
	}
	mute, err := net.Dial("tcp", h.broker.Addr().String()) // in its handshake
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = mute.Close() }()
	if err := h.broker.Close(); err != nil {
		t.Fatal(err)
	}
	for _, s := range sessions {
		wait(t, "the end of a session", s.Lost())
	}
	if len(h.messages) != 0 {
		t.Errorf("a death was announced: %+v", <-h.messages)
	}
	if err := h.broker.Publish(topic(north, wire.AckCh), nil, 0, false); !errors.Is(err, broker.ErrDown) {
		t.Errorf("publishing after the end: %v", err)
	}
	if h.broker.Stats().Up || h.broker.Stats().Clients != 0 {
		t.Errorf("%+v", h.broker.Stats())
	}
}

func TestRunEndsWithItsContextAndOnlyOnce(t *testing.T) {
	h := build(t, nil)
	if err := h.broker.Run(context.Background()); err == nil {
		t.Error("it ran twice")
	}
	o := broker.EmbeddedOptions{Listen: "127.0.0.1:0", TLS: &tls.Config{ClientAuth: tls.RequireAnyClientCert}}
	o.Handler = func(broker.Message) {}
	b, err := broker.NewEmbedded(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := errors.Join(b.Run(ctx), b.Close()); err != nil {
		t.Error(err)
	}
	unused, err := broker.NewEmbedded(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := unused.Close(); err != nil {
		t.Error(err)
	}
	o.Listen = h.broker.Addr().String()
	if _, err := broker.NewEmbedded(o); err == nil {
		t.Error("an address was bound twice")
	}
	o.Handler = nil
	if _, err := broker.NewEmbedded(o); err == nil {
		t.Error("a broker without a handler was built")
	}
}
