// Package update serves updates to gateways: the files of one folder whose names end in .raucb, over HTTPS with mutual TLS, in parts. It also takes the
// orders of this machine's owner to install one.
//
// Only gateways of the trust domain are served, and only names directly in the folder: no folder below it, nothing that begins with a dot, no link that leads
// out of it, no list. Updates are signed; that a gateway may read them gives it nothing that it could not verify.
//
//	what fails                                   what happens
//	a client without an SVID, of another role    refused in the handshake
//	or trust domain
//	more connections than are allowed            wait to be accepted
//	a client that takes nothing any more         its connection ends after 30 s
//	the folder is gone, a file is unreadable     404, and a line of log
//	an update is replaced while it is read       its tag changes; the gateway begins again
package update

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/courtside-edge/courtside/cloud/httpserver"
	"github.com/courtside-edge/courtside/sync/identity"
)

const (
	// Suffix is how the names of updates end.
	Suffix = ".raucb"
	// writePatience is how long a client may take nothing.
	writePatience = 30 * time.Second
	// shutdownPatience is how long answers under way may take when the server ends; gateways ask again for what they lack.
	shutdownPatience = 2 * time.Second
)

// Options are what a Server stands on.
type Options struct {
	Listen     string // host:port
	Dir        string // with the updates
	MaxClients int    // connections at once
	TLS        *tls.Config
	Log        *slog.Logger
}

// Server serves updates.
type Server struct {
	o        Options
	listener net.Listener
	server   *http.Server
}

// New listens; Run serves.
func New(o Options) (*Server, error) {
	info, err := os.Stat(o.Dir)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is not a folder", o.Dir)
	}
	if err != nil {
		return nil, fmt.Errorf("updates.dir: %w", err)
	}
	l, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("updates.listen: %w", err)
	}
	s := &Server{o: o, listener: l}
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug), ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
			return context.WithValue(ctx, askedKey{}, &asked{})
		}}
	return s, nil
}

// Addr returns where it listens.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Run serves until ctx ends, and waits for what is under way, for a while.
func (s *Server) Run(ctx context.Context) error {
	l := tls.NewListener(&bounded{Listener: s.listener, free: make(chan struct{}, max(s.o.MaxClients, 1)), closed: make(chan struct{})}, s.o.TLS)
	if err := httpserver.Run(ctx, s.server, l, shutdownPatience); err != nil {
		return fmt.Errorf("serving updates: %w", err)
	}
	return nil
}

// Close ends a server that does not run.
func (s *Server) Close() error {
	if err := s.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// asked is which updates were asked for on a connection, so that the log tells each once.
type asked struct {
	mu    sync.Mutex
	names map[string]bool
}

type askedKey struct{}

// first reports whether name is asked for the first time.
func (a *asked) first(name string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.names[name] {
		return false
	}
	if a.names == nil {
		a.names = map[string]bool{}
	}
	a.names[name] = true
	return true
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var id identity.ID
	if r.TLS != nil {
		id, _ = identity.PeerID(*r.TLS) // the handshake has verified it
	}
	log := s.o.Log.With("venue", id.Venue, "gateway", id.Name, "path", r.URL.Path)
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "updates are read", http.StatusMethodNotAllowed)
		return
	}
	name := strings.TrimPrefix(r.URL.Path, "/")
	f, info, err := s.open(name)
	if err != nil {
		log.Warn("an update that is not here was asked for", "err", err)
		http.NotFound(w, r)
		return
	}
	defer f.Close()
	if a, ok := r.Context().Value(askedKey{}).(*asked); ok && a.first(name) {
		log.Info("an update is being read", "bytes", info.Size())
	}
	log.Debug("a part of an update", "range", r.Header.Get("Range"))
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("ETag", fmt.Sprintf(`"%x-%x"`, info.Size(), info.ModTime().UnixNano()))
	http.ServeContent(&patient{w, http.NewResponseController(w)}, r, name, info.ModTime(), f)
}

// open opens an update of the folder.
func (s *Server) open(name string) (*os.File, fs.FileInfo, error) {
	if !isUpdate(name) {
		return nil, nil, errors.New("it is not the name of an update")
	}
	root, err := os.OpenRoot(s.o.Dir)
	if err != nil {
		return nil, nil, err
	}
	defer root.Close()
	info, err := root.Stat(name) // before it is opened: a pipe would wait
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is not a regular file")
	}
	if err != nil {
		return nil, nil, err
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, nil, err
	}
	if info, err = f.Stat(); err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, info, nil
}

// isUpdate reports whether name may be that of an update: letters, digits, '.', '-' and '_', and no dot at its beginning.
func isUpdate(name string) bool {
	if len(name) > 200 || !strings.HasSuffix(name, Suffix) || name[0] == '.' {
		return false
	}
	return strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == ""
}

// patient gives a client that takes what it asked for all the time it needs, and one that does not a while.
type patient struct {
	http.ResponseWriter
	control *http.ResponseController
}

func (p *patient) Write(b []byte) (int, error) {
	if err := p.control.SetWriteDeadline(time.Now().Add(writePatience)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	return p.ResponseWriter.Write(b)
}

// bounded accepts so many connections at once.
type bounded struct {
	net.Listener
	free   chan struct{}
	closed chan struct{}
	once   sync.Once
}

// Close ends Accept too when it waits for a place: the server closes its listener first, and its connections when Accept has ended.
func (b *bounded) Close() error {
	b.once.Do(func() { close(b.closed) })
	return b.Listener.Close()
}

func (b *bounded) Accept() (net.Conn, error) {
	select {
	case b.free <- struct{}{}:
	case <-b.closed:
		return nil, net.ErrClosed
	}
	c, err := b.Listener.Accept()
	if err != nil {
		<-b.free
		return nil, err
	}
	return &counted{Conn: c, free: b.free}, nil
}

// counted gives its place back when it is closed.
type counted struct {
	net.Conn
	free chan struct{}
	once sync.Once
}

func (c *counted) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() { <-c.free })
	return err
}
