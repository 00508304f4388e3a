package mqtt_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	mochipackets "github.com/mochi-mqtt/server/v2/packets"
	"go.uber.org/goleak"

	"github.com/courtside-edge/courtside/sync/mqtt"
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

// rules is a mochi hook that lets everybody do everything but subscribe below forbidden/.
type rules struct{ mochi.HookBase }

func (rules) ID() string { return "rules" }
func (rules) Provides(b byte) bool {
	return b == mochi.OnConnectAuthenticate || b == mochi.OnACLCheck
}
func (rules) OnConnectAuthenticate(*mochi.Client, mochipackets.Packet) bool { return true }
func (rules) OnACLCheck(_ *mochi.Client, topic string, _ bool) bool {
	return len(topic) < 9 || topic[:9] != "forbidden"
}

// startBroker runs a real broker on listener until the test ends.
func startBroker(t *testing.T, listener net.Listener) {
	t.Helper()
	server := mochi.New(&mochi.Options{Logger: slog.New(slog.DiscardHandler)})
	if err := errors.Join(server.AddHook(&rules{}, nil), server.AddListener(listeners.NewNet("t", listener)), server.Serve()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// plainBroker returns the URL of a real broker without TLS.
func plainBroker(t *testing.T) string {
	t.Helper()
	l := listen(t)
	startBroker(t, l)
	return "mqtt://" + l.Addr().String()
}

// fake is a broker that a test scripts: it accepts one client and answers its CONNECT.
type fake struct {
	url  string
	conn chan net.Conn // the client's connection after CONNACK
	work sync.WaitGroup
}

// startFake answers the first CONNECT with connack, and calls serve with each later packet; serve may be nil.
func startFake(t *testing.T, connack []byte, serve func(net.Conn, packets.ControlPacket)) *fake {
	t.Helper()
	l := listen(t)
	f := &fake{url: "mqtt://" + l.Addr().String(), conn: make(chan net.Conn, 1)}
	f.work.Go(func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		t.Cleanup(func() { _ = conn.Close() })
		r := bufio.NewReader(conn)
		if _, err := packets.ReadPacket(r); err != nil {
			return
		}
		if _, err := conn.Write(connack); err != nil {
			return
		}
		f.conn <- conn
		for serve != nil {
			p, err := packets.ReadPacket(r)
			if err != nil {
				return
			}
			serve(conn, p)
		}
	})
	t.Cleanup(func() { _ = l.Close(); f.work.Wait() })
	return f
}

var accepted = []byte{0x20, 2, 0, 0}

func dial(t *testing.T, o mqtt.Options) *mqtt.Session {
	t.Helper()
	if o.ClientID == "" {
		o.ClientID = "test"
	}
	s, err := mqtt.Dial(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// cutter is a TCP relay that can go away, swallow what comes, or pass it on.
type cutter struct {
	url   string
	mu    sync.Mutex
	conns []net.Conn
	work  sync.WaitGroup
}

func startCutter(t *testing.T, to string) *cutter {
	t.Helper()
	l := listen(t)
	c := &cutter{url: "mqtt://" + l.Addr().String()}
	c.work.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to[len("mqtt://"):])
			if err != nil {
				_ = in.Close()
				return
			}
			c.mu.Lock()
			c.conns = append(c.conns, in, out)
			c.mu.Unlock()
			for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
				c.work.Go(func() {
					_, _ = io.Copy(pair[0], pair[1])
					_ = pair[0].(*net.TCPConn).CloseWrite() // an end passes on as what it is
				})
			}
		}
	})
	t.Cleanup(func() { _ = l.Close(); c.cut(); c.work.Wait() })
	return c
}

// cut ends all connections without a word.
func (c *cutter) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = conn.Close()
	}
	c.conns = nil
}
