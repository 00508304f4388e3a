package faulttest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// pieceBytes is how much a proxy forwards at once; a rate is kept piece by piece.
const pieceBytes = 16 << 10

// queuedPieces bounds what lies on the way in one direction of a delayed connection.
const queuedPieces = 64

// Link says how bad the way between client and server is. The zero value is a good one.
type Link struct {
	Delay   time.Duration // each byte arrives so much later, in order
	Rate    int           // bytes a second in each direction of each connection; 0 for as many as go
	Corrupt int           // one bit in so many bytes is flipped, on average; 0 for none
	// Hold forwards nothing, accepts nobody's data and ends nothing: a black hole. Connections are still
	// accepted. What was under way arrives when it ends, as TCP would send it again.
	Hold bool
	// Refuse ends new connections at once with a reset. Those that stand go on.
	Refuse bool
}

// Cut says how Proxy.Cut ends connections.
type Cut uint8

// The ways to end connections.
const (
	Reset     Cut = iota // both ends get RST; what was under way is lost
	Finish               // both ends get FIN; what was under way may arrive
	LoseFront            // the client gets RST, the server hears nothing: a half-open connection remains there
	LoseBack             // the server gets RST, the client hears nothing
)

// Proxy relays TCP connections to one server over a Link that a test makes worse and better while it runs. Which bits a
// corrupting link flips follows from the seed and from how many bytes came before. It is safe for concurrent use.
type Proxy struct {
	listener net.Listener
	ctx      context.Context // ends with Close
	cancel   context.CancelFunc
	running  sync.WaitGroup

	mu      sync.Mutex
	server  string
	link    Link
	changed chan struct{} // closed when link changes
	conns   map[*relay]struct{}
	random  *rand.Rand
	stats   ProxyStats
}

// ProxyStats counts what went through a proxy since it started.
type ProxyStats struct {
	Connections int   // accepted
	Refused     int   // reset at once, or the server was not there
	Cut         int   // ended by Cut
	Bytes       int64 // forwarded, both directions
	Flipped     int   // bits
}

// NewProxy listens on addr ("127.0.0.1:0" for a free port) and relays to server. Close it.
func NewProxy(addr, server string, seed uint64) (*Proxy, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("starting a fault proxy: %w", err)
	}
	p := &Proxy{listener: l, server: server, changed: make(chan struct{}), conns: map[*relay]struct{}{}, random: rand.New(rand.NewPCG(seed, 0))}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.running.Go(p.accept)
	return p, nil
}

// Addr returns where clients connect.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Link returns how the way is now.
func (p *Proxy) Link() Link { p.mu.Lock(); defer p.mu.Unlock(); return p.link }

// Set makes the way as l says, for connections that stand and for new ones.
func (p *Proxy) Set(l Link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.link = l
	close(p.changed)
	p.changed = make(chan struct{})
}

// Server changes where new connections lead.
func (p *Proxy) Server(addr string) { p.mu.Lock(); p.server = addr; p.mu.Unlock() }

// Stats returns what went through.
func (p *Proxy) Stats() ProxyStats { p.mu.Lock(); defer p.mu.Unlock(); return p.stats }

// Cut ends every connection that stands and returns how many there were.
func (p *Proxy) Cut(how Cut) int {
	p.mu.Lock()
	conns := make([]*relay, 0, len(p.conns))
	for c := range p.conns {
		conns = append(conns, c)
	}
	p.stats.Cut += len(conns)
	p.mu.Unlock()
	for _, c := range conns {
		c.cut(how)
	}
	return len(conns)
}

// Close ends the proxy and every connection through it, and waits. It may be called twice.
func (p *Proxy) Close() error {
	p.cancel()
	err := p.listener.Close()
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	p.mu.Lock()
	for c := range p.conns {
		c.close()
	}
	p.mu.Unlock()
	p.running.Wait()
	return err
}

func (p *Proxy) accept() {
	for {
		front, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		p.mu.Lock()
		p.stats.Connections++
		server, refuse := p.server, p.link.Refuse
		p.mu.Unlock()
		if refuse {
			p.refuse(front)
			continue
		}
		p.running.Go(func() { p.relay(front.(*net.TCPConn), server) })
	}
}

func (p *Proxy) count(bytes int64, flipped int) {
	p.mu.Lock()
	p.stats.Bytes += bytes
	p.stats.Flipped += flipped
	p.mu.Unlock()
}

func (p *Proxy) refuse(front net.Conn) {
	p.mu.Lock()
	p.stats.Refused++ // before the client can see it
	p.mu.Unlock()
	_ = front.(*net.TCPConn).SetLinger(0) // what cannot be set cannot be reset either
	_ = front.Close()
}

// relay serves one connection until it ends.
func (p *Proxy) relay(front *net.TCPConn, server string) {
	if !p.open() { // a black hole has nothing behind it
		_ = front.Close()
		return
	}
	var d net.Dialer
	back, err := d.DialContext(p.ctx, "tcp", server)
	if err != nil {
		p.refuse(front)
		return
	}
	c := &relay{p: p, front: front, back: back.(*net.TCPConn)}
	p.mu.Lock()
	p.conns[c] = struct{}{}
	seeds := [2]uint64{p.random.Uint64(), p.random.Uint64()}
	p.mu.Unlock()
	if p.ctx.Err() != nil { // Close did not see it
		c.close()
	}
	c.run(seeds)
	p.mu.Lock()
	delete(p.conns, c)
	p.mu.Unlock()
}

// open waits while the link is held and reports whether the proxy still runs.
func (p *Proxy) open() bool {
	for {
		p.mu.Lock()
		held, changed := p.link.Hold, p.changed
		p.mu.Unlock()
		if !held {
			return p.ctx.Err() == nil
		}
		select {
		case <-changed:
		case <-p.ctx.Done():
			return false
		}
	}
}
