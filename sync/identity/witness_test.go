package identity_test

import (
	"crypto/sha256"
	"errors"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/identity/identitytest"
)

func TestAWitnessSignedWhileItsChainWasValid(t *testing.T) {
	ca, err := identitytest.NewAuthority("courtside.test", time.Now().Add(-72*time.Hour), 144*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	cloud := identitytest.Open(t, ca, ca.Aggregator())
	gateway := ca.Gateway("dal-001", "gw-north")
	began := time.Now().Add(-3 * time.Hour)
	g := signer(t, identitytest.OpenRequest(t, ca, identitytest.RequestFor(gateway, time.Now().Add(-time.Minute), time.Hour)))
	sig, err := g.Sign(digest)
	if err != nil {
		t.Fatal(err)
	}
	w, err := cloud.Witness(g.Chain, time.Now(), gateway)
	if err != nil || w.ID != gateway {
		t.Fatalf("%+v %v", w, err)
	}
	if err := w.Verify(digest, sig); err != nil {
		t.Error(err)
	}
	if err := w.Verify(sha256.Sum256([]byte("another")), sig); !errors.Is(err, identity.ErrSignature) {
		t.Errorf("over something else: %v", err)
	}
	for name, c := range map[string]struct {
		chain [][]byte
		at    time.Time
		peer  identity.Peer
		want  error
	}{
		"before it was issued":  {g.Chain, began, gateway, identity.ErrPeer},
		"after it expired":      {g.Chain, time.Now().Add(2 * time.Hour), gateway, identity.ErrExpired},
		"another gateway":       {g.Chain, time.Now(), ca.Gateway("dal-001", "gw-south"), identity.ErrPeer},
		"no chain":              {nil, time.Now(), gateway, identity.ErrPeer},
		"bytes that are none":   {[][]byte{{1}}, time.Now(), gateway, identity.ErrPeer},
		"of another authority":  {stranger(t, gateway), time.Now(), gateway, identity.ErrPeer},
		"a role that it is not": {g.Chain, time.Now(), identity.Aggregator, identity.ErrPeer},
	} {
		if _, err := cloud.Witness(c.chain, c.at, c.peer); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// TestAWitnessOutlivesItsSVID is what an export carried by hand needs.
func TestAWitnessOutlivesItsSVID(t *testing.T) {
	ca, err := identitytest.NewAuthority("courtside.test", time.Now().Add(-72*time.Hour), 144*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	gateway := ca.Gateway("dal-001", "gw-north")
	svid, err := ca.Issue(identitytest.RequestFor(gateway, time.Now().Add(-5*time.Hour), time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	cloud := identitytest.Open(t, ca, ca.Aggregator())
	if _, err := cloud.Witness([][]byte{svid.Cert}, time.Now().Add(-270*time.Minute), gateway); err != nil {
		t.Error(err)
	}
}

// stranger is a chain of another authority that claims the same name.
func stranger(t *testing.T, id identity.ID) [][]byte {
	other := identitytest.New(t, "courtside.test")
	return signer(t, identitytest.Open(t, other, id)).Chain
}
