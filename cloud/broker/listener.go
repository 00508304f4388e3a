package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/courtside-edge/courtside/sync/identity"
)

// acceptPause is how long accepting pauses after an error, such as too many open files.
const acceptPause = 100 * time.Millisecond

// Handshakes take turns, one a processor. Half a thousand gateways that return at once would else keep the connections that are open from
// the processors until all of them are through.
const (
	turnLength   = 20 * time.Millisecond // a peer that takes longer, or is far, is waited for without one
	turnPatience = 5 * time.Second       // for a turn; then it goes without one
)

// listener accepts connections, makes their handshakes and watches over their lives. It implements
// mochi's listener: the library's own has no limits, no deadlines before CONNECT and does not wait for its goroutines.
type listener struct {
	tcp      net.Listener
	config   *tls.Config
	limits   Limits
	refusals *refusals
	now      func() time.Time
	log      *slog.Logger
	ended    func(*conn) // called when mochi is done with a connection

	ctx        context.Context // of handshakes
	cancel     context.CancelFunc
	handshakes chan struct{} // one token for each under way
	turns      chan struct{} // one for each that may use a processor
	work       sync.WaitGroup

	mu     sync.Mutex
	closed bool
	conns  map[*conn]struct{}
}

// ID, Address, Protocol and Init implement mochi's listener.
func (l *listener) ID() string              { return "tls" }
func (l *listener) Address() string         { return l.tcp.Addr().String() }
func (l *listener) Protocol() string        { return "mqtts" }
func (l *listener) Init(*slog.Logger) error { return nil }

// Serve accepts until Close.
func (l *listener) Serve(establish listeners.EstablishFn) {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return
	}
	l.work.Add(1)
	l.mu.Unlock()
	defer l.work.Done()
	for {
		raw, err := l.tcp.Accept()
		if l.ctx.Err() != nil {
			if err == nil {
				_ = raw.Close()
			}
			return
		}
		if err != nil {
			l.log.Warn("accepting connections", "err", err)
			select {
			case <-l.ctx.Done():
			case <-time.After(acceptPause):
			}
			continue
		}
		select {
		case l.handshakes <- struct{}{}:
			l.work.Go(func() { l.serve(raw, establish) })
		default:
			l.refusals.note(reasonHandshakes, host(raw), "too many handshakes at once")
			_ = raw.Close()
		}
	}
}

// serve is the life of one connection.
func (l *listener) serve(raw net.Conn, establish listeners.EstablishFn) {
	defer func() { _ = raw.Close() }()
	c, err := l.handshake(raw)
	<-l.handshakes
	if err != nil {
		if l.ctx.Err() == nil {
			l.refusals.note(reasonTLS, host(raw), err)
		}
		return
	}
	if !l.add(c) {
		if l.ctx.Err() == nil {
			l.refusals.note(reasonClients, c.id.String(), "too many connections")
		}
		return
	}
	expiry := time.AfterFunc(identity.PeerNotAfter(c.ConnectionState()).Sub(l.now()), func() {
		l.refuse(c, reasonExpired, "its SVID has expired")
		c.cut()
	})
	_ = c.SetReadDeadline(time.Now().Add(l.limits.FirstWord)) // mochi sets its own after the CONNECT
	err = establish(l.ID(), c)
	expiry.Stop()
	l.explain(c, err)
	c.cut()
	l.ended(c)
	l.mu.Lock()
	delete(l.conns, c)
	l.mu.Unlock()
	close(c.done)
}

func (l *listener) handshake(raw net.Conn) (*conn, error) {
	over := l.turn()
	ctx, cancel := context.WithTimeout(l.ctx, l.limits.FirstWord)
	defer cancel()
	t := tls.Server(raw, l.config)
	err := t.HandshakeContext(ctx)
	over()
	if err != nil {
		return nil, err
	}
	id, err := identity.PeerID(t.ConnectionState())
	if err != nil {
		return nil, err
	}
	now := l.now()
	return &conn{Conn: t, id: id, done: make(chan struct{}),
		messages: newBucket(l.limits.MessagesPerSecond, now), bytes: newBucket(l.limits.BytesPerSecond, now)}, nil
}

// turn waits for a handshake's turn and returns what ends it.
func (l *listener) turn() (over func()) {
	patience := time.NewTimer(turnPatience)
	defer patience.Stop()
	select {
	case l.turns <- struct{}{}:
	case <-patience.C: // whoever is slow, or means ill, may not keep others out
		return func() {}
	case <-l.ctx.Done():
		return func() {}
	}
	var once sync.Once
	give := func() { once.Do(func() { <-l.turns }) }
	limit := time.AfterFunc(turnLength, give)
	return func() {
		limit.Stop()
		give()
	}
}

// add takes a connection into the count, and reports whether it may be.
func (l *listener) add(c *conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || len(l.conns) >= l.limits.MaxClients {
		return false
	}
	l.conns[c] = struct{}{}
	return true
}

// refuse counts why a connection ends, once.
func (l *listener) refuse(c *conn, reason string, why any) {
	if c.refused.CompareAndSwap(false, true) {
		l.refusals.note(reason, c.id.String(), why)
	}
}

// explain counts the end of a connection when it was the client's fault and nobody counted it before.
func (l *listener) explain(c *conn, err error) {
	var code packets.Code
	switch {
	case err == nil || l.ctx.Err() != nil || c.superseded.Load():
	case errors.Is(err, packets.ErrPacketTooLarge):
		l.refuse(c, reasonOversized, err)
	case errors.As(err, &code):
		l.refuse(c, reasonMalformed, err)
	case errors.Is(err, os.ErrDeadlineExceeded) && !c.spoke.Load():
		l.refuse(c, reasonSilent, err)
	}
}

// clients returns how many are connected.
func (l *listener) clients() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.conns)
}

// Close stops accepting, cuts all connections and waits for them. It may be called twice.
func (l *listener) Close(listeners.CloseFn) {
	l.cancel()
	_ = l.tcp.Close()
	l.mu.Lock()
	l.closed = true
	for c := range l.conns {
		c.cut()
	}
	l.mu.Unlock()
	l.work.Wait()
}

// host names a peer that has no identity yet: by address without port, so that its refusals are logged as one.
func host(c net.Conn) string {
	h, _, err := net.SplitHostPort(c.RemoteAddr().String())
	if err != nil {
		return c.RemoteAddr().String()
	}
	return h
}
