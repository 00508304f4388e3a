package opcuaserver

import (
	"time"

	"github.com/gopcua/opcua/ua"
)

// Restart closes the server and starts it on the same address: sessions and subscriptions are gone, nodes and values stay.
func (s *Server) Restart() error {
	addr := s.Addr()
	if err := s.Close(); err != nil {
		return err
	}
	return s.Start(addr)
}

// KillSessions forgets all sessions and subscriptions and leaves the connections open: every
// later request is answered with Bad_SessionIdInvalid.
func (s *Server) KillSessions() {
	s.mu.Lock()
	var waiting []publish
	for _, sess := range s.sessions {
		waiting = append(waiting, sess.publishes...)
	}
	clear(s.sessions)
	for id, sub := range s.subs {
		sub.stop()
		delete(s.subs, id)
	}
	s.mu.Unlock()
	for _, p := range waiting {
		p.refuse(ua.StatusBadSessionClosed)
	}
}

// DropConnections cuts all TCP connections and keeps the sessions and subscriptions.
func (s *Server) DropConnections() {
	s.mu.Lock()
	run := s.run
	s.mu.Unlock()
	if run != nil {
		run.drop()
	}
}

// Stall makes the server accept connections and requests and answer none of them, until it is called with false.
func (s *Server) Stall(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	open := true
	select {
	case <-s.gate:
	default:
		open = false
	}
	switch {
	case on && open:
		s.gate = make(chan struct{})
	case !on && !open:
		close(s.gate)
	}
}

// Slow makes the server wait for d before each answer; 0 for not at all.
func (s *Server) Slow(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slow = d
}

// Garbage makes the server answer the next n requests with bytes that are no message.
func (s *Server) Garbage(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.garbage = n
}

// Manner is how a server treats its connections.
type Manner int

// The manners of a server.
const (
	Well      Manner = iota // as it should
	HangUp                  // the next request closes the connection, and so on for the next connection
	HalfClose               // the next request closes the server's half of the connection
	Twice                   // each answer is sent two times
	Stray                   // an answer to a request that was never made comes before each answer
	Short                   // answers to Read hold one value less
	Long                    // answers to Read hold one value more
	Mute                    // keep-alives are sent, changes are not reported
	Skip                    // a message with changes is counted and kept for Republish, and not sent
	Forgetful               // Republish is answered well, with an empty message
)

// Behave makes the server have a manner until the next call.
func (s *Server) Behave(m Manner) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.manner = m
}

func (s *Server) mannerNow() Manner {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.manner
}

// EndSubscriptions ends all subscriptions with a StatusChangeNotification of Bad_Timeout.
func (s *Server) EndSubscriptions() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sub := range s.subs {
		sub.ending = true
	}
}

// Refuse makes the server answer requests of one service, named like "Republish" or "CreateSubscription",
// with Bad_ServiceUnsupported, until it is called with false.
func (s *Server) Refuse(service string, on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refused == nil {
		s.refused = make(map[string]bool)
	}
	s.refused[service] = on
}
