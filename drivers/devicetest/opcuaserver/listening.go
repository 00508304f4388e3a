package opcuaserver

import (
	"context"
	"math"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/gopcua/opcua/ua"
	"github.com/gopcua/opcua/uacp"
	"github.com/gopcua/opcua/uasc"
)

// channelLifetime is offered to clients that ask for none.
const channelLifetime = time.Hour

// listening is one run of a server, from Start to Close. It owns all goroutines of that run.
type listening struct {
	srv    *Server
	l      *net.TCPListener
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu    sync.Mutex
	conns map[*net.TCPConn]struct{}
	done  bool
}

// connection is one secure channel.
type connection struct {
	run *listening
	tcp *net.TCPConn
	sc  *uasc.SecureChannel
	cfg *uasc.Config // the channel writes the policy and mode into it when the client opens it
}

func newListening(s *Server, l *net.TCPListener) *listening {
	ctx, cancel := context.WithCancel(context.Background())
	return &listening{srv: s, l: l, ctx: ctx, cancel: cancel, conns: make(map[*net.TCPConn]struct{})}
}

func (r *listening) start() { r.wg.Go(r.accept) }

func (r *listening) close() error {
	r.cancel()
	err := r.l.Close()
	r.mu.Lock()
	r.done = true
	r.mu.Unlock()
	r.drop()
	r.wg.Wait()
	return err
}

func (r *listening) drop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.conns {
		c.Close()
	}
}

func (r *listening) accept() {
	for {
		c, err := r.l.AcceptTCP()
		if err != nil {
			return
		}
		r.mu.Lock()
		if r.done {
			c.Close()
		} else {
			r.conns[c] = struct{}{}
			r.wg.Go(func() { r.serve(c) })
		}
		r.mu.Unlock()
	}
}

// serve answers the requests of one TCP connection, one after the other.
func (r *listening) serve(tcp *net.TCPConn) {
	defer func() {
		tcp.Close()
		r.mu.Lock()
		delete(r.conns, tcp)
		r.mu.Unlock()
	}()
	if !r.wait() {
		return
	}
	if err := acknowledge(tcp); err != nil {
		return
	}
	conn, err := uacp.NewConn(tcp, uacp.DefaultServerACK)
	if err != nil {
		return
	}
	cfg := &uasc.Config{
		SecurityPolicyURI: ua.SecurityPolicyURINone,
		SecurityMode:      ua.MessageSecurityModeNone,
		Lifetime:          uint32(channelLifetime / time.Millisecond),
		Certificate:       r.srv.opts.Certificate,
		LocalKey:          r.srv.opts.Key,
	}
	sc, err := uasc.NewServerSecureChannel("", conn, cfg, make(chan error, 1), rand.Uint32N(math.MaxInt32)+1, rand.Uint32N(1023)+1, rand.Uint32N(math.MaxInt32)+1)
	if err != nil {
		return
	}
	c := &connection{run: r, tcp: tcp, sc: sc, cfg: cfg}
	defer r.srv.forget(c)
	r.srv.mu.Lock()
	r.srv.counts.Connections++
	r.srv.mu.Unlock()
	for {
		msg := sc.Receive(r.ctx)
		if msg.Err != nil {
			return
		}
		if req := msg.Request(); req != nil {
			if !c.answer(req, msg.RequestID) {
				return
			}
		}
	}
}

// wait blocks while the server stalls or is slow. It reports false when the run ends meanwhile.
func (r *listening) wait() bool {
	r.srv.mu.Lock()
	gate, slow := r.srv.gate, r.srv.slow
	r.srv.mu.Unlock()
	select {
	case <-gate:
	case <-r.ctx.Done():
		return false
	}
	if slow <= 0 {
		return true
	}
	t := time.NewTimer(slow)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-r.ctx.Done():
		return false
	}
}

// acknowledge does the server's side of the HEL/ACK handshake.
func acknowledge(tcp *net.TCPConn) error {
	conn, err := uacp.NewConn(tcp, uacp.DefaultServerACK)
	if err != nil {
		return err
	}
	b, err := conn.Receive()
	if err != nil {
		return err
	}
	if string(b[:4]) != "HELF" {
		conn.SendError(ua.StatusBadTCPMessageTypeInvalid)
		return ua.StatusBadTCPMessageTypeInvalid
	}
	return conn.Send("ACKF", uacp.DefaultServerACK)
}

// answer handles one request and reports whether the connection can go on.
func (c *connection) answer(req ua.Request, id uint32) bool {
	if !c.run.wait() {
		return false
	}
	switch c.run.srv.mannerNow() {
	case HangUp:
		return false
	case HalfClose:
		return c.tcp.CloseWrite() == nil
	}
	resp, err := c.handle(req, id)
	if err != nil {
		resp = &ua.ServiceFault{ResponseHeader: header(req, statusOf(err))}
	}
	if resp == nil {
		return true
	}
	return c.send(id, resp) == nil
}

// send sends a response in the manner that the server has.
func (c *connection) send(id uint32, resp ua.Response) error {
	s := c.run.srv
	s.mu.Lock()
	manner, garbage := s.manner, s.garbage > 0
	if garbage {
		s.garbage--
	}
	s.mu.Unlock()
	if garbage {
		_, err := c.tcp.Write([]byte("GET / HTTP/1.1\r\nthis is not OPC UA at all\r\n\r\n"))
		return err
	}
	read, _ := resp.(*ua.ReadResponse)
	switch {
	case manner == Twice:
		if err := c.sc.SendResponseWithContext(c.run.ctx, id, resp); err != nil {
			return err
		}
	case manner == Stray:
		if err := c.sc.SendResponseWithContext(c.run.ctx, id+1<<20, resp); err != nil {
			return err
		}
	case manner == Short && read != nil:
		read.Results = read.Results[:len(read.Results)-1]
	case manner == Long && read != nil:
		read.Results = append(read.Results, read.Results[0])
	}
	return c.sc.SendResponseWithContext(c.run.ctx, id, resp)
}

func header(req ua.Request, status ua.StatusCode) *ua.ResponseHeader {
	return &ua.ResponseHeader{
		Timestamp:          time.Now(),
		RequestHandle:      req.Header().RequestHandle,
		ServiceResult:      status,
		ServiceDiagnostics: &ua.DiagnosticInfo{},
		StringTable:        []string{},
		AdditionalHeader:   ua.NewExtensionObject(nil),
	}
}

// forget drops the PublishRequests of a connection that has ended.
func (s *Server) forget(c *connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sess := range s.sessions {
		sess.publishes = slices.DeleteFunc(sess.publishes, func(p publish) bool { return p.conn == c })
	}
}
