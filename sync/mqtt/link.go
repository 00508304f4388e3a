package mqtt

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// goodbye is how long Close tries to deliver what is being written and a DISCONNECT.
const goodbye = time.Second

// errEnded is what reading gives after the own end of the link. The library must not see net.ErrClosed: it would
// take the end for one of its own making, and report nothing.
var errEnded = errors.New("the link was ended")

// link is the connection under a session: every write has a deadline, everything read passes the guard.
type link struct {
	net.Conn
	guard        guard
	writeTimeout time.Duration
	slots        chan struct{} // one token for each PUBLISH between the library and the socket

	mu     sync.Mutex // one writer
	ending sync.Once
	ended  chan struct{}
}

// dial opens the transport: TCP with a user timeout, then TLS when it is configured.
func dial(ctx context.Context, addr string, config *tls.Config) (net.Conn, error) {
	dialer := net.Dialer{Control: controlSocket}
	raw, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	if config == nil {
		return raw, nil
	}
	if config.ServerName == "" {
		config = config.Clone()
		if config.ServerName, _, err = net.SplitHostPort(addr); err != nil {
			_ = raw.Close()
			return nil, err
		}
	}
	conn := tls.Client(raw, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, fmt.Errorf("TLS handshake: %w", err)
	}
	return conn, nil
}

// Read implements net.Conn.
func (l *link) Read(b []byte) (int, error) {
	n, err := l.Conn.Read(b)
	if guardErr := l.guard.check(b[:n]); guardErr != nil {
		return 0, guardErr // the library closes the link
	}
	if errors.Is(err, net.ErrClosed) {
		err = errEnded
	}
	return n, err
}

// Write implements net.Conn. The library writes each packet with one call.
func (l *link) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(b) > 0 && b[0]&0xF0 == publish {
		defer func() { <-l.slots }()
	}
	if l.over() {
		return 0, errEnded
	}
	if err := l.Conn.SetWriteDeadline(time.Now().Add(l.writeTimeout)); err != nil {
		return 0, err
	}
	n, err := l.Conn.Write(b)
	if err != nil { // half a packet may be out: nothing can follow it
		_ = l.Close()
	}
	return n, err
}

// reserve waits until n more messages may be handed to the library without waiting there: its own wait
// ends by a timer only, not by the end of the link.
func (l *link) reserve(ctx context.Context, n int) error {
	for i := range n {
		if l.over() {
			return errEnded
		}
		select {
		case l.slots <- struct{}{}:
			continue
		case <-l.ended:
			return errEnded
		case <-ctx.Done():
			l.unreserve(i)
			return ctx.Err()
		}
	}
	return nil
}

// over reports whether the link has ended; what was reserved does not matter any more then.
func (l *link) over() bool {
	select {
	case <-l.ended:
		return true
	default:
		return false
	}
}

// unreserve gives back what was reserved and not handed over.
func (l *link) unreserve(n int) {
	for range n {
		<-l.slots
	}
}

// SetDeadline limits the wait for the broker's first answer. Writes have their own limits.
func (l *link) SetDeadline(t time.Time) error { return l.Conn.SetReadDeadline(t) }

// SetWriteDeadline does nothing; each Write sets its own.
func (l *link) SetWriteDeadline(time.Time) error { return nil }

// Close ends the link at once. It may be called twice.
func (l *link) Close() error {
	l.ending.Do(func() { close(l.ended) })
	return l.transport().Close()
}

// transport is what is under TLS, which would try to say goodbye for seconds; MQTT has its own, and the broker needs no other.
func (l *link) transport() net.Conn {
	if t, ok := l.Conn.(*tls.Conn); ok {
		return t.NetConn()
	}
	return l.Conn
}

// finish sends a DISCONNECT, so that the broker forgets the will, and ends the link when the broker has: closing a socket that
// holds unread data resets it, and a reset may overtake the DISCONNECT.
func (l *link) finish() {
	_ = l.Conn.SetWriteDeadline(time.Now().Add(goodbye)) // for a write under way too
	l.mu.Lock()
	if !l.over() {
		_ = l.Conn.SetWriteDeadline(time.Now().Add(goodbye))
		_, _ = l.Conn.Write([]byte{0xE0, 0}) // best effort: the broker announces the will otherwise
	}
	l.mu.Unlock()
	if tcp, ok := l.transport().(interface{ CloseWrite() error }); ok && tcp.CloseWrite() == nil {
		select {
		case <-l.ended: // the library read to the end
		case <-time.After(goodbye):
		}
	}
	_ = l.Close()
}
