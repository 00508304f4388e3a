package aggregator

import (
	"fmt"

	"github.com/courtside-edge/courtside/cloud/ingest"
	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/point"
)

// keysPerGateway is how many keys of one gateway are remembered: the one in use and those before it, which batches under way may have.
const keysPerGateway = 4

// signatures judges the batches' signatures by the aggregator's trust bundle. It implements ingest.Signatures; its maps are
// made at the start and only read later.
type signatures struct {
	verifiers map[ingest.Gateway]*identity.Verifier
}

// signatures returns the judge of what the configured gateways sign.
func (a *Aggregator) signatures() *signatures {
	s := &signatures{verifiers: map[ingest.Gateway]*identity.Verifier{}}
	for i := range a.c.Venues {
		v := &a.c.Venues[i]
		for _, g := range v.Gateways {
			id := identity.ID{TrustDomain: a.c.Identity.TrustDomain, Role: identity.Gateway, Venue: v.ID, Name: g.ID}
			s.verifiers[ingest.Gateway{Venue: v.ID, Gateway: g.ID}] = a.identity.Verifier(keysPerGateway, id)
		}
	}
	return s
}

func (s *signatures) of(venue, gateway point.ID) (*identity.Verifier, error) {
	v := s.verifiers[ingest.Gateway{Venue: venue, Gateway: gateway}]
	if v == nil {
		return nil, fmt.Errorf("gateway %s of venue %s is not configured", gateway, venue)
	}
	return v, nil
}

// Learn implements ingest.Signatures.
func (s *signatures) Learn(venue, gateway point.ID, chain [][]byte) error {
	v, err := s.of(venue, gateway)
	if err != nil {
		return err
	}
	return v.Learn(chain)
}

// Verify implements ingest.Signatures.
func (s *signatures) Verify(venue, gateway point.ID, key [16]byte, digest [32]byte, signature []byte) error {
	v, err := s.of(venue, gateway)
	if err != nil {
		return err
	}
	_, err = v.Verify(key, digest, signature)
	return err
}
