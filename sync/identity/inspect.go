package identity

import (
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
)

// Papers is what an SVID says of its owner.
type Papers struct {
	ID        ID
	NotBefore time.Time // the latest of the chain
	NotAfter  time.Time // the earliest of the chain
}

// Inspect judges PEM files as OpenFiles would, and the chain against the authorities as a peer would, at a time at which the chain is valid:
// whether that time has come is for the caller to judge.
func Inspect(cert, key, bundle []byte) (Papers, error) {
	svid, err := x509svid.Parse(cert, key)
	if err != nil {
		return Papers{}, fmt.Errorf("certificate and key do not make an SVID: %w", err)
	}
	authorities, err := x509bundle.Parse(svid.ID.TrustDomain(), bundle)
	if err != nil {
		return Papers{}, fmt.Errorf("the bundle cannot be read: %w", err)
	}
	m, err := newMaterial(svid.ID.TrustDomain(), svid, authorities)
	if err != nil {
		return Papers{}, err
	}
	times := beginnings(svid.Certificates)
	p := Papers{ID: m.id, NotBefore: times[len(times)-1], NotAfter: m.notAfter}
	return p, verifiable(svid.Certificates, authorities, p.NotBefore)
}

// verifiable returns why a chain does not lead to an authority at any time.
func verifiable(chain []*x509.Certificate, bundle *x509bundle.Bundle, from time.Time) error {
	var last error
	for _, at := range append([]time.Time{from}, beginnings(bundle.X509Authorities())...) {
		if at.Before(from) {
			continue
		}
		if _, _, last = x509svid.Verify(chain, bundle, x509svid.WithTime(at)); last == nil {
			return nil
		}
	}
	return errors.Join(ErrChain, last)
}

// ErrChain is what an SVID that no authority of the bundle vouches for wraps.
var ErrChain = errors.New("no authority of the bundle vouches for the certificate")
