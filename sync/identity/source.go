package identity

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
)

// ErrNotReady is what asking for an identity wraps before there is one.
var ErrNotReady = errors.New("there is no identity yet")

// ErrExpired is what using an identity after its NotAfter wraps.
var ErrExpired = errors.New("the identity has expired")

// Options say where an identity comes from. TrustDomain is always required.
type Options struct {
	TrustDomain string // name only, such as "courtside.test"

	WorkloadAPI string // for OpenWorkload: the agent's socket, such as "unix:///run/spire/agent.sock"

	CertFile   string        // for OpenFiles: PEM, the SVID first, then its intermediates
	KeyFile    string        // for OpenFiles: PEM, PKCS #8; may be CertFile
	BundleFile string        // for OpenFiles: PEM, the trust domain's authorities
	Poll       time.Duration // for OpenFiles: how often the files are read; 0 for 5 s

	Clock Clock
	Log   *slog.Logger // nil for none
}

// Source is an identity that rotates, and the authorities to judge peers by. It is safe for concurrent use.
type Source struct {
	from   string // for errors: the socket or the files
	domain spiffeid.TrustDomain
	clock  Clock
	log    *slog.Logger
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu      sync.Mutex
	held    *material // nil before the first
	cause   error     // of the last failure; nil after a success
	updated chan struct{}
}

// material is one consistent set; it is never changed.
type material struct {
	id       ID
	cert     *tls.Certificate
	notAfter time.Time
	bundle   *x509bundle.Bundle
}

// open checks what both kinds of source share and starts run, which the source owns until Close.
func open(ctx context.Context, o Options, from string, run func(context.Context, *Source)) (*Source, error) {
	domain, err := spiffeid.TrustDomainFromString(o.TrustDomain)
	if err != nil {
		return nil, fmt.Errorf("identity: trust domain %q: %w; name it without a scheme, such as courtside.test", o.TrustDomain, err)
	}
	log := o.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &Source{from: from, domain: domain, clock: o.Clock, log: log, cancel: cancel, updated: make(chan struct{})}
	s.done.Go(func() { run(ctx, s) })
	return s, nil
}

// Close ends the watch and waits for it. The identity held stays usable until it expires. Close may be called twice.
func (s *Source) Close() error {
	s.cancel()
	s.done.Wait()
	return nil
}

// WaitReady waits until there is an identity, or until ctx ends; then its error says what failed last.
func (s *Source) WaitReady(ctx context.Context) error {
	for {
		updated := s.Updated()
		if _, err := s.current(); err == nil {
			return nil
		}
		select {
		case <-updated:
		case <-ctx.Done():
			if cause := s.Err(); cause != nil {
				return fmt.Errorf("identity: waiting for %s: %w: %w", s.from, ctx.Err(), cause)
			}
			return fmt.Errorf("identity: waiting for %s: %w", s.from, ctx.Err())
		}
	}
}

// ID returns the own identity, or an error that wraps ErrNotReady.
func (s *Source) ID() (ID, error) {
	m, err := s.current()
	if err != nil {
		return ID{}, err
	}
	return m.id, nil
}

// NotAfter returns when the own SVID, or the first of its intermediates, expires; the zero time before there is one.
func (s *Source) NotAfter() time.Time {
	m, err := s.current()
	if err != nil {
		return time.Time{}
	}
	return m.notAfter
}

// Updated returns a channel that is closed when the SVID or the authorities next change. Ask for
// it before looking at the source, and again after each change.
func (s *Source) Updated() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.updated
}

// Err returns why the source could not be refreshed last, or nil when it could.
func (s *Source) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cause
}

func (s *Source) current() (*material, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held != nil {
		return s.held, nil
	}
	if s.cause != nil {
		return nil, fmt.Errorf("identity: %s: %w: %w", s.from, ErrNotReady, s.cause)
	}
	return nil, fmt.Errorf("identity: %s: %w", s.from, ErrNotReady)
}

// set takes new material into use and wakes whoever waits for it.
func (s *Source) set(svid *x509svid.SVID, bundle *x509bundle.Bundle) error {
	m, err := newMaterial(s.domain, svid, bundle)
	if err != nil {
		return err
	}
	s.mu.Lock()
	same := s.held != nil && bytes.Equal(s.held.cert.Leaf.Raw, m.cert.Leaf.Raw) && s.held.bundle.Equal(m.bundle)
	s.held, s.cause = m, nil
	if same { // an agent that comes back repeats itself; nobody needs to reconnect for that
		s.mu.Unlock()
		return nil
	}
	close(s.updated)
	s.updated = make(chan struct{})
	s.mu.Unlock()
	s.log.Info("identity in use", "id", m.id.String(), "not_after", m.notAfter)
	return nil
}

// fail records why the source could not be refreshed, and logs it when it is news.
func (s *Source) fail(err error) {
	s.mu.Lock()
	news := s.cause == nil || s.cause.Error() != err.Error()
	s.cause = err
	s.mu.Unlock()
	if news {
		s.log.Warn("identity could not be refreshed", "from", s.from, "err", err)
	}
}

// succeed clears the cause of a failure that is over.
func (s *Source) succeed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cause = nil
}

func newMaterial(domain spiffeid.TrustDomain, svid *x509svid.SVID, bundle *x509bundle.Bundle) (*material, error) {
	id, err := ParseID(svid.ID.String())
	if err != nil {
		return nil, err
	}
	if id.TrustDomain != domain.Name() {
		return nil, fmt.Errorf("%w: %s is of another trust domain than %s", ErrID, id, domain.Name())
	}
	if bundle == nil || bundle.Empty() {
		return nil, fmt.Errorf("the bundle of trust domain %s has no authority", domain.Name())
	}
	cert := &tls.Certificate{PrivateKey: svid.PrivateKey, Leaf: svid.Certificates[0]}
	for _, c := range svid.Certificates {
		cert.Certificate = append(cert.Certificate, c.Raw)
	}
	return &material{id: id, cert: cert, notAfter: earliestEnd(svid.Certificates), bundle: bundle}, nil
}

// earliestEnd returns the first NotAfter of a chain, which ends all of it.
func earliestEnd(chain []*x509.Certificate) time.Time {
	var end time.Time
	for _, c := range chain {
		if end.IsZero() || c.NotAfter.Before(end) {
			end = c.NotAfter
		}
	}
	return end
}
