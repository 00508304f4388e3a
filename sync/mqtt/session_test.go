package mqtt_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/identity/identitytest"
	"github.com/courtside-edge/courtside/sync/mqtt"
)

func TestMessagesPassInOrderOverMutualTLS(t *testing.T) {
	a := identitytest.New(t, "courtside.test")
	l := listen(t)
	startBroker(t, tls.NewListener(l, identitytest.Open(t, a, a.Broker()).ServerTLS(identity.Gateway)))
	const messages = 300 // more than what may wait for the handler
	got := make(chan mqtt.Message, messages)
	s := dial(t, mqtt.Options{URL: "mqtts://" + l.Addr().String(), TLS: identitytest.Open(t, a, a.Gateway("dal-001", "gw-north")).ClientTLS(identity.Broker),
		OnMessage: func(m mqtt.Message) { got <- m }})
	if id, err := identity.PeerID(s.ConnectionState()); err != nil || id != a.Broker() {
		t.Fatalf("the broker is %v, %v", id, err)
	}
	if err := s.Subscribe(context.Background(), "a/+", "b"); err != nil {
		t.Fatal(err)
	}
	acks := make(chan error, messages)
	for i := range messages {
		if err := s.Publish(mqtt.Message{Topic: "a/x", Payload: fmt.Appendf(nil, "%d", i), QoS: byte(i % 2)}, func(err error) { acks <- err }); err != nil {
			t.Fatal(err)
		}
	}
	for i := range messages {
		if err := wait(t, "an acknowledgement", acks); err != nil {
			t.Fatal(err)
		}
		if m := wait(t, "a message", got); m.Topic != "a/x" || string(m.Payload) != fmt.Sprint(i) {
			t.Fatalf("message %d is %s %s", i, m.Topic, m.Payload)
		}
	}
}

func TestRefusedSubscriptionIsNamed(t *testing.T) {
	s := dial(t, mqtt.Options{URL: plainBroker(t)})
	err := s.Subscribe(context.Background(), "allowed/#", "forbidden/#")
	if !errors.Is(err, mqtt.ErrSubscription) || !strings.Contains(err.Error(), "forbidden/#") || strings.Contains(err.Error(), "allowed") {
		t.Fatalf("%v", err)
	}
	if err := s.Subscribe(context.Background(), "allowed/#"); err != nil {
		t.Fatal(err)
	}
	if err := s.Subscribe(context.Background(), "not/#/a/filter"); err == nil {
		t.Fatal("a filter that is none was taken")
	}
	if err := s.Subscribe(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func TestWillComesWithTheCutOnly(t *testing.T) {
	url := plainBroker(t)
	link := startCutter(t, url)
	got := make(chan mqtt.Message, 10)
	watcher := dial(t, mqtt.Options{URL: url, ClientID: "watcher", OnMessage: func(m mqtt.Message) { got <- m }})
	if err := watcher.Subscribe(context.Background(), "#"); err != nil {
		t.Fatal(err)
	}
	open := func(will string) *mqtt.Session {
		return dial(t, mqtt.Options{URL: link.url, ClientID: "gateway", Will: &mqtt.Message{Topic: "status", Payload: []byte(will), QoS: 1}})
	}
	polite := open("a polite death")
	if err := errors.Join(polite.Close(), polite.Close()); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(polite.Err(), mqtt.ErrClosed) {
		t.Errorf("the closed session says %v", polite.Err())
	}
	lost := open("a sudden death")
	link.cut()
	wait(t, "the loss", lost.Lost())
	if !errors.Is(lost.Err(), mqtt.ErrLost) {
		t.Errorf("the lost session says %v", lost.Err())
	}
	if m := wait(t, "the will", got); string(m.Payload) != "a sudden death" {
		t.Errorf("the first will is %q", m.Payload)
	}
}

// TestEveryCallbackIsCalledOnce cuts the link under a stream of publishes, again and again.
func TestEveryCallbackIsCalledOnce(t *testing.T) {
	url := plainBroker(t)
	for round := range 10 {
		link := startCutter(t, url)
		s := dial(t, mqtt.Options{URL: link.url, ClientID: "gateway"})
		var taken, called, acked atomic.Int64
		cutAt := int64(20 * round)
		for {
			err := s.Publish(mqtt.Message{Topic: "x", Payload: make([]byte, 4096), QoS: 1}, func(err error) {
				called.Add(1)
				if err == nil {
					acked.Add(1)
				}
			})
			if err != nil {
				break
			}
			if taken.Add(1) == cutAt+1 {
				link.cut()
			}
		}
		wait(t, "the loss", s.Lost())
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if called.Load() != taken.Load() {
			t.Fatalf("round %d: %d messages were taken, %d callbacks called", round, taken.Load(), called.Load())
		}
		if err := s.Publish(mqtt.Message{Topic: "x"}, nil); !errors.Is(err, mqtt.ErrNotSent) {
			t.Fatalf("publishing after the end: %v", err)
		}
	}
}

func TestBrokerThatNeverAcknowledges(t *testing.T) {
	seen := make(chan struct{}, 10)
	f := startFake(t, accepted, func(_ net.Conn, p packets.ControlPacket) {
		if _, ok := p.(*packets.PublishPacket); ok {
			seen <- struct{}{}
		}
	})
	s := dial(t, mqtt.Options{URL: f.url, MaxInFlight: 3})
	results := make(chan error, 10)
	for range 3 {
		if err := s.Publish(mqtt.Message{Topic: "x", QoS: 1}, func(err error) { results <- err }); err != nil {
			t.Fatal(err)
		}
		wait(t, "the arrival", seen)
	}
	if err := s.Publish(mqtt.Message{Topic: "x", QoS: 1}, nil); !errors.Is(err, mqtt.ErrNotSent) {
		t.Fatalf("more than MaxInFlight were taken: %v", err)
	}
	if len(results) != 0 {
		t.Fatal("a callback was called without an acknowledgement")
	}
	_ = wait(t, "the connection", f.conn).Close()
	for range 3 {
		if err := wait(t, "a callback", results); err == nil {
			t.Fatal("a message counts as acknowledged that never was")
		}
	}
}

// TestSubscriptionNeverAnswered ends with its context, and takes the session along.
func TestSubscriptionNeverAnswered(t *testing.T) {
	asked := make(chan struct{}, 1)
	f := startFake(t, accepted, func(net.Conn, packets.ControlPacket) { asked <- struct{}{} })
	s := dial(t, mqtt.Options{URL: f.url})
	ctx, cancel := context.WithCancel(context.Background())
	go func() { <-asked; cancel() }()
	if err := s.Subscribe(ctx, "x"); !errors.Is(err, context.Canceled) {
		t.Fatalf("%v", err)
	}
	wait(t, "the end", s.Lost())
	if err := s.Subscribe(context.Background(), "x"); err == nil {
		t.Fatal("subscribed on a lost session")
	}
}

// TestLinkThatSwallowsEverything fills the buffers of a peer that stopped reading. The write's timeout must end the
// session, long before a ping would.
func TestLinkThatSwallowsEverything(t *testing.T) {
	t.Parallel()
	f := startFake(t, accepted, nil)
	s := dial(t, mqtt.Options{URL: f.url, WriteTimeout: 200 * time.Millisecond, KeepAlive: time.Hour})
	results := make(chan error, 4096)
	taken := 0
	for s.Err() == nil && taken < cap(results) {
		if err := s.Publish(mqtt.Message{Topic: "x", Payload: make([]byte, 256<<10), QoS: 1}, func(err error) { results <- err }); err != nil {
			break
		}
		taken++
	}
	wait(t, "the loss", s.Lost())
	for range taken {
		if err := wait(t, "a callback", results); err == nil {
			t.Fatal("a message counts as acknowledged that never was")
		}
	}
}

// TestCloseUnderABlockedWrite must not wait for the write's own timeout, nor leave a publisher behind.
func TestCloseUnderABlockedWrite(t *testing.T) {
	t.Parallel()
	f := startFake(t, accepted, nil)
	s := dial(t, mqtt.Options{URL: f.url, WriteTimeout: time.Hour, KeepAlive: time.Hour, MaxInFlight: 1 << 20})
	var taken atomic.Int64
	ended := make(chan error, 1)
	go func() {
		for {
			if err := s.Publish(mqtt.Message{Topic: "x", Payload: make([]byte, 256<<10), QoS: 1}, nil); err != nil {
				ended <- err
				return
			}
			taken.Add(1)
		}
	}()
	for still, before := 0, int64(-1); still < 20; time.Sleep(5 * time.Millisecond) { // until nothing moves any more
		if now := taken.Load(); now == before && now > 0 {
			still++
		} else {
			still, before = 0, now
		}
	}
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	if err := wait(t, "the end of Close", closed); err != nil {
		t.Fatal(err)
	}
	if err := wait(t, "the end of the publisher", ended); !errors.Is(err, mqtt.ErrNotSent) {
		t.Fatal(err)
	}
}

// TestPeerThatStopsAnswering is noticed by an unanswered ping.
func TestPeerThatStopsAnswering(t *testing.T) {
	t.Parallel()
	f := startFake(t, accepted, func(net.Conn, packets.ControlPacket) {})
	s := dial(t, mqtt.Options{URL: f.url, KeepAlive: time.Millisecond}) // rounded up to a second
	wait(t, "the loss", s.Lost())
	if !errors.Is(s.Err(), mqtt.ErrLost) {
		t.Fatal(s.Err())
	}
}

func TestSlowHandlerHoldsTheBrokerNotTheSession(t *testing.T) {
	t.Parallel()
	f := startFake(t, accepted, nil)
	entered, release := make(chan struct{}, 1000), make(chan struct{})
	var handled atomic.Int64
	s := dial(t, mqtt.Options{URL: f.url, KeepAlive: time.Second, OnMessage: func(mqtt.Message) {
		entered <- struct{}{}
		<-release
		handled.Add(1)
	}})
	conn := wait(t, "the connection", f.conn)
	message := []byte{0x30, 4, 0, 1, 'x', '1'}
	for range 200 {
		if _, err := conn.Write(message); err != nil {
			t.Fatal(err)
		}
	}
	wait(t, "the first message", entered)
	_ = conn.Close() // lost while the handler is busy and the queue is full
	wait(t, "the loss", s.Lost())
	if handled.Load() != 0 {
		t.Fatal("the handler was not held")
	}
	close(release)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if n := handled.Load(); n == 0 || n > 200 {
		t.Fatalf("%d messages were handled", n)
	}
}

func TestDialFails(t *testing.T) {
	silent := startFake(t, nil, func(net.Conn, packets.ControlPacket) {})
	refusing := startFake(t, []byte{0x20, 2, 0, 5}, nil)
	babbling := startFake(t, []byte("HTTP/1.1 400 Bad Request\r\n\r\n"), nil)
	inventive := startFake(t, []byte{0x20, 2, 0, 99}, nil)
	gone := listen(t)
	_ = gone.Close()
	a := identitytest.New(t, "courtside.test")
	wrong := listen(t)
	startBroker(t, tls.NewListener(wrong, identitytest.Open(t, a, a.Subscriber("dal-001", "x")).ServerTLS(identity.Gateway)))
	gateway := identitytest.Open(t, a, a.Gateway("dal-001", "gw-north")).ClientTLS(identity.Broker)
	for _, test := range []struct {
		name string
		o    mqtt.Options
		want error
	}{
		{"nobody listens", mqtt.Options{URL: "mqtt://" + gone.Addr().String()}, nil},
		{"no answer", mqtt.Options{URL: silent.url, ConnectTimeout: 50 * time.Millisecond}, nil},
		{"refused", mqtt.Options{URL: refusing.url}, mqtt.ErrRefused},
		{"not a broker", mqtt.Options{URL: babbling.url, ConnectTimeout: 50 * time.Millisecond}, nil},
		{"another role", mqtt.Options{URL: "mqtts://" + wrong.Addr().String(), TLS: gateway}, identity.ErrPeer},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.o.ClientID = "test"
			s, err := mqtt.Dial(context.Background(), test.o)
			if err == nil {
				_ = s.Close()
				t.Fatal("it connected")
			}
			if test.want != nil && !errors.Is(err, test.want) {
				t.Fatalf("%v; want %v", err, test.want)
			}
		})
	}
	s, err := mqtt.Dial(context.Background(), mqtt.Options{URL: inventive.url, ClientID: "test"})
	if err == nil { // the library knows no such refusal and goes on; the session must be over at least
		wait(t, "the end", s.Lost())
		_ = s.Close()
	}
}

func TestDialEndsWithItsContext(t *testing.T) {
	silent := startFake(t, nil, func(net.Conn, packets.ControlPacket) {})
	ctx, cancel := context.WithCancel(context.Background())
	go func() { <-silent.conn; cancel() }()
	if s, err := mqtt.Dial(ctx, mqtt.Options{URL: silent.url, ClientID: "test", ConnectTimeout: time.Hour}); err == nil {
		_ = s.Close()
		t.Fatal("it connected")
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, o := range []mqtt.Options{
		{URL: "", ClientID: "x"},
		{URL: "mqtts://host:8883", ClientID: "x"},
		{URL: "mqtt://host:1883", ClientID: "x", TLS: &tls.Config{}},
		{URL: "ssl://host:8883", ClientID: "x", TLS: &tls.Config{}},
		{URL: "mqtts://user@host:8883", ClientID: "x", TLS: &tls.Config{}},
		{URL: "mqtts://host:8883/path", ClientID: "x", TLS: &tls.Config{}},
		{URL: "mqtts://:8883", ClientID: "x", TLS: &tls.Config{}},
		{URL: "mqtt://host:1883"},
		{URL: "mqtt://host:1883", ClientID: "x", Will: &mqtt.Message{Topic: "a/#"}},
		{URL: "mqtt://host:1883", ClientID: "x", Will: &mqtt.Message{Topic: "a", QoS: 2}},
	} {
		if s, err := mqtt.Dial(context.Background(), o); err == nil {
			_ = s.Close()
			t.Errorf("%+v was taken", o)
		}
	}
	s := dial(t, mqtt.Options{URL: plainBroker(t)})
	for _, m := range []mqtt.Message{{}, {Topic: "a/+"}, {Topic: "a/#"}, {Topic: "a", QoS: 2}, {Topic: strings.Repeat("x", 70000)}} {
		if err := s.Publish(m, nil); !errors.Is(err, mqtt.ErrNotSent) {
			t.Errorf("topic %.20q, QoS %d: %v", m.Topic, m.QoS, err)
		}
	}
}

// TestHostileBroker sends what would break the library: the session must end, and nothing else.
func TestHostileBroker(t *testing.T) {
	for name, attack := range map[string][]byte{
		"a packet of 256 MB":      {0x30, 0xFF, 0xFF, 0xFF, 0x7F, 0},
		"a length without an end": {0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F},
		"QoS 2":                   {0x34, 6, 0, 1, 'x', 0, 1, 'y'},
		"more grants than asked":  {0x90, 6, 0, 1, 0, 0, 0, 0},
		"a torn message":          {0x30, 2, 0, 9},
		"a type that is none":     {0xF0, 0},
		"a message of nothing":    {0x30, 0},
	} {
		t.Run(name, func(t *testing.T) {
			f := startFake(t, accepted, func(c net.Conn, p packets.ControlPacket) {
				if _, ok := p.(*packets.SubscribePacket); ok {
					_, _ = c.Write(attack)
				}
			})
			s := dial(t, mqtt.Options{URL: f.url, OnMessage: func(mqtt.Message) {}})
			if err := s.Subscribe(context.Background(), "x"); err == nil {
				t.Fatal("the attack was taken for an answer")
			}
			wait(t, "the end", s.Lost())
		})
	}
}

// TestWrongAnswers are survived: acknowledgements of nothing, and one of a subscription in the guise of a PUBACK.
func TestWrongAnswers(t *testing.T) {
	f := startFake(t, accepted, func(c net.Conn, p packets.ControlPacket) {
		if sub, ok := p.(*packets.SubscribePacket); ok {
			_, _ = c.Write([]byte{0x40, 2, 0x33, 0x33, 0x90, 3, 0x33, 0x33, 0, 0x40, 2, byte(sub.MessageID >> 8), byte(sub.MessageID)})
		}
	})
	s := dial(t, mqtt.Options{URL: f.url})
	if err := s.Subscribe(context.Background(), "x"); !errors.Is(err, mqtt.ErrSubscription) {
		t.Fatalf("%v", err)
	}
	if s.Err() != nil {
		t.Fatal(s.Err())
	}
}
