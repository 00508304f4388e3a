package aggregator

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"time"

	"github.com/courtside-edge/courtside/cloud/config"
	"github.com/courtside-edge/courtside/cloud/update"
	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// orderLife is how long a gateway obeys an order to update: orders are given to gateways that are connected.
const orderLife = 2 * time.Minute

// OrdersDir is where orders to update gateways are taken, below the aggregator's data directory.
func OrdersDir(c *config.Config) string { return filepath.Join(c.DataDir, "updates") }

// openUpdates listens where gateways read updates, and where orders to install them are given, when that is configured.
func (a *Aggregator) openUpdates() (err error) {
	u := &a.c.Updates
	if u.Listen == "" {
		return nil
	}
	if a.updates, err = update.New(update.Options{Listen: u.Listen, Dir: string(u.Dir), MaxClients: u.MaxClients, TLS: a.identity.ServerTLS(identity.Gateway), Log: a.d.Log}); err != nil {
		return err
	}
	if a.orders, err = update.ListenOrders(OrdersDir(a.c)); err != nil {
		a.d.Log.Warn("aggregator update will find nobody to tell", "err", err) // a path too long for a socket, for example
		err = nil
	}
	return err
}

// runUpdates serves updates and takes orders until ctx ends.
func (a *Aggregator) runUpdates(ctx context.Context) {
	if a.updates != nil {
		a.group.Go(func() error { return a.updates.Run(ctx) })
	}
	if a.orders != nil {
		a.group.Go(func() error { return update.ServeOrders(ctx, a.orders, a.order) })
	}
}

// closeUpdates closes what openUpdates opened.
func (a *Aggregator) closeUpdates() error {
	if a.orders != nil {
		_ = a.orders.Close() // closed already when orders were taken
	}
	if a.updates == nil {
		return nil
	}
	return a.updates.Close()
}

// UpdatesAddr returns where gateways read updates, nil for nowhere.
func (a *Aggregator) UpdatesAddr() net.Addr {
	if a.updates == nil {
		return nil
	}
	return a.updates.Addr()
}

// order tells a gateway to install an update. What comes of it the gateway replies, which ingest logs.
func (a *Aggregator) order(o update.Order) (p update.Placed, err error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return p, fmt.Errorf("%q is not the address of an update; write https://host:8884/name%s", o.URL, update.Suffix)
	}
	if err := a.connected(point.ID(o.Venue), point.ID(o.Gateway)); err != nil {
		return p, err
	}
	p = update.Placed{ID: "update-" + rand.Text(), Expires: time.Now().Add(orderLife).UTC().Truncate(time.Second)}
	c := wire.Command{ID: p.ID, Expires: p.Expires, Kind: wire.Update, Order: wire.UpdateOrder{URL: o.URL, Version: o.Version, Force: o.Force, Reboot: o.Reboot}}
	topic := wire.GatewayTopic(point.ID(o.Venue), point.ID(o.Gateway), wire.CommandCh)
	if err := a.Publish(topic, wire.EncodeCommand(c), 1, false); err != nil {
		return p, fmt.Errorf("the order could not be sent: %w", err)
	}
	a.d.Log.Info("a gateway is told to update", "venue", o.Venue, "gateway", o.Gateway, "url", o.URL, "version", o.Version, "forced", o.Force, "reboot", o.Reboot, "command", p.ID)
	return p, nil
}

// connected returns why a gateway cannot be told anything now, nil when it can.
func (a *Aggregator) connected(venue, gateway point.ID) error {
	v := a.venues[venue]
	if v == nil {
		return fmt.Errorf("the configuration has no venue %q", venue)
	}
	for _, g := range v.Gateways() {
		if g.Gateway != gateway {
			continue
		}
		if g.State != "birth" {
			return fmt.Errorf("gateway %s of venue %s is not connected; an order waits for nobody", gateway, venue)
		}
		return nil
	}
	return fmt.Errorf("venue %s has no gateway %q", venue, gateway)
}
