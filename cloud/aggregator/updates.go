package aggregator

import (
	"context"
	"net"

	"github.com/courtside-edge/courtside/cloud/update"
	"github.com/courtside-edge/courtside/sync/identity"
)

// openUpdates listens where gateways read updates, when that is configured.
func (a *Aggregator) openUpdates() (err error) {
	u := &a.c.Updates
	if u.Listen == "" {
		return nil
	}
	a.updates, err = update.New(update.Options{Listen: u.Listen, Dir: string(u.Dir), MaxClients: u.MaxClients, TLS: a.identity.ServerTLS(identity.Gateway), Log: a.d.Log})
	return err
}

// runUpdates serves updates until ctx ends.
func (a *Aggregator) runUpdates(ctx context.Context) {
	if a.updates != nil {
		a.group.Go(func() error { return a.updates.Run(ctx) })
	}
}

// UpdatesAddr returns where gateways read updates, nil for nowhere.
func (a *Aggregator) UpdatesAddr() net.Addr {
	if a.updates == nil {
		return nil
	}
	return a.updates.Addr()
}
