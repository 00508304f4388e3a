package identitytest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/courtside-edge/courtside/sync/identity"
)

// Backdate is how long before its issue a certificate becomes valid, for clocks that differ a little.
const Backdate = 10 * time.Second

// Authority issues SVIDs of one trust domain. It is immutable and safe for concurrent use.
type Authority struct {
	domain spiffeid.TrustDomain
	key    *ecdsa.PrivateKey
	cert   *x509.Certificate
}

// NewAuthority makes an authority with a new key, valid from begin, less Backdate, for life.
func NewAuthority(trustDomain string, begin time.Time, life time.Duration) (*Authority, error) {
	domain, err := spiffeid.TrustDomainFromString(trustDomain)
	if err != nil {
		return nil, fmt.Errorf("making an authority: trust domain %q: %w", trustDomain, err)
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
		SerialNumber:          serial,
		Subject:               pkix.Name{Organization: []string{"Courtside development"}, CommonName: domain.Name()},
		URIs:                  []*url.URL{domain.ID().URL()},
		NotBefore:             begin.Add(-Backdate),
		NotAfter:              begin.Add(life),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("making an authority: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("making an authority: %w", err)
	}
	return &Authority{domain: domain, key: key, cert: cert}, nil
}

// TrustDomain returns the trust domain's name.
func (a *Authority) TrustDomain() string { return a.domain.Name() }

// NotAfter returns when the authority itself expires.
func (a *Authority) NotAfter() time.Time { return a.cert.NotAfter }

// Bundle returns the authority's certificate as PEM.
func (a *Authority) Bundle() []byte { return encodePEM("CERTIFICATE", a.cert.Raw) }

// Marshal returns the authority's certificate and private key as PEM, for LoadAuthority.
func (a *Authority) Marshal() ([]byte, error) {
	key, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		return nil, fmt.Errorf("writing an authority's key: %w", err)
	}
	return append(a.Bundle(), encodePEM("PRIVATE KEY", key)...), nil
}

// LoadAuthority reads what Marshal wrote.
func LoadAuthority(content []byte) (*Authority, error) {
	block, rest := pem.Decode(content)
	keyBlock, _ := pem.Decode(rest)
	if block == nil || keyBlock == nil {
		return nil, errors.New("reading an authority: a certificate and a private key in PEM are wanted")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("reading an authority's certificate: %w", err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(keyBlock.Bytes)
	if err != nil {
		return nil, fmt.Errorf("reading an authority's key: %w", err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || !key.PublicKey.Equal(cert.PublicKey) || !cert.IsCA || len(cert.URIs) != 1 {
		return nil, errors.New("reading an authority: certificate and key do not make one")
	}
	domain, err := spiffeid.TrustDomainFromURI(cert.URIs[0])
	if err != nil {
		return nil, fmt.Errorf("reading an authority: %w", err)
	}
	return &Authority{domain: domain, key: key, cert: cert}, nil
}

// Request says what an SVID shall be like.
type Request struct {
	Path     string    // SPIFFE path, such as "/venue/dal-001/gateway/gw-north"
	DNSNames []string  // the first is the common name too
	Begin    time.Time // becomes valid Backdate before
	Life     time.Duration
	Key      crypto.Signer // nil for a new ECDSA P-256 key
}

// RequestFor returns the request for an identity of Courtside: with its common name, and for the
// roles that listen also "localhost", so that ordinary clients on the same machine accept the host name.
func RequestFor(id identity.ID, begin time.Time, life time.Duration) Request {
	r := Request{DNSNames: []string{id.CommonName()}, Begin: begin, Life: life}
	r.Path = id.String()[len("spiffe://")+len(id.TrustDomain):]
	if id.Role == identity.Aggregator || id.Role == identity.Broker {
		r.DNSNames = append(r.DNSNames, "localhost")
	}
	return r
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

// Issue returns a new SVID.
func (a *Authority) Issue(r Request) (SVID, error) {
	id, err := spiffeid.FromPath(a.domain, r.Path)
	if err != nil {
		return SVID{}, fmt.Errorf("issuing an SVID for %q: %w", r.Path, err)
	}
	key := r.Key
	if key == nil {
		if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return SVID{}, fmt.Errorf("issuing %s: %w", id, err)
		}
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return SVID{}, fmt.Errorf("issuing %s: %w", id, err)
	}
	serial, err := newSerial()
	if err != nil {
		return SVID{}, fmt.Errorf("issuing %s: %w", id, err)
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{Organization: []string{"Courtside development"}},
		URIs:         []*url.URL{id.URL()},
		DNSNames:     r.DNSNames,
		NotBefore:    r.Begin.Add(-Backdate),
		NotAfter:     r.Begin.Add(r.Life),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	if len(r.DNSNames) > 0 {
		template.Subject.CommonName = r.DNSNames[0]
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return SVID{}, fmt.Errorf("issuing %s: %w", id, err)
	}
	return SVID{SPIFFEID: id.String(), Cert: der, Key: keyDER, NotAfter: template.NotAfter}, nil
}

func newSerial() (*big.Int, error) {
	return rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
}

func encodePEM(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
