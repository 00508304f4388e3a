// Package trackingserver is a tracking system for tests and simulators: a real gRPC server of events.ArenaEventService
// that reports every player it knows once a period, and misbehaves on demand.
package trackingserver

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/courtside-edge/courtside/drivers/tracking/events"
)

// Options describe a server. The zero value reports ten times a second without TLS.
type Options struct {
	Period time.Duration       // 100 ms when 0
	Server []grpc.ServerOption // TLS credentials, for example
	Now    func() time.Time    // the system's clock; nil for time.Now
}

// Manner is how a server behaves.
type Manner int

// The manners.
const (
	Well      Manner = iota
	Slow             // each report takes longer, by 20 ms or what SlowBy says
	Silent           // the stream stays open and nothing comes
	Twice            // each position comes two times
	Stray            // players whom nobody knows come between
	Reorder          // each position is followed by one that is a second older
	Garbage          // messages that are no PlayerPosition
	Short            // messages that end early
	Long             // messages of a megabyte
	HangUp           // the call ends with an error
	HalfClose        // the call ends as if all were said
	Refuse           // callers are told that they may not
)

// Position is where a player is.
type Position struct{ X, Y float32 }

// Server is a tracking system. It is safe for concurrent use.
type Server struct {
	o Options

	mu      sync.Mutex
	players map[int32]Position
	order   []int32
	manner  Manner
	slow    time.Duration
	changed chan struct{} // closed and renewed when the manner changes
	running *grpc.Server
	addr    string
	serving sync.WaitGroup
}

// New returns a server without players.
func New(o Options) *Server {
	if o.Period <= 0 {
		o.Period = 100 * time.Millisecond
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Server{o: o, players: make(map[int32]Position), slow: defaultSlow, changed: make(chan struct{})}
}

// defaultSlow is how much longer a report takes of a server that is Slow.
const defaultSlow = 20 * time.Millisecond

// Start listens on addr, host:port with port 0 for any free one.
func (s *Server) Start(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("start the tracking server: %w", err)
	}
	g := grpc.NewServer(append(slices.Clone(s.o.Server), grpc.WaitForHandlers(true))...)
	events.Register(g, s)
	s.mu.Lock()
	s.running, s.addr = g, l.Addr().String()
	s.mu.Unlock()
	s.serving.Go(func() { _ = g.Serve(l) }) // ends with Close
	return nil
}

// Addr returns where the server listens, or listened last.
func (s *Server) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addr
}

// Close ends the server and its streams, and waits. It may be called twice; Start makes it serve again.
func (s *Server) Close() error {
	s.mu.Lock()
	g := s.running
	s.running = nil
	s.mu.Unlock()
	if g != nil {
		g.Stop()
	}
	s.serving.Wait()
	return nil
}

// Set moves a player, who is reported from now on.
func (s *Server) Set(id int32, at Position) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.players[id]; !known {
		s.order = append(s.order, id)
	}
	s.players[id] = at
}

// SetAll moves the players first, first+1, … in one step: no report shows some of them before and some after.
func (s *Server) SetAll(first int32, at []Position) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n, p := range at {
		id := first + int32(n)
		if _, known := s.players[id]; !known {
			s.order = append(s.order, id)
		}
		s.players[id] = p
	}
}

// Remove takes a player off the court: nothing is reported of it any more.
func (s *Server) Remove(id int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.players, id)
	s.order = slices.DeleteFunc(s.order, func(have int32) bool { return have == id })
}

// Behave changes how the server behaves, at once on every stream.
func (s *Server) Behave(m Manner) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.manner = m
	close(s.changed)
	s.changed = make(chan struct{})
}

// SlowBy says how much longer a report takes while the server is Slow.
func (s *Server) SlowBy(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slow = d
}

// report is what one moment shows.
type report struct {
	at      uint64
	slow    time.Duration
	ids     []int32
	where   []Position
	manner  Manner
	changed chan struct{}
}

func (s *Server) report(into *report) {
	s.mu.Lock()
	defer s.mu.Unlock()
	into.at, into.manner, into.slow, into.changed = uint64(s.o.Now().UnixNano()), s.manner, s.slow, s.changed
	into.ids, into.where = append(into.ids[:0], s.order...), into.where[:0]
	for _, id := range s.order {
		into.where = append(into.where, s.players[id])
	}
}

// errHungUp is what a client sees of HangUp.
var errHungUp = status.Error(codes.Unavailable, "the tracking system hung up")

// StreamEvents implements events.Server.
func (s *Server) StreamEvents(_ *events.Empty, out grpc.ServerStreamingServer[events.PlayerPosition]) error {
	ticker := time.NewTicker(s.o.Period)
	defer ticker.Stop()
	var r report
	for {
		s.report(&r)
		switch r.manner {
		case HangUp:
			return errHungUp
		case HalfClose:
			return nil
		case Refuse:
			return status.Error(codes.PermissionDenied, "this client may not listen")
		case Silent:
		default:
			if err := s.send(out, &r); err != nil {
				return err
			}
		}
		select {
		case <-ticker.C:
		case <-r.changed:
		case <-out.Context().Done():
			return out.Context().Err()
		}
	}
}

// send sends one report.
func (s *Server) send(out grpc.ServerStreamingServer[events.PlayerPosition], r *report) error {
	if r.manner == Slow {
		select {
		case <-time.After(r.slow):
		case <-r.changed:
		case <-out.Context().Done():
		}
	}
	var errs []error
	one := func(id int32, at Position, when uint64, unknown []byte) {
		m := &events.PlayerPosition{PlayerId: id, X: at.X, Y: at.Y, TimestampNs: when}
		m.ProtoReflect().SetUnknown(unknown) // written as they are, whatever they are
		if len(errs) == 0 {
			if err := out.Send(m); err != nil {
				errs = append(errs, err)
			}
		}
	}
	for i, id := range r.ids {
		var unknown []byte
		switch r.manner {
		case Garbage:
			unknown = []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
		case Short:
			unknown = []byte{0x15, 0x00} // half of field 2
		case Long:
			unknown = append([]byte{0x7a, 0x80, 0x80, 0x40}, make([]byte, 1<<20)...) // field 15, a megabyte
		case Stray:
			one(-1-id, Position{1, 1}, r.at, nil)
		}
		one(id, r.where[i], r.at, unknown)
		switch r.manner {
		case Twice:
			one(id, r.where[i], r.at, nil)
		case Reorder:
			one(id, Position{-5, -5}, r.at-uint64(time.Second), nil)
		}
	}
	return errors.Join(errs...)
}
