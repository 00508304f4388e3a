package devca

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/identity/identitytest"
)

const (
	// DefaultLife is how long an SVID is valid.
	DefaultLife = time.Hour
	// authorityLife is how long the authority itself is valid.
	authorityLife = 365 * 24 * time.Hour
	// maxSocketPath is the longest path of a Unix socket that every system takes.
	maxSocketPath = 103
	// retryAfter is how long a failed rotation waits.
	retryAfter = time.Second
	// authorityFile is the name of the file that keeps the authority.
	authorityFile = "ca.pem"
	// socketFile is the name of an identity's socket.
	socketFile = "agent.sock"
)

// Config describes an Authority.
type Config struct {
	Dir         string        // made when it is absent
	TrustDomain string        // such as "courtside.test"
	Life        time.Duration // of SVIDs; 0 for DefaultLife
	Now         func() time.Time
	Log         *slog.Logger // nil for none
}

// Authority issues and serves SVIDs. It is safe for concurrent use.
type Authority struct {
	config Config
	ca     *identitytest.Authority
	wake   chan struct{}

	mu      sync.Mutex
	members map[identity.ID]*member
	closed  bool
}

// member is one identity that is served.
type member struct {
	endpoint Endpoint
	dir      string
	agent    *identitytest.Agent // nil while stopped
	svid     identitytest.SVID
	renew    time.Time
	denied   bool
}

// Endpoint is where one identity is to be had.
type Endpoint struct {
	ID                            identity.ID
	WorkloadAPI                   string // "unix:///…"
	CertFile, KeyFile, BundleFile string
}

// Open makes or reads the authority in Dir.
func Open(c Config) (*Authority, error) {
	if c.Life <= 0 {
		c.Life = DefaultLife
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return nil, fmt.Errorf("devca: %w", err)
	}
	c.Dir = dir
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("devca: %w", err)
	}
	ca, err := loadOrMake(c)
	if err != nil {
		return nil, fmt.Errorf("devca: %w", err)
	}
	return &Authority{config: c, ca: ca, wake: make(chan struct{}, 1), members: map[identity.ID]*member{}}, nil
}

func loadOrMake(c Config) (*identitytest.Authority, error) {
	file := filepath.Join(c.Dir, authorityFile)
	content, err := os.ReadFile(file)
	if err == nil {
		ca, err := identitytest.LoadAuthority(content)
		if err != nil {
			return nil, fmt.Errorf("file %s: %w; delete it to begin anew", file, err)
		}
		if ca.TrustDomain() != c.TrustDomain || c.Now().Add(c.Life).After(ca.NotAfter()) {
			return nil, fmt.Errorf("file %s is of trust domain %s and ends %s; delete it to begin anew", file, ca.TrustDomain(), ca.NotAfter())
		}
		return ca, nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	ca, err := identitytest.NewAuthority(c.TrustDomain, c.Now(), authorityLife)
	if err != nil {
		return nil, err
	}
	if content, err = ca.Marshal(); err != nil {
		return nil, err
	}
	if err := os.WriteFile(file+".new", content, 0o600); err != nil {
		return nil, err
	}
	return ca, os.Rename(file+".new", file)
}

// Bundle returns the trust bundle as PEM.
func (a *Authority) Bundle() []byte { return a.ca.Bundle() }

// Add issues an SVID for id and serves it from now on. Adding twice returns the same endpoint.
func (a *Authority) Add(id identity.ID) (Endpoint, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if m := a.members[id]; m != nil {
		return m.endpoint, nil
	}
	if a.closed {
		return Endpoint{}, errors.New("devca: the authority is closed")
	}
	if id.TrustDomain != a.ca.TrustDomain() {
		return Endpoint{}, fmt.Errorf("devca: %s is of another trust domain than %s", id, a.ca.TrustDomain())
	}
	dir := filepath.Join(a.config.Dir, id.CommonName())
	socket := filepath.Join(dir, socketFile)
	if len(socket) > maxSocketPath {
		return Endpoint{}, fmt.Errorf("devca: socket %s has %d characters, at most %d are possible; choose a shorter folder", socket, len(socket), maxSocketPath)
	}
	m := &member{dir: dir, endpoint: Endpoint{ID: id, WorkloadAPI: "unix://" + socket, CertFile: filepath.Join(dir, identitytest.CertFile),
		KeyFile: filepath.Join(dir, identitytest.KeyFile), BundleFile: filepath.Join(dir, identitytest.BundleFile)}}
	if err := a.issue(m); err != nil {
		return Endpoint{}, err
	}
	if err := a.start(m); err != nil {
		return Endpoint{}, err
	}
	a.members[id] = m
	a.nudge()
	return m.endpoint, nil
}

// issue makes a new SVID and hands it out by file and socket. The caller holds mu.
func (a *Authority) issue(m *member) error {
	now := a.config.Now()
	svid, err := a.ca.Issue(identitytest.RequestFor(m.endpoint.ID, now, a.config.Life))
	if err != nil {
		return fmt.Errorf("devca: %w", err)
	}
	if err := identitytest.WriteFiles(m.dir, a.ca, svid); err != nil {
		return fmt.Errorf("devca: %w", err)
	}
	m.svid, m.renew = svid, now.Add(a.config.Life/2)
	if m.agent != nil && !m.denied {
		m.agent.Set(a.ca, m.svid)
	}
	a.config.Log.Info("SVID issued", "id", m.endpoint.ID.String(), "not_after", svid.NotAfter)
	return nil
}

// start opens an identity's socket. The caller holds mu.
func (a *Authority) start(m *member) error {
	agent, err := identitytest.Serve(filepath.Join(m.dir, socketFile))
	if err != nil {
		return fmt.Errorf("devca: %s: %w", m.endpoint.ID, err)
	}
	m.agent = agent
	if !m.denied {
		agent.Set(a.ca, m.svid)
	}
	return nil
}

// with runs do on a member under mu.
func (a *Authority) with(id identity.ID, do func(*member) error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	m := a.members[id]
	if m == nil || a.closed {
		return fmt.Errorf("devca: %s is not served here", id)
	}
	return do(m)
}

// Rotate issues a new SVID at once.
func (a *Authority) Rotate(id identity.ID) error {
	defer a.nudge()
	return a.with(id, a.issue)
}

// Deny makes the identity's agent refuse with PermissionDenied until Allow. Files stay as they are.
func (a *Authority) Deny(id identity.ID) error {
	return a.with(id, func(m *member) error {
		m.denied = true
		if m.agent != nil {
			m.agent.Deny(codes.PermissionDenied)
		}
		return nil
	})
}

// Allow ends what Deny began, with a new SVID.
func (a *Authority) Allow(id identity.ID) error {
	defer a.nudge()
	return a.with(id, func(m *member) error {
		m.denied = false
		return a.issue(m)
	})
}

// Stop closes the identity's socket, as if its agent had died, until Restart.
func (a *Authority) Stop(id identity.ID) error {
	return a.with(id, func(m *member) error {
		if m.agent == nil {
			return nil
		}
		err := m.agent.Close()
		m.agent = nil
		return err
	})
}

// Restart opens the identity's socket again; it is cut first when it is open.
func (a *Authority) Restart(id identity.ID) error {
	if err := a.Stop(id); err != nil {
		return err
	}
	return a.with(id, a.start)
}

func (a *Authority) nudge() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// Run rotates SVIDs at half their life until ctx ends.
func (a *Authority) Run(ctx context.Context) {
	for {
		timer := time.NewTimer(a.rotateDue())
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-a.wake:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// rotateDue rotates what is due and returns how long nothing more is.
func (a *Authority) rotateDue() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.config.Now()
	wait := a.config.Life
	for _, m := range a.members {
		if !now.Before(m.renew) {
			if err := a.issue(m); err != nil {
				a.config.Log.Error("rotation failed", "id", m.endpoint.ID.String(), "err", err)
				m.renew = now.Add(retryAfter)
			}
		}
		wait = min(wait, m.renew.Sub(now))
	}
	return max(wait, 0)
}

// Close closes all sockets and waits. End Run before. It may be called twice.
func (a *Authority) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	var failed error
	for _, m := range a.members {
		if m.agent != nil {
			failed = errors.Join(failed, m.agent.Close())
			m.agent = nil
		}
	}
	return failed
}
