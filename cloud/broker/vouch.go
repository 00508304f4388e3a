package broker

import (
	"context"
	"fmt"
	"slices"

	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/mqtt"
	"github.com/courtside-edge/courtside/sync/wire"
)

// probeGateway is whose name a probe takes in vain; no venue may be called so.
const probeGateway = "courtside-probe"

// probe tries once in the life of the process whether the broker delivers a message of a gateway that the aggregator
// sent. It uses a connection of its own, because a broker may end it for that.
func (e *External) probe(ctx context.Context) error {
	if e.probed || e.options.Probe < 0 {
		return nil
	}
	topic := wire.GatewayTopic(probeGateway, probeGateway, wire.ReplyCh)
	o := mqtt.Options{URL: e.options.URL, ClientID: e.options.ClientID, TLS: e.options.TLS, Log: e.options.Log}
	every := identity.ID{Venue: "+", Name: "+"}
	if err := mqtt.Probe(ctx, o, topic, e.options.Probe, channelFilter(every, wire.ReplyCh)); err != nil {
		return err
	}
	e.probed = true
	return nil
}

// keys returns what signs on the next connection, and the chains to announce: its own and those before it, whose acks may
// still be under way.
func (e *External) keys() (*identity.Signer, []wire.Chain, error) {
	if e.options.Signer == nil {
		return nil, nil, nil
	}
	signer, err := e.options.Signer()
	if err != nil {
		return nil, nil, fmt.Errorf("broker: %w", err)
	}
	now := wire.Chain(signer.Chain)
	e.former = slices.DeleteFunc(e.former, func(c wire.Chain) bool { return c.Key() == now.Key() })
	chains := slices.Insert(e.former, 0, now)
	e.former = chains[:min(len(chains), wire.MaxChains)]
	return signer, slices.Clone(e.former), nil
}

// seal signs what goes down to a gateway: acks and commands.
func seal(signer *identity.Signer, topic string, payload []byte) ([]byte, error) {
	if signer == nil {
		return payload, nil
	}
	t, err := wire.ParseTopic(topic)
	if err != nil || !slices.Contains(downlinkChannels(), t.Channel) {
		return payload, nil
	}
	sig, err := signer.Sign(wire.SigningDigest(topic, payload))
	if err != nil {
		return nil, fmt.Errorf("broker: publishing to %s: %w", topic, err)
	}
	return wire.AppendTrailer(payload, wire.Trailer{Key: signer.Key(), Signature: sig}), nil
}
