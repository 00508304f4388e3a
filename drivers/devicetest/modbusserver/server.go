package modbusserver

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"sync"
	"time"

	"github.com/simonvetter/modbus"
)

// Options of a server. The zero value is a server of 256 clients with a relay in front.
type Options struct {
	// Direct leaves out the relay, and with it every fault: for simulators and benchmarks.
	Direct bool
	// MaxClients is how many connections are served at once; more are accepted and closed at once, as PLCs do. 0 stands for 256.
	MaxClients int
	// IdleTimeout ends a connection that asked nothing for so long. 0 stands for 10 minutes.
	IdleTimeout time.Duration
}

const (
	defaultClients = 256
	defaultIdle    = 10 * time.Minute
	// portAttempts bounds the search for a free port: the library cannot tell which port it was given.
	portAttempts = 50
)

// Server is a Modbus TCP device on a port.
type Server struct {
	addr    string
	library *modbus.ModbusServer
	relay   *relay // nil for a direct server
	close   sync.Once
	err     error
}

// Start serves memory at addr ("127.0.0.1:0" for any free port) until Close.
func Start(addr string, memory Memory, o Options) (*Server, error) {
	if o.MaxClients == 0 {
		o.MaxClients = defaultClients
	}
	if o.IdleTimeout == 0 {
		o.IdleTimeout = defaultIdle
	}
	inner := "127.0.0.1:0"
	if o.Direct {
		inner = addr
	}
	library, innerAddr, err := startLibrary(inner, memory, o)
	if err != nil {
		return nil, fmt.Errorf("starting a Modbus server at %s: %w", addr, err)
	}
	s := &Server{addr: innerAddr, library: library}
	if o.Direct {
		return s, nil
	}
	if s.relay, err = startRelay(addr, innerAddr); err != nil {
		return nil, errors.Join(fmt.Errorf("starting a Modbus server at %s: %w", addr, err), library.Stop())
	}
	s.addr = s.relay.listener.Addr().String()
	return s, nil
}

// Addr returns the address that the server listens on, with its port.
func (s *Server) Addr() string { return s.addr }

// SetFault makes every later answer pass through f; nil ends all faults. It panics on a direct server.
func (s *Server) SetFault(f Fault) {
	if s.relay == nil {
		panic("modbusserver: a direct server makes no faults")
	}
	s.relay.setFault(f)
}

// Clients returns how many connections are open; always 0 on a direct server.
func (s *Server) Clients() int {
	if s.relay == nil {
		return 0
	}
	return s.relay.clients()
}

// Close ends all connections and frees the port, so that a server started at Addr is
// the same device after a restart. It may be called twice.
func (s *Server) Close() error {
	s.close.Do(func() {
		if s.relay != nil {
			s.err = s.relay.close()
		}
		s.err = errors.Join(s.err, s.library.Stop())
	})
	return s.err
}

// startLibrary starts the library's server. The library keeps its listener to itself, so a free port is
// found by listening, closing and starting there, again if somebody else was quicker.
func startLibrary(addr string, memory Memory, o Options) (*modbus.ModbusServer, string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, "", err
	}
	for attempt := 1; ; attempt++ {
		at := addr
		if port == "0" {
			l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
			if err != nil {
				return nil, "", err
			}
			at = l.Addr().String()
			if err := l.Close(); err != nil {
				return nil, "", err
			}
		}
		server, err := modbus.NewServer(&modbus.ServerConfiguration{
			URL: "tcp://" + at, Timeout: o.IdleTimeout, MaxClients: uint(o.MaxClients), Logger: log.New(io.Discard, "", 0),
		}, handler{memory})
		if err != nil {
			return nil, "", err
		}
		if err = server.Start(); err == nil {
			return server, at, nil
		}
		if port != "0" || attempt == portAttempts {
			return nil, "", err
		}
	}
}
