package identity

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
)

// ErrAuthority is what files wrap that do not make an authority.
var ErrAuthority = errors.New("not an authority of a trust domain")

const (
	// Backdate is how long before its issue a certificate becomes valid, for clocks that differ a little.
	Backdate = time.Minute
	// maxCommonName is the longest common name that X.509 allows.
	maxCommonName = 64
)

// Authority issues the X.509-SVIDs of one trust domain. It is immutable and safe for concurrent use.
type Authority struct {
	domain spiffeid.TrustDomain
	key    crypto.Signer
	cert   *x509.Certificate
	bundle *x509bundle.Bundle // cert, and others that are trusted beside it
}

// NewAuthority makes a self-signed authority with a new key, valid from begin, less Backdate, for life.
func NewAuthority(trustDomain string, begin time.Time, life time.Duration) (*Authority, error) {
	domain, err := spiffeid.TrustDomainFromString(trustDomain)
	if err != nil {
		return nil, fmt.Errorf("making an authority: trust domain %q: %w; name it without a scheme, such as courtside.test", trustDomain, err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making an authority: %w", err)
	}
	serial, err := newSerial()
	if err != nil {
		return nil, fmt.Errorf("making an authority: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{Organization: []string{"Courtside"}, SerialNumber: serial.Text(16)}, URIs: []*url.URL{domain.ID().URL()},
		NotBefore: begin.Add(-Backdate), NotAfter: begin.Add(life), KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("making an authority: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("making an authority: %w", err)
	}
	return &Authority{domain, key, cert, x509bundle.FromX509Authorities(domain, []*x509.Certificate{cert})}, nil
}

// ParseAuthority reads an authority's certificate and key from PEM. Certificates after the first are trusted beside it, and handed out as
// part of the bundle: the next authority, or the one before. Its error wraps ErrAuthority.
func ParseAuthority(certPEM, keyPEM []byte) (*Authority, error) {
	var certs []*x509.Certificate
	for block, rest := pem.Decode(certPEM); block != nil; block, rest = pem.Decode(rest) {
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%w: its certificate: %w", ErrAuthority, err)
		}
		certs = append(certs, c)
	}
	block, _ := pem.Decode(keyPEM)
	if len(certs) == 0 || block == nil {
		return nil, fmt.Errorf("%w: a certificate and a PKCS #8 key in PEM are wanted", ErrAuthority)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%w: its key is not PKCS #8: %w", ErrAuthority, err)
	}
	key, ok := parsed.(crypto.Signer)
	if public, comparable := certs[0].PublicKey.(interface{ Equal(crypto.PublicKey) bool }); !ok || !comparable || !public.Equal(key.Public()) {
		return nil, fmt.Errorf("%w: the key is not the certificate's", ErrAuthority)
	}
	if !certs[0].IsCA || certs[0].KeyUsage&x509.KeyUsageCertSign == 0 || len(certs[0].URIs) != 1 {
		return nil, fmt.Errorf("%w: the certificate is not a CA's with the trust domain as its URI", ErrAuthority)
	}
	id, err := spiffeid.FromURI(certs[0].URIs[0])
	if err != nil || id.Path() != "" {
		return nil, fmt.Errorf("%w: its URI %s is no trust domain", ErrAuthority, certs[0].URIs[0])
	}
	return &Authority{id.TrustDomain(), key, certs[0], x509bundle.FromX509Authorities(id.TrustDomain(), certs)}, nil
}

// TrustDomain returns the trust domain's name.
func (a *Authority) TrustDomain() string { return a.domain.Name() }

// NotAfter returns when the authority itself expires, and with it everything that it issued.
func (a *Authority) NotAfter() time.Time { return a.cert.NotAfter }

// Hash returns the SHA-256 of the authority's certificate in DER, by which it is pinned.
func (a *Authority) Hash() [sha256.Size]byte { return sha256.Sum256(a.cert.Raw) }

// Bundle returns the certificates in DER that are to be trusted, the authority's own first.
func (a *Authority) Bundle() (all [][]byte) {
	all = append(all, a.cert.Raw)
	for _, c := range a.bundle.X509Authorities() {
		if !c.Equal(a.cert) {
			all = append(all, c.Raw)
		}
	}
	return all
}

// MarshalKey returns the authority's private key as PEM.
func (a *Authority) MarshalKey() ([]byte, error) { return MarshalKey(a.key) }

// Issue returns the certificate in DER of an SVID of id with this key, valid from begin, less Backdate, for life, and never beyond the authority's own
// end. Nothing in it comes from whoever asks but the key.
func (a *Authority) Issue(id ID, key crypto.PublicKey, begin time.Time, life time.Duration, names ...string) ([]byte, error) {
	sid, err := spiffeid.FromString(id.String())
	if err != nil || id.TrustDomain != a.domain.Name() {
		return nil, fmt.Errorf("issuing %s: it is not of trust domain %s", id, a.domain.Name())
	}
	end := begin.Add(life)
	if end.After(a.cert.NotAfter) {
		end = a.cert.NotAfter
	}
	if !begin.Before(end) {
		return nil, fmt.Errorf("issuing %s: the authority has expired at %s", id, a.cert.NotAfter)
	}
	serial, err := newSerial()
	if err != nil {
		return nil, fmt.Errorf("issuing %s: %w", id, err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{Organization: []string{"Courtside"}}, URIs: []*url.URL{sid.URL()}, DNSNames: append([]string{id.CommonName()}, names...),
		NotBefore: begin.Add(-Backdate), NotAfter: end, KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	if name := id.CommonName(); len(name) <= maxCommonName {
		template.Subject.CommonName = name
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key, a.key)
	if err != nil {
		return nil, fmt.Errorf("issuing %s: %w", id, err)
	}
	return der, nil
}

func newSerial() (*big.Int, error) {
	return rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
}

// lookAtLife is how often a source looks whether its SVID is to be renewed.
const lookAtLife = time.Minute

// OpenAuthority returns a source of id whose SVIDs the authority issues in this process, each for life and renewed at half of it, until Close. Its
// error is one of configuration.
func OpenAuthority(o Options, a *Authority, id ID, life time.Duration) (*Source, error) {
	if a.TrustDomain() != o.TrustDomain {
		return nil, fmt.Errorf("identity: the authority is of trust domain %s, not %s", a.TrustDomain(), o.TrustDomain)
	}
	issue := func(s *Source) error {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return err
		}
		der, err := a.Issue(id, &key.PublicKey, s.clock.now(), life, "localhost")
		if err != nil {
			return err
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return err
		}
		sid, err := x509svid.IDFromCert(cert)
		if err != nil {
			return err
		}
		return s.set(&x509svid.SVID{ID: sid, Certificates: []*x509.Certificate{cert}, PrivateKey: key}, a.bundle)
	}
	return open(context.Background(), o, "the authority of "+a.TrustDomain(), func(ctx context.Context, s *Source) {
		for {
			if _, end := s.Life(); end.Sub(s.clock.now()) <= life/2 { // by the clock that peers judge by, which may jump
				if err := issue(s); err != nil {
					s.fail(err)
				}
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(min(life/4, lookAtLife)):
			}
		}
	})
}
