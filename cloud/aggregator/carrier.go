package aggregator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/courtside-edge/courtside/cloud/broker"
	"github.com/courtside-edge/courtside/cloud/config"
	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/wire"
)

// Publish sends through whichever broker there is; ingest and the state topics hold the aggregator as their publisher,
// because the broker is made after them.
func (a *Aggregator) Publish(topic string, payload []byte, qos byte, retained bool) error {
	return a.broker.Publish(topic, payload, qos, retained)
}

// openIdentity starts the source that the configuration names.
func openIdentity(ctx context.Context, all *config.Config, a *identity.Authority, log *slog.Logger) (*identity.Source, error) {
	c := all.Identity
	o := identity.Options{TrustDomain: c.TrustDomain, WorkloadAPI: c.WorkloadAPI, CertFile: string(c.CertFile), KeyFile: string(c.KeyFile),
		BundleFile: string(c.BundleFile), Log: log}
	switch {
	case c.WorkloadAPI != "":
		return identity.OpenWorkload(ctx, o)
	case c.CertFile == "" && a != nil:
		return ownSVID(all, o, a)
	}
	return identity.OpenFiles(o)
}

// status is what the aggregator announces on courtside/1/cloud/status, with the chains of the keys that sign its acks; none when the broker
// is its own, whose TLS identity says as much.
func (a *Aggregator) status(state string, chains []wire.Chain) []byte {
	raw, err := json.Marshal(wire.CloudStatus{State: state, Incarnation: a.log.Incarnation(), Version: a.d.Version, At: time.Now().UTC(), Chains: chains})
	if err != nil {
		a.d.Log.Error("the cloud's status could not be written", "err", err)
	}
	return raw
}

// openBroker makes the embedded broker, or the way to the configured one.
func (a *Aggregator) openBroker(ctx context.Context) error {
	o := broker.Options{Log: a.d.Log, Birth: func() []byte { return a.status("up", nil) }, Death: a.status("down", nil), Admit: a.admit,
		Handler: func(m broker.Message) { a.ingest.Handle(m.Topic, m.Payload, m.Received) }}
	if a.c.Broker.URL != "" {
		b, err := broker.NewExternal(broker.ExternalOptions{Options: o, URL: a.c.Broker.URL, TLS: a.identity.ClientTLS(identity.Broker), Updated: a.identity.Updated,
			Signer: a.identity.Signer, Announce: func(chains []wire.Chain) []byte { return a.status("up", chains) }})
		if err != nil {
			return err
		}
		a.broker, a.brokerErr = b, b.Err
		return nil
	}
	b, err := broker.NewEmbedded(broker.EmbeddedOptions{Options: o, Listen: a.c.Broker.Listen, TLS: a.identity.ServerTLS(broker.EmbeddedPeers()...),
		Limits: broker.Limits{MaxClients: a.c.Broker.MaxClients}})
	if err != nil {
		return fmt.Errorf("broker.listen: %w", err)
	}
	a.broker, a.brokerAddr = b, b.Addr()
	return nil
}

// admit refuses gateways and subscribers of venues that the configuration does not name.
func (a *Aggregator) admit(id identity.ID) error {
	if id.Role == identity.Aggregator {
		return nil
	}
	for i := range a.c.Venues {
		v := &a.c.Venues[i]
		if v.ID != id.Venue {
			continue
		}
		if id.Role == identity.Subscriber {
			return nil
		}
		for _, g := range v.Gateways {
			if g.ID == id.Name {
				return nil
			}
		}
		return fmt.Errorf("venue %s has no gateway %s in the configuration", id.Venue, id.Name)
	}
	return fmt.Errorf("the configuration has no venue %s", id.Venue)
}

func (a *Aggregator) brokerStats() (clients int, refused map[string]uint64) {
	s := a.broker.Stats()
	return s.Clients, s.Refused
}

// brokerAway says why the broker is not used.
func (a *Aggregator) brokerAway() error {
	if a.brokerErr == nil {
		return errBrokerAway
	}
	if err := a.brokerErr(); err != nil {
		return fmt.Errorf("%w: %w", errBrokerAway, err)
	}
	return errBrokerAway
}

var errBrokerAway = errors.New("the broker is not reached")
