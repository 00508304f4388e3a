package identity

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
)

// MarshalKey returns a private key as PEM, PKCS #8.
func MarshalKey(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("writing a key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// ParseKey reads what MarshalKey wrote, if CheckKey takes it.
func ParseKey(content []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(content)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, errors.New("reading a key: it is no PKCS #8 key in PEM")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("reading a key: %w", err)
	}
	key, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("reading a key: %w: %T", ErrKey, parsed)
	}
	return key, CheckKey(key.Public())
}

// MarshalCerts returns certificates in DER as PEM.
func MarshalCerts(certs [][]byte) (out []byte) {
	for _, der := range certs {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return out
}

// CheckKey returns why a key is not for an SVID, wrapping ErrKey: ECDSA on P-256 or P-384, and Ed25519 are.
func CheckKey(key crypto.PublicKey) error {
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() || k.Curve == elliptic.P384() {
			return nil
		}
		return fmt.Errorf("%w: ECDSA on %s; P-256, P-384 and Ed25519 are taken", ErrKey, k.Curve.Params().Name)
	case ed25519.PublicKey:
		return nil
	}
	return fmt.Errorf("%w: %T; ECDSA on P-256 or P-384, and Ed25519 are taken", ErrKey, key)
}

// RequestKey returns the key of a PKCS #10 request in DER, whose owner has signed it. Whatever else the request names is not looked at. A key that
// CheckKey refuses, or a signature that is not by it, wraps ErrKey.
func RequestKey(csr []byte) (crypto.PublicKey, error) {
	r, err := x509.ParseCertificateRequest(csr)
	if err != nil {
		return nil, fmt.Errorf("reading a certificate request: %w", err)
	}
	if err := CheckKey(r.PublicKey); err != nil {
		return nil, err
	}
	if err := r.CheckSignature(); err != nil {
		return nil, fmt.Errorf("%w: the request is not signed by it: %w", ErrKey, err)
	}
	return r.PublicKey, nil
}

// KeyHash returns the SHA-256 of a public key's SubjectPublicKeyInfo, which tells keys apart.
func KeyHash(key crypto.PublicKey) ([sha256.Size]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return [sha256.Size]byte{}, fmt.Errorf("%w: %w", ErrKey, err)
	}
	return sha256.Sum256(der), nil
}

// Lapsed says how an SVID stands that asks for its renewal.
type Lapsed struct {
	ID     ID
	Issued time.Time     // to the second
	Ago    time.Duration // since its end; negative before it
}

// Judge returns whose chain this is, as the authority's own issue, however long ago it expired: its owner showed it in a handshake, which
// proved that the key is there. It refuses what another authority made, and what is not valid yet. Errors wrap ErrPeer.
func (a *Authority) Judge(chain []*x509.Certificate, now time.Time) (Lapsed, error) {
	if len(chain) == 0 {
		return Lapsed{}, fmt.Errorf("%w: it showed no certificate", ErrPeer)
	}
	end := earliestEnd(chain)
	at := now
	if !at.Before(end) {
		at = end.Add(-time.Second) // a moment at which it was valid
	}
	if _, _, err := x509svid.Verify(chain, a.bundle, x509svid.WithTime(at)); err != nil {
		return Lapsed{}, fmt.Errorf("%w: %w", ErrPeer, err)
	}
	id, err := idOf(chain[0])
	if err != nil {
		return Lapsed{}, err
	}
	return Lapsed{ID: id, Issued: chain[0].NotBefore.Add(Backdate), Ago: now.Sub(end)}, nil
}

// Vouches returns why peers with SVIDs of the authority, and the owner of s, would not accept each other; nil when they would. ErrNotReady
// is wrapped before there is an SVID.
func (a *Authority) Vouches(s *Source) error {
	m, err := s.current()
	if err != nil {
		return err
	}
	if !m.bundle.HasX509Authority(a.cert) {
		return fmt.Errorf("identity: %w: the bundle of %s has not the authority that enrols gateways; add its certificate", ErrPeer, m.id)
	}
	chain, err := x509.ParseCertificates(bytes.Join(m.cert.Certificate, nil))
	if err == nil {
		_, _, err = x509svid.Verify(chain, a.bundle, x509svid.WithTime(m.notAfter.Add(-time.Second)))
	}
	if err != nil {
		return fmt.Errorf("identity: %w: gateways that enrol do not trust who issued %s; let the enrolling authority issue it, or add its issuer to authority_cert: %w", ErrPeer, m.id, err)
	}
	return nil
}

// EnrolTLS returns a configuration for serving peers that have no SVID yet, or one that has expired: a client's certificate is asked for, and for
// whoever serves to judge. The own chain ends with the authority's certificate, so that a peer that knows only its hash can verify it.
func (s *Source) EnrolTLS(a *Authority) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			own, err := s.certificate()
			if err != nil {
				return nil, err
			}
			c := *own
			c.Certificate = append(slices.Clone(own.Certificate), a.cert.Raw)
			return &c, nil
		},
		ClientAuth:             tls.RequestClientCert,
		SessionTicketsDisabled: true,
		NextProtos:             []string{"http/1.1"},
	}
}

// PinnedTLS returns a configuration for dialling the aggregator of a trust domain of which only the hash of its authority's certificate is
// known: the server's chain has to hold that certificate, and to be issued by it. Times are judged by c, as in ClientTLS.
func PinnedTLS(trustDomain string, authority [sha256.Size]byte, c Clock) (*tls.Config, error) {
	domain, err := spiffeid.TrustDomainFromString(trustDomain)
	if err != nil {
		return nil, fmt.Errorf("identity: trust domain %q: %w", trustDomain, err)
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		InsecureSkipVerify: true, // VerifyConnection does it
		NextProtos:         []string{"http/1.1"},
		VerifyConnection: func(state tls.ConnectionState) error {
			i := slices.IndexFunc(state.PeerCertificates, func(p *x509.Certificate) bool { return sha256.Sum256(p.Raw) == authority })
			if i < 1 { // the first is the server's own
				return fmt.Errorf("identity: %w: it does not show the authority that the token names", ErrPeer)
			}
			pinned := x509bundle.FromX509Authorities(domain, state.PeerCertificates[i:i+1])
			return verifyPeer(domain, pinned, c, state, []Peer{Aggregator})
		},
	}, nil
}

// RenewTLS is ClientTLS for dialling the aggregator to renew the own SVID, which is shown even when it has expired.
func (s *Source) RenewTLS() *tls.Config {
	t := s.ClientTLS(Aggregator)
	t.NextProtos = []string{"http/1.1"}
	t.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		m, err := s.current()
		if err != nil {
			return nil, err
		}
		return m.cert, nil
	}
	return t
}

// Life returns from when to when the own SVID is valid; zero times before there is one.
func (s *Source) Life() (begin, end time.Time) {
	m, err := s.current()
	if err != nil {
		return begin, end
	}
	return m.cert.Leaf.NotBefore, m.notAfter
}

// Issued is an SVID as it came from an authority, in DER.
type Issued struct{ Chain, Bundle [][]byte }

// Check returns why it is not the SVID of id with this key, issued by an authority of the bundle. When it is valid is not judged: the handshakes in which
// it is used do that.
func (i Issued) Check(id ID, key crypto.PublicKey) error {
	domain, err := spiffeid.TrustDomainFromString(id.TrustDomain)
	if err != nil {
		return fmt.Errorf("identity: trust domain %q: %w", id.TrustDomain, err)
	}
	chain, err := x509.ParseCertificates(bytes.Join(i.Chain, nil))
	if err != nil {
		return fmt.Errorf("identity: reading an SVID: %w", err)
	}
	bundle, err := x509bundle.ParseRaw(domain, bytes.Join(i.Bundle, nil))
	if err != nil {
		return fmt.Errorf("identity: reading a bundle: %w", err)
	}
	moment := Clock{Now: func() time.Time { return earliestEnd(chain).Add(-time.Second) }}
	if err := verifyPeer(domain, bundle, moment, tls.ConnectionState{PeerCertificates: chain}, []Peer{id}); err != nil {
		return err
	}
	if public, ok := chain[0].PublicKey.(interface{ Equal(crypto.PublicKey) bool }); !ok || !public.Equal(key) {
		return fmt.Errorf("identity: %w: the SVID is for another key", ErrKey)
	}
	return nil
}
