package broker

import (
	"crypto/tls"
	"sync"
	"sync/atomic"
	"time"

	"github.com/courtside-edge/courtside/sync/identity"
)

// writeTimeout is the longest that one write to a client may take; beyond it the connection is closed.
const writeTimeout = 5 * time.Second

// conn is one client's connection after its handshake. mochi keeps it as the client's net.Conn.
type conn struct {
	*tls.Conn
	id         identity.ID
	superseded atomic.Bool // a newer connection has the client id
	refused    atomic.Bool // the reason of its end was counted
	spoke      atomic.Bool // its CONNECT was accepted
	cutting    sync.Once
	done       chan struct{} // closed when everything about it has ended

	client   string // client id, from CONNECT on; guarded by registry.mu
	messages bucket // these three belong to the reading goroutine
	bytes    bucket
	filters  int
}

// SetDeadline limits reading only: mochi means its keep-alive, and writes have their own limit.
func (c *conn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// Write implements net.Conn. mochi goes on after a failed write, so the failure ends the connection here.
func (c *conn) Write(b []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		c.cut()
		return 0, err
	}
	n, err := c.Conn.Write(b)
	if err != nil {
		c.cut()
	}
	return n, err
}

// cut ends the connection at once, without waiting to say goodbye.
func (c *conn) cut() { c.cutting.Do(func() { _ = c.NetConn().Close() }) }

// registry knows which connection has which client id. mochi's own takeover races with the end of the older
// connection and can lose the newer one, so the older one is ended first and mochi never sees two.
type registry struct {
	perIdentity int // connections that one identity may have

	mu      sync.Mutex
	clients map[string]*conn
	counts  map[identity.ID]int
}

// claim makes c the only connection with the client id. It waits for an older one to end, and reports why not.
func (r *registry) claim(c *conn, client string, patience time.Duration) (reason string) {
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		r.mu.Lock()
		old := r.clients[client]
		if old == nil {
			defer r.mu.Unlock()
			if r.counts[c.id] >= r.perIdentity {
				return reasonClients
			}
			c.client = client
			r.clients[client] = c
			r.counts[c.id]++
			return ""
		}
		r.mu.Unlock()
		old.superseded.Store(true)
		old.cut()
		select {
		case <-old.done:
		case <-timeout.C:
			return reasonBusy
		}
	}
}

// release forgets a connection that has ended.
func (r *registry) release(c *conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.client == "" {
		return
	}
	delete(r.clients, c.client)
	if r.counts[c.id]--; r.counts[c.id] == 0 {
		delete(r.counts, c.id)
	}
}
