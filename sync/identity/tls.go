package identity

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
)

// ErrPeer is what a refused peer wraps.
var ErrPeer = errors.New("the peer is not authorised")

// Peer says which peers may speak: a Role (everybody in it) or an ID (exactly that one).
type Peer interface{ admits(ID) bool }

func (r Role) admits(id ID) bool  { return id.Role == r }
func (id ID) admits(peer ID) bool { return id == peer }

// ClientTLS returns a configuration for dialling a server that is one of peers, of the own trust domain. Without
// peers nobody is. For a broker that is not the aggregator's own, Broker is the role. Host names are not judged: the SPIFFE
// ID is. The configuration may be cloned, but must not be given a ClientSessionCache.
func (s *Source) ClientTLS(peers ...Peer) *tls.Config {
	return &tls.Config{
		MinVersion:           tls.VersionTLS13,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return s.certificate() },
		InsecureSkipVerify:   true, // VerifyConnection does it; host names mean nothing here
		VerifyConnection:     s.verifier(peers),
	}
}

// ServerTLS returns a configuration for serving clients that are one of peers, of the own trust domain. Without peers nobody is.
func (s *Source) ServerTLS(peers ...Peer) *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		GetCertificate:         func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.certificate() },
		ClientAuth:             tls.RequireAnyClientCert, // VerifyConnection judges it
		VerifyConnection:       s.verifier(peers),
		SessionTicketsDisabled: true,
	}
}

// PeerID returns whom a connection was made with. It is verified when the connection's configuration came from this package.
func PeerID(state tls.ConnectionState) (ID, error) {
	if len(state.PeerCertificates) == 0 {
		return ID{}, fmt.Errorf("%w: it showed no certificate", ErrPeer)
	}
	return idOf(state.PeerCertificates[0])
}

// idOf returns the identity that a certificate names.
func idOf(c *x509.Certificate) (ID, error) {
	id, err := x509svid.IDFromCert(c)
	if err != nil {
		return ID{}, fmt.Errorf("%w: %w", ErrPeer, err)
	}
	return ParseID(id.String())
}

// PeerNotAfter returns when the peer's SVID, or the first of its intermediates, expires; the zero time without one.
func PeerNotAfter(state tls.ConnectionState) time.Time { return earliestEnd(state.PeerCertificates) }

// certificate returns the own SVID for a handshake.
func (s *Source) certificate() (*tls.Certificate, error) {
	m, err := s.current()
	if err != nil {
		return nil, err
	}
	if now := s.clock.now(); !now.Before(m.notAfter) {
		return nil, fmt.Errorf("identity: %w: %s was valid until %s, and it is %s or later", ErrExpired, m.id, m.notAfter.UTC(), now.UTC().Truncate(time.Second))
	}
	return m.cert, nil
}

// verifier judges a peer at each handshake; unlike VerifyPeerCertificate it would run on resumed sessions too.
func (s *Source) verifier(peers []Peer) func(tls.ConnectionState) error {
	peers = slices.Clone(peers)
	return func(state tls.ConnectionState) error {
		m, err := s.current()
		if err != nil {
			return err
		}
		return verifyPeer(s.domain, m.bundle, s.clock, state, peers)
	}
}

// verifyPeer judges a peer by a bundle and a clock.
func verifyPeer(domain spiffeid.TrustDomain, bundle *x509bundle.Bundle, c Clock, state tls.ConnectionState, peers []Peer) error {
	if len(state.PeerCertificates) == 0 {
		return fmt.Errorf("identity: %w: it showed no certificate", ErrPeer)
	}
	if err := verifyChain(bundle, c, state.PeerCertificates); err != nil {
		return fmt.Errorf("identity: %w: %w", ErrPeer, err)
	}
	id, err := PeerID(state)
	if err != nil {
		return fmt.Errorf("identity: %w", err)
	}
	if id.TrustDomain != domain.Name() || !slices.ContainsFunc(peers, func(p Peer) bool { return p.admits(id) }) {
		return fmt.Errorf("identity: %w: %s is not one of those expected here", ErrPeer, id)
	}
	return nil
}

// verifyChain verifies a peer's chain at the time that counts. While the clock is not to be trusted the
// chain's own beginning is proof enough that this time has come, so that NotBefore never refuses.
func verifyChain(bundle *x509bundle.Bundle, c Clock, chain []*x509.Certificate) error {
	at := c.now()
	_, _, err := x509svid.Verify(chain, bundle, x509svid.WithTime(at))
	if err == nil || c.synchronised() {
		return err
	}
	for _, begin := range beginnings(chain, bundle.X509Authorities()) {
		if !begin.After(at) {
			continue
		}
		if _, _, later := x509svid.Verify(chain, bundle, x509svid.WithTime(begin)); later == nil {
			return nil
		}
	}
	return err
}

// beginnings returns the times at which the certificates become valid, in order.
func beginnings(lists ...[]*x509.Certificate) []time.Time {
	var times []time.Time
	for _, list := range lists {
		for _, c := range list {
			times = append(times, c.NotBefore)
		}
	}
	slices.SortFunc(times, time.Time.Compare)
	return times
}
