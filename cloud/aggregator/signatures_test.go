package aggregator

import (
	"errors"
	"testing"

	"github.com/courtside-edge/courtside/cloud/config"
	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/identity/identitytest"
	"github.com/courtside-edge/courtside/sync/point"
)

func TestSignaturesCountForTheirGatewayOnly(t *testing.T) {
	ca := identitytest.New(t, "courtside.test")
	a := &Aggregator{identity: identitytest.Open(t, ca, ca.Aggregator()), c: &config.Config{Identity: config.Identity{TrustDomain: "courtside.test"},
		Venues: []config.Venue{{ID: "dal-001", Gateways: []config.Gateway{{ID: "gw-north"}, {ID: "gw-south"}}}}}}
	s := a.signatures()
	north, err := identitytest.Open(t, ca, ca.Gateway("dal-001", "gw-north")).Signer()
	if err != nil {
		t.Fatal(err)
	}
	digest := [32]byte{1}
	sig, err := north.Sign(digest)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Learn("dal-001", "gw-north", north.Chain); err != nil {
		t.Fatal(err)
	}
	if err := s.Verify("dal-001", "gw-north", north.Key(), digest, sig); err != nil {
		t.Error(err)
	}
	if err := s.Learn("dal-001", "gw-south", north.Chain); !errors.Is(err, identity.ErrPeer) {
		t.Errorf("another gateway's chain was learnt: %v", err)
	}
	if err := s.Verify("dal-001", "gw-south", north.Key(), digest, sig); !errors.Is(err, identity.ErrKey) {
		t.Errorf("another gateway's signature counts: %v", err)
	}
	for _, unknown := range []struct{ venue, gateway point.ID }{{"dal-002", "gw-north"}, {"dal-001", "gw-west"}} {
		if s.Learn(unknown.venue, unknown.gateway, north.Chain) == nil || s.Verify(unknown.venue, unknown.gateway, north.Key(), digest, sig) == nil {
			t.Errorf("%v counts", unknown)
		}
	}
}
