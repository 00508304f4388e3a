package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/courtside-edge/courtside/firmware/uplink"
	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/mqtt"
	"github.com/courtside-edge/courtside/sync/wire"
)

// trust is what the gateway believes of a broker and what comes through it.
type trust struct {
	verifier *identity.Verifier // of the aggregator's keys
	probe    time.Duration      // how long a forbidden publish is listened for; negative for no probe
	sign     bool               // batches

	mu     sync.Mutex
	probed bool
	signer *identity.Signer // of the session at hand; nil when batches are not signed
}

// peer is a session that knows with whom it was made; mqtt.Session does.
type peer interface{ ConnectionState() tls.ConnectionState }

// admit tries once in the life of the process whether the broker delivers what it must not, before the gateway uses it.
func (t *trust) admit(ctx context.Context, o mqtt.Options, ack string) error {
	t.mu.Lock()
	done := t.probed || t.probe < 0
	t.mu.Unlock()
	if done {
		return nil
	}
	if err := mqtt.Probe(ctx, o, ack, t.probe, ack); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.probed = true
	return nil
}

// begin takes the key that signs the batches of a session.
func (t *trust) begin(source *identity.Source) error {
	if !t.sign {
		return nil
	}
	signer, err := source.Signer()
	if err != nil {
		return fmt.Errorf("uplink.sign_batches: %w", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.signer = signer
	return nil
}

// chains returns what others need to verify this session's batches; nil when they are not signed.
func (t *trust) chains() []wire.Chain {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.signer == nil {
		return nil
	}
	return []wire.Chain{t.signer.Chain}
}

var errNoSigner = errors.New("no session has begun")

// seal signs a batch.
func (t *trust) seal(topic string, frame []byte) ([]byte, error) {
	t.mu.Lock()
	signer := t.signer
	t.mu.Unlock()
	if signer == nil {
		return nil, errNoSigner
	}
	sig, err := signer.Sign(wire.SigningDigest(topic, frame))
	if err != nil {
		return nil, err
	}
	return wire.AppendTrailer(frame, wire.Trailer{Key: signer.Key(), Signature: sig}), nil
}

// judge returns who judges what comes down on s.
func (t *trust) judge(s uplink.Session) uplink.Judge {
	j := &judge{verifier: t.verifier}
	p, ok := s.(peer)
	if !ok {
		return j
	}
	state := p.ConnectionState()
	if id, err := identity.PeerID(state); err == nil && id.Role == identity.Aggregator {
		j.own = true
		j.life = uplink.Voucher{NotBefore: state.PeerCertificates[0].NotBefore, NotAfter: identity.PeerNotAfter(state)}
	}
	return j
}

// judge judges what comes down on one session. It implements uplink.Judge.
type judge struct {
	verifier *identity.Verifier
	own      bool           // the broker is the aggregator itself
	life     uplink.Voucher // of its SVID
}

// Learn implements uplink.Judge. Of several chains one that counts is enough: the others may have expired.
func (j *judge) Learn(status []byte) error {
	s, err := wire.DecodeCloudStatus(status)
	if err != nil || len(s.Chains) == 0 {
		return err
	}
	var refused []error
	for _, c := range s.Chains {
		if err := j.verifier.Learn(c); err != nil {
			refused = append(refused, err)
		}
	}
	if len(refused) < len(s.Chains) {
		return nil
	}
	return errors.Join(refused...)
}

// Verify implements uplink.Judge.
func (j *judge) Verify(topic string, payload []byte) (uplink.Voucher, error) {
	body, trailer, signed, err := wire.SplitTrailer(payload)
	switch {
	case j.own && (err != nil || !signed):
		return j.life, nil // what cannot be decoded is for the decoder to refuse
	case err != nil:
		return uplink.Voucher{}, err
	case !signed:
		return uplink.Voucher{}, uplink.ErrUnsigned
	}
	proof, err := j.verifier.Verify(trailer.Key, wire.SigningDigest(topic, body), trailer.Signature)
	if err != nil {
		return uplink.Voucher{}, err
	}
	return uplink.Voucher{Signed: true, NotBefore: proof.NotBefore, NotAfter: proof.NotAfter}, nil
}
