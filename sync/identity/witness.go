package identity

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
)

// Witness is who signed something at a time that lies back: an export that was carried by hand outlives a short SVID.
type Witness struct {
	ID  ID
	key any
}

// Witness returns the owner of a chain in DER, if it was valid at that time, by the own trust bundle of today, and is one of peers, of the own trust
// domain. The chain does not prove the time: whoever takes the witness's word bounds how far back it may lie.
func (s *Source) Witness(chain [][]byte, at time.Time, peers ...Peer) (*Witness, error) {
	m, err := s.current()
	if err != nil {
		return nil, err
	}
	var all []*x509.Certificate
	for _, der := range chain {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("identity: reading a witness's chain: %w: %w", ErrPeer, err)
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("identity: reading a witness's chain: %w: it is empty", ErrPeer)
	}
	if end := earliestEnd(all); !at.Before(end) {
		return nil, fmt.Errorf("identity: verifying a witness: %w: valid until %s, and the time in question is %s", ErrExpired, end.UTC(), at.UTC())
	}
	if _, _, err := x509svid.Verify(all, m.bundle, x509svid.WithTime(at)); err != nil {
		return nil, fmt.Errorf("identity: verifying a witness: %w: %w", ErrPeer, err)
	}
	id, err := idOf(all[0])
	if err != nil {
		return nil, fmt.Errorf("identity: verifying a witness: %w", err)
	}
	if id.TrustDomain != s.domain.Name() || !slices.ContainsFunc(peers, func(p Peer) bool { return p.admits(id) }) {
		return nil, fmt.Errorf("identity: verifying a witness: %w: %s is not one of those expected here", ErrPeer, id)
	}
	return &Witness{ID: id, key: all[0].PublicKey}, nil
}

// Verify reports why a signature of digest is not the witness's.
func (w *Witness) Verify(digest [32]byte, signature []byte) error {
	if !signedBy(w.key, digest, signature) {
		return fmt.Errorf("identity: verifying a signature by %s: %w", w.ID, ErrSignature)
	}
	return nil
}

// signedBy reports whether the owner of a public key signed digest.
func signedBy(public any, digest [32]byte, signature []byte) bool {
	switch p := public.(type) {
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(p, digest[:], signature)
	case ed25519.PublicKey:
		return ed25519.Verify(p, digest[:], signature)
	}
	return false
}
