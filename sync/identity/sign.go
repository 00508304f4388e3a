package identity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Why a signature is refused. Every error of a Verifier wraps one of them, ErrPeer, ErrExpired or ErrNotReady.
var (
	// ErrKey is what a signature by a key wraps that nobody has shown the chain of, and a key that cannot sign.
	ErrKey = errors.New("the key is not known")
	// ErrSignature is what a signature wraps that the key did not make.
	ErrSignature = errors.New("the signature is wrong")
)

// Signer is one SVID that signs. It does not rotate: ask the source again when it has changed.
type Signer struct {
	ID       ID
	NotAfter time.Time
	Chain    [][]byte // certificates in DER, the SVID's first
	key      crypto.Signer
}

// Signer returns the own SVID as a signer. Keys are ECDSA or Ed25519; others are refused with ErrKey.
func (s *Source) Signer() (*Signer, error) {
	m, err := s.current()
	if err != nil {
		return nil, err
	}
	key, ok := m.cert.PrivateKey.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("identity: %w: %s has none that signs", ErrKey, m.id)
	}
	switch key.Public().(type) {
	case *ecdsa.PublicKey, ed25519.PublicKey:
	default:
		return nil, fmt.Errorf("identity: %w: %s has a %T; ECDSA and Ed25519 keys sign", ErrKey, m.id, key.Public())
	}
	return &Signer{ID: m.id, NotAfter: m.notAfter, Chain: m.cert.Certificate, key: key}, nil
}

// Key returns the id of the signer's key.
func (g *Signer) Key() [16]byte { return keyOf(g.Chain[0]) }

// keyOf returns the id of the key that a certificate in DER certifies, as wire.KeyIDOf does.
func keyOf(certificate []byte) [16]byte {
	sum := sha256.Sum256(certificate)
	return [16]byte(sum[:16])
}

// Sign returns the signature of a SHA-256 digest: ECDSA's in ASN.1, or Ed25519's of the digest's bytes.
func (g *Signer) Sign(digest [32]byte) ([]byte, error) {
	opts := crypto.SignerOpts(crypto.SHA256)
	if _, ed := g.key.Public().(ed25519.PublicKey); ed {
		opts = crypto.Hash(0)
	}
	sig, err := g.key.Sign(rand.Reader, digest[:], opts)
	if err != nil {
		return nil, fmt.Errorf("identity: signing as %s: %w", g.ID, err)
	}
	return sig, nil
}

// Proof is who made a signature.
type Proof struct {
	ID ID
	// NotBefore and NotAfter bound the life of the chain, and so every time at which the key may have signed.
	NotBefore, NotAfter time.Time
}

// recheck is how long a chain that was verified stands before it is verified again. Its end and a new bundle count at once.
const recheck = time.Minute

// Verifier knows the chains that signers have shown, by the hash of their first certificate. It is safe for concurrent use.
type Verifier struct {
	source *Source
	peers  []Peer
	max    int

	mu   sync.Mutex
	keys map[[16]byte]*signed
	uses uint64
}

// signed is one chain.
type signed struct {
	chain   []*x509.Certificate
	proof   Proof
	checked *material // the bundle that it was verified with
	until   time.Time
	used    uint64
}

// Verifier returns a verifier of signatures by peers, of the own trust domain; without peers nobody's count. It remembers max chains, the most
// recently used.
func (s *Source) Verifier(max int, peers ...Peer) *Verifier {
	return &Verifier{source: s, peers: slices.Clone(peers), max: max, keys: map[[16]byte]*signed{}}
}

// Learn takes in a chain in DER, if it is one of the trust domain's and of a peer; else it says why not.
func (v *Verifier) Learn(chain [][]byte) error {
	if len(chain) == 0 {
		return fmt.Errorf("identity: reading a signer's chain: %w: it is empty", ErrPeer)
	}
	key := keyOf(chain[0])
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.keys[key] != nil {
		return nil
	}
	k := &signed{}
	for _, der := range chain {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return fmt.Errorf("identity: reading a signer's chain: %w: %w", ErrPeer, err)
		}
		k.chain = append(k.chain, c)
		if c.NotBefore.After(k.proof.NotBefore) {
			k.proof.NotBefore = c.NotBefore
		}
	}
	k.proof.NotAfter = earliestEnd(k.chain)
	if err := v.check(k); err != nil {
		return err
	}
	for len(v.keys) >= max(v.max, 1) {
		v.forget()
	}
	v.uses++
	k.used = v.uses
	v.keys[key] = k
	return nil
}

// forget drops the chain that was not used for longest.
func (v *Verifier) forget() {
	var oldest [16]byte
	least := ^uint64(0)
	for key, k := range v.keys {
		if k.used < least {
			oldest, least = key, k.used
		}
	}
	delete(v.keys, oldest)
}

// check verifies a chain now, unless it was just verified with the same bundle.
func (v *Verifier) check(k *signed) error {
	m, err := v.source.current()
	if err != nil {
		return err
	}
	now := v.source.clock.now()
	if !now.Before(k.proof.NotAfter) {
		return fmt.Errorf("identity: verifying a signer: %w: valid until %s, and it is %s or later", ErrExpired, k.proof.NotAfter, now.UTC().Truncate(time.Second))
	}
	if k.checked == m && now.Before(k.until) {
		return nil
	}
	if err := verifyChain(m.bundle, v.source.clock, k.chain); err != nil {
		return fmt.Errorf("identity: verifying a signer: %w: %w", ErrPeer, err)
	}
	if k.proof.ID, err = idOf(k.chain[0]); err != nil {
		return fmt.Errorf("identity: verifying a signer: %w", err)
	}
	id := k.proof.ID
	if id.TrustDomain != v.source.domain.Name() || !slices.ContainsFunc(v.peers, func(p Peer) bool { return p.admits(id) }) {
		return fmt.Errorf("identity: verifying a signer: %w: %s is not one of those expected here", ErrPeer, id)
	}
	k.checked, k.until = m, now.Add(recheck)
	return nil
}

// Verify says who signed digest. The key's chain must have been learnt, and still be valid.
func (v *Verifier) Verify(key [16]byte, digest [32]byte, signature []byte) (Proof, error) {
	v.mu.Lock()
	k := v.keys[key]
	if k == nil {
		v.mu.Unlock()
		return Proof{}, fmt.Errorf("identity: verifying a signature: %w: %x", ErrKey, key)
	}
	v.uses++
	k.used = v.uses
	err := v.check(k)
	proof, public := k.proof, k.chain[0].PublicKey
	v.mu.Unlock()
	if err != nil {
		return Proof{}, err
	}
	if !signedBy(public, digest, signature) {
		return Proof{}, fmt.Errorf("identity: verifying a signature by %s: %w", proof.ID, ErrSignature)
	}
	return proof, nil
}
