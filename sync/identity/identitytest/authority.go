package identitytest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/courtside-edge/courtside/sync/identity"
)

// Authority is the product's authority with its keys at hand. It is immutable and safe for concurrent use.
type Authority struct{ ca *identity.Authority }

// NewAuthority makes an authority with a new key, valid from begin, less identity.Backdate, for life.
func NewAuthority(trustDomain string, begin time.Time, life time.Duration) (*Authority, error) {
	ca, err := identity.NewAuthority(trustDomain, begin, life)
	if err != nil {
		return nil, err
	}
	return &Authority{ca}, nil
}

// TrustDomain returns the trust domain's name.
func (a *Authority) TrustDomain() string { return a.ca.TrustDomain() }

// NotAfter returns when the authority itself expires.
func (a *Authority) NotAfter() time.Time { return a.ca.NotAfter() }

// Bundle returns the authority's certificate as PEM.
func (a *Authority) Bundle() []byte { return encodePEM("CERTIFICATE", a.ca.Bundle()[0]) }

// Marshal returns the authority's certificate and private key as PEM, for LoadAuthority.
func (a *Authority) Marshal() ([]byte, error) {
	key, err := a.ca.MarshalKey()
	if err != nil {
		return nil, err
	}
	return append(a.Bundle(), key...), nil
}

// LoadAuthority reads what Marshal wrote.
func LoadAuthority(content []byte) (*Authority, error) {
	block, rest := pem.Decode(content)
	if block == nil {
		return nil, errors.New("reading an authority: a certificate and a private key in PEM are wanted")
	}
	ca, err := identity.ParseAuthority(pem.EncodeToMemory(block), rest)
	if err != nil {
		return nil, fmt.Errorf("reading an authority: %w", err)
	}
	return &Authority{ca}, nil
}

// Request says what an SVID shall be like.
type Request struct {
	ID    identity.ID
	Begin time.Time // becomes valid identity.Backdate before
	Life  time.Duration
	Key   crypto.Signer // nil for a new ECDSA P-256 key
}

// RequestFor returns the request for id with a key of its own.
func RequestFor(id identity.ID, begin time.Time, life time.Duration) Request {
	return Request{ID: id, Begin: begin, Life: life}
}

// SVID is an X.509-SVID with its private key, in DER.
type SVID struct {
	SPIFFEID  string
	Cert, Key []byte // certificate; PKCS #8
	NotAfter  time.Time
}

// CertPEM returns the certificate as PEM.
func (s SVID) CertPEM() []byte { return encodePEM("CERTIFICATE", s.Cert) }

// KeyPEM returns the private key as PEM.
func (s SVID) KeyPEM() []byte { return encodePEM("PRIVATE KEY", s.Key) }

// Issue returns a new SVID. Those of roles that listen are for "localhost", too, so that ordinary clients on the same machine accept the host name.
func (a *Authority) Issue(r Request) (SVID, error) {
	key := r.Key
	if key == nil {
		made, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return SVID{}, fmt.Errorf("issuing %s: %w", r.ID, err)
		}
		key = made
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return SVID{}, fmt.Errorf("issuing %s: %w", r.ID, err)
	}
	var names []string
	if r.ID.Role == identity.Aggregator || r.ID.Role == identity.Broker {
		names = append(names, "localhost")
	}
	der, err := a.ca.Issue(r.ID, key.Public(), r.Begin, r.Life, names...)
	if err != nil {
		return SVID{}, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return SVID{}, fmt.Errorf("issuing %s: %w", r.ID, err)
	}
	return SVID{SPIFFEID: r.ID.String(), Cert: der, Key: keyDER, NotAfter: cert.NotAfter}, nil
}

func encodePEM(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
