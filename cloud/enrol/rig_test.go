package enrol

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/join"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const domain = "courtside.test"

var north, south = Name{"dal-001", "gw-north"}, Name{"dal-001", "gw-south"}

// rig is a desk with a clock that the test moves.
type rig struct {
	*testing.T
	o    Options
	d    *Desk
	log  bytes.Buffer
	mu   sync.Mutex
	at   time.Time
	gone map[Name]bool // taken from the configuration
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{T: t, at: time.Now(), gone: map[Name]bool{}}
	a, err := identity.NewAuthority(domain, r.at.Add(-time.Hour), 365*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	r.o = Options{Dir: filepath.Join(t.TempDir(), "enrol"), Authority: a, Address: "cloud.example:8885", Life: time.Hour, Grace: 24 * time.Hour, Now: r.now,
		Log: slog.New(slog.NewTextHandler(&r.log, nil)), Granted: func(n Name) error {
			if n.Venue != "dal-001" || r.gone[n] {
				return fmt.Errorf("the configuration has no gateway %s", n)
			}
			return nil
		}}
	r.restart()
	return r
}

func (r *rig) now() time.Time { r.mu.Lock(); defer r.mu.Unlock(); return r.at }

func (r *rig) pass(d time.Duration) { r.mu.Lock(); defer r.mu.Unlock(); r.at = r.at.Add(d) }

// restart opens the desk again on what is on disk.
func (r *rig) restart() {
	r.Helper()
	d, err := Open(r.o)
	if err != nil {
		r.Fatal(err)
	}
	r.d = d
}

func (r *rig) token(n Name) join.Token {
	r.Helper()
	line, _, err := r.d.Create(n, DefaultValidity)
	if err != nil {
		r.Fatal(err)
	}
	t, err := join.Parse(line)
	if err != nil {
		r.Fatal(err)
	}
	return t
}

func (r *rig) key() *ecdsa.PrivateKey {
	r.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		r.Fatal(err)
	}
	return key
}

func (r *rig) csr(key crypto.Signer, template x509.CertificateRequest) []byte {
	r.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &template, key)
	if err != nil {
		r.Fatal(err)
	}
	return der
}

func (r *rig) ask(t join.Token, key crypto.Signer) (join.Answer, error) {
	r.Helper()
	return r.d.enrol(join.Enrol{Gateway: Name{t.Venue, t.Gateway}.String(), Secret: t.Secret[:], CSR: r.csr(key, x509.CertificateRequest{})}, "192.0.2.1:1")
}

// enrol wants an SVID for the token.
func (r *rig) enrol(t join.Token, key crypto.Signer) []*x509.Certificate {
	r.Helper()
	a, err := r.ask(t, key)
	if err != nil {
		r.Fatal(err)
	}
	return r.chain(a, Name{t.Venue, t.Gateway}, key)
}

// chain wants the answer to be the gateway's SVID.
func (r *rig) chain(a join.Answer, n Name, key crypto.Signer) []*x509.Certificate {
	r.Helper()
	id := identity.ID{TrustDomain: domain, Role: identity.Gateway, Venue: n.Venue, Name: n.Gateway}
	if err := (identity.Issued{Chain: a.SVID, Bundle: a.Bundle}).Check(id, key.Public()); err != nil {
		r.Fatal(err)
	}
	c, err := x509.ParseCertificate(a.SVID[0])
	if err != nil {
		r.Fatal(err)
	}
	if a.Address != r.o.Address || c.NotAfter.Sub(r.now()) > r.o.Life+time.Minute {
		r.Errorf("answer %s, valid until %s", a.Address, c.NotAfter)
	}
	return []*x509.Certificate{c}
}

func (r *rig) renew(chain []*x509.Certificate, key crypto.Signer) (join.Answer, error) {
	r.Helper()
	return r.d.renew(chain, join.Renew{CSR: r.csr(key, x509.CertificateRequest{})}, "192.0.2.1:1")
}

// refused wants err to be a refusal for this reason.
func (r *rig) refused(what string, err error, reason join.Reason) {
	r.Helper()
	var no *refusal
	if !errors.As(err, &no) || no.reason != reason {
		r.Errorf("%s: %v, want %s", what, err, reason)
	}
}
