package opcuaserver

import (
	"crypto/rsa"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/gopcua/opcua/ua"
)

// DefaultNamespace is the URI of namespace 1 when Options names none.
const DefaultNamespace = "urn:courtside:devicetest"

// Options is how a server is made. The zero value is a server without security that admits everybody.
type Options struct {
	// Namespaces are the URIs of namespaces 1, 2 and so on; DefaultNamespace alone when it is empty.
	Namespaces []string
	// Certificate (DER) and Key (RSA, 2048 bits or more) together offer the signing and encrypting policies.
	Certificate []byte
	Key         *rsa.PrivateKey
	// SecureOnly takes away the endpoint without security.
	SecureOnly bool
	// Users admits these names with these passwords and nobody else; everybody may come in when it is nil.
	Users map[string]string
	// UserCertificates (DER) admits who proves to hold one of them, beside Users.
	UserCertificates [][]byte
	// MaxItemsPerCall is how many nodes a Read or CreateMonitoredItems may name; 0 for no limit.
	MaxItemsPerCall int
	// HideLimits keeps MaxItemsPerCall to itself until somebody goes beyond it.
	HideLimits bool
}

// Server is an OPC UA server. All its methods are safe for concurrent use.
type Server struct {
	opts       Options
	namespaces []string

	mu       sync.Mutex // guards everything below; never held while a message is sent
	nodes    map[string]*node
	order    []string // node ids in order of their declaration, for Browse
	sessions map[string]*session
	subs     map[uint32]*subscription
	watch    map[string][]*item // by node id; items that ended are taken out when they are met
	lastID   uint32
	gate     chan struct{} // closed while the server answers; replaced by an open one while it stalls
	slow     time.Duration
	garbage  int
	manner   Manner
	refused  map[string]bool
	counts   Counts
	run      *listening // nil while closed
}

// Counts is what a server has seen since it was made.
type Counts struct {
	Connections, Sessions, Reads, Publishes, Republishes int
	Skipped                                              int // messages, see Skip
}

// New returns a server that does not listen yet.
func New(o Options) *Server {
	ns := o.Namespaces
	if len(ns) == 0 {
		ns = []string{DefaultNamespace}
	}
	open := make(chan struct{})
	close(open)
	return &Server{
		opts:       o,
		namespaces: append([]string{"http://opcfoundation.org/UA/"}, ns...),
		nodes:      make(map[string]*node),
		sessions:   make(map[string]*session),
		subs:       make(map[uint32]*subscription),
		watch:      make(map[string][]*item),
		gate:       open,
	}
}

// Start listens on addr, "127.0.0.1:0" for any free port, and serves until Close.
func (s *Server) Start(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("start OPC UA server: %w", err)
	}
	run := newListening(s, l.(*net.TCPListener))
	s.mu.Lock()
	if s.run != nil {
		s.mu.Unlock()
		return errors.Join(errors.New("start OPC UA server: it runs already"), l.Close())
	}
	s.run = run
	s.mu.Unlock()
	run.start()
	return nil
}

// Addr returns the address that the server listens on, or "" when it does not.
func (s *Server) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run == nil {
		return ""
	}
	return s.run.l.Addr().String()
}

// Endpoint returns the URL of the server, opc.tcp://host:port, or "" when it does not listen.
func (s *Server) Endpoint() string {
	if a := s.Addr(); a != "" {
		return "opc.tcp://" + a
	}
	return ""
}

// Close ends all connections, sessions and subscriptions and waits for their goroutines. The nodes stay.
// It may be called twice, and the server may be started again.
func (s *Server) Close() error {
	s.mu.Lock()
	run := s.run
	s.run = nil
	clear(s.sessions)
	for _, sub := range s.subs {
		sub.stop()
	}
	clear(s.subs)
	clear(s.watch)
	s.mu.Unlock()
	if run == nil {
		return nil
	}
	return run.close()
}

// Counts returns what the server has seen.
func (s *Server) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts
}

// newID returns a number that this server has not used; s.mu is held.
func (s *Server) newID() uint32 {
	s.lastID++
	return s.lastID
}

func statusOf(err error) ua.StatusCode {
	if code, ok := errors.AsType[ua.StatusCode](err); ok {
		return code
	}
	return ua.StatusBadUnexpectedError
}
