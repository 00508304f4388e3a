package enrol

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Rates. Gateways of one venue often share one address; after a power cut they come together, and come again when they are refused.
const (
	addressEvery = 250 * time.Millisecond // requests of one address, after a burst of
	addressBurst = 100
	gatewayEvery = 10 * time.Second // renewals of one gateway, after a burst of
	gatewayBurst = 10
	recordEvery  = time.Second // log records of refusals, after a burst of
	recordBurst  = 60
	// maxTracked bounds the addresses and gateways that are told apart; the rest share one allowance.
	maxTracked = 8192
)

// Connections.
const (
	maxConns        = 256 // in all; more are closed at once
	maxConnsAddress = 64
)

// busy is a request too many.
type busy struct{ wait time.Duration }

func (b *busy) Error() string { return fmt.Sprintf("too many requests; come again in %s", b.wait) }

// allowance is a token bucket.
type allowance struct {
	free time.Time // when it is full again
}

// take returns how long after now the next request may come, 0 for at once. A refused one costs nothing.
func (a *allowance) take(now time.Time, every time.Duration, burst int) time.Duration {
	from := a.free
	if from.Before(now) {
		from = now
	}
	if wait := from.Add(every).Sub(now) - time.Duration(burst)*every; wait > 0 {
		return wait
	}
	a.free = from.Add(every)
	return 0
}

// limits bounds who asks how often.
type limits struct {
	now func() time.Time

	mu     sync.Mutex
	by     map[string]*allowance
	others allowance
	record allowance
	swept  time.Time
}

func newLimits(now func() time.Time) *limits {
	return &limits{now: now, by: map[string]*allowance{}}
}

func (l *limits) take(who string, every time.Duration, burst int) time.Duration {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.by[who]
	if a == nil {
		if len(l.by) >= maxTracked && now.Sub(l.swept) >= addressEvery { // it looks at all of them
			l.sweep(now)
		}
		if a = &l.others; len(l.by) < maxTracked {
			a = &allowance{}
			l.by[who] = a
		}
	}
	return a.take(now, every, burst)
}

// sweep forgets who has rested. The caller holds mu.
func (l *limits) sweep(now time.Time) {
	l.swept = now
	for who, a := range l.by {
		if !a.free.After(now) {
			delete(l.by, who)
		}
	}
}

// logs reports whether a refusal may be logged: strangers must not fill the disk.
func (l *limits) logs() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.record.take(l.now(), recordEvery, recordBurst) == 0
}

func (l *limits) gateway(name string) time.Duration {
	return l.take("gateway "+name, gatewayEvery, gatewayBurst)
}

func (l *limits) address(remote string) time.Duration {
	return l.take(place(remote), addressEvery, addressBurst)
}

// place returns what of an address is one party's: an IPv4 address, or an IPv6 network of 64 bits.
func place(remote string) string {
	a, err := netip.ParseAddrPort(remote)
	if err != nil {
		return remote
	}
	ip := a.Addr().Unmap()
	if ip.Is4() {
		return ip.String()
	}
	p, err := ip.WithZone("").Prefix(64)
	if err != nil {
		return ip.String()
	}
	return p.String()
}

// crowd is a listener that closes connections beyond the bounds at once.
type crowd struct {
	net.Listener

	mu  sync.Mutex
	all int
	by  map[string]int
}

// Accept implements net.Listener.
func (c *crowd) Accept() (net.Conn, error) {
	for {
		conn, err := c.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from := place(conn.RemoteAddr().String())
		if c.enter(from) {
			return &guest{Conn: conn, leave: sync.OnceFunc(func() { c.left(from) })}, nil
		}
		_ = conn.Close() // nobody has spoken on it
	}
}

func (c *crowd) enter(from string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all >= maxConns || c.by[from] >= maxConnsAddress {
		return false
	}
	c.all++
	c.by[from]++
	return true
}

func (c *crowd) left(from string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all--
	if c.by[from]--; c.by[from] == 0 {
		delete(c.by, from)
	}
}

// guest is one connection.
type guest struct {
	net.Conn
	leave func()
}

// Close implements net.Conn.
func (g *guest) Close() error {
	g.leave()
	return g.Conn.Close()
}
