package ingest

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// Signatures judges the signatures of batches. It is safe for concurrent use.
type Signatures interface {
	// Learn takes in a chain of certificates in DER that a gateway announced.
	Learn(venue, gateway point.ID, chain [][]byte) error
	// Verify reports why a signature of digest by key is not that gateway's.
	Verify(venue, gateway point.ID, key [16]byte, digest [32]byte, signature []byte) error
}

var errUnsigned = errors.New("it has no signature, and require_signed_batches is set")

// vouched reports why a batch is refused for its signature, with the reason's label; nil for one whose signature is right, and for one
// without where none is required. Whoever does not judge signatures overlooks them.
func (in *Ingest) vouched(t wire.Topic, payload []byte) (reason string, err error) {
	if in.o.Signatures == nil {
		return "", nil
	}
	body, trailer, signed, err := wire.SplitTrailer(payload)
	switch {
	case err != nil:
		return wire.Reason(err), err
	case !signed && in.o.RequireSigned:
		return "unsigned", errUnsigned
	case !signed:
		return "", nil
	}
	topic := wire.GatewayTopic(t.Venue, t.Gateway, t.Channel)
	if err := in.o.Signatures.Verify(t.Venue, t.Gateway, trailer.Key, wire.SigningDigest(topic, body), trailer.Signature); err != nil {
		return "signature", fmt.Errorf("the batch's signature: %w", err)
	}
	return "", nil
}

// learn takes in the chains that a birth announces.
func (in *Ingest) learn(t wire.Topic, status []byte) {
	if in.o.Signatures == nil {
		return
	}
	var s wire.Status
	if err := json.Unmarshal(status, &s); err != nil || s.State != "birth" || len(s.Chains) == 0 {
		return // the venue judges statuses
	}
	err := wire.CheckChains(s.Chains)
	for _, c := range s.Chains {
		if err == nil {
			err = in.o.Signatures.Learn(t.Venue, t.Gateway, c)
		}
	}
	if err != nil {
		in.refuse(t, "chain", fmt.Errorf("the chain of the gateway's key: %w", err))
	}
}
