package gateway

import (
	"context"
	"crypto/tls"
	"time"

	"github.com/courtside-edge/courtside/firmware/diag"
	"github.com/courtside-edge/courtside/firmware/slot"
	"github.com/courtside-edge/courtside/firmware/update"
	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/wire"
)

var _ diag.Updater = (*Gateway)(nil)

// Image is what a gateway needs to update the image that it runs on. The zero Image is that of a machine that is none.
type Image struct {
	Machine   func() slot.Machine // read anew at each use
	Installer slot.Installer
	Wires     func() slot.Wires // the network's interfaces
	Reboot    string            // the file that asks for a reboot; update.RebootFile unless given
}

// openUpdates makes what installs updates.
func (g *Gateway) openUpdates(ctx context.Context) {
	o := update.Options{Machine: g.d.Image.Machine, Installer: g.d.Image.Installer, Calendar: g.c.Updates.Events, Dir: g.c.DataDir, Now: g.moment, Seen: g.seen,
		Fetch: update.Fetch{RateLimit: g.c.Updates.RateLimit}, Reboot: g.d.Image.Reboot, Log: g.log}
	if o.Machine == nil || o.Installer == nil {
		o.Machine = func() slot.Machine { return slot.Machine{} }
	}
	if g.identity != nil {
		o.TLS = func() *tls.Config { return g.identity.ClientTLS(identity.Aggregator) }
	}
	g.updates = update.New(ctx, o)
}

// moment is the time as updates and events need it.
func (g *Gateway) moment() slot.Moment {
	now, known := g.now()
	return slot.Moment{Wall: now, Known: known, Boot: g.clock.Map().Boot.String(), Mono: time.Duration(g.clock.Mono())}
}

// seen is what the gateway sees now, as evidence for its version.
func (g *Gateway) seen() (s slot.Seen) {
	st := g.Status()
	s.Link, s.Healthy = st.Link.State == "up", len(st.Problems) == 0
	for _, d := range st.Devices {
		if d.State == "up" {
			s.Devices = append(s.Devices, d.Device)
		}
	}
	if g.d.Image.Wires != nil {
		w := g.d.Image.Wires()
		s.Interfaces, s.Carriers = w.Interfaces, w.Carriers
	}
	return s
}

// updating is the update in short, nil for a machine that has nothing to do with updates and events.
func (g *Gateway) updating() *diag.Updating {
	b := g.updates.Brief()
	if b.Slot == "" && b.Event == nil && len(b.Refused) == 0 {
		return nil
	}
	return &b
}

// Update implements diag.Updater.
func (g *Gateway) Update(ctx context.Context) diag.Update { return g.updates.Update(ctx) }

// InstallUpdate implements diag.Updater.
func (g *Gateway) InstallUpdate(ctx context.Context, r diag.InstallRequest) (diag.Install, error) {
	return g.updates.InstallUpdate(ctx, r)
}

// orderUpdate takes the aggregator's order.
func (g *Gateway) orderUpdate(o wire.UpdateOrder) error {
	return g.updates.Order(diag.InstallRequest{Source: o.URL, Force: o.Force, Reboot: o.Reboot}, o.Version)
}

// Reboot implements diag.Updater.
func (g *Gateway) Reboot(ctx context.Context, force bool) error { return g.updates.Reboot(ctx, force) }

// BeginEvent implements diag.Updater.
func (g *Gateway) BeginEvent(ctx context.Context, lasts time.Duration) (diag.Event, error) {
	return g.updates.BeginEvent(ctx, lasts)
}

// EndEvent implements diag.Updater.
func (g *Gateway) EndEvent(ctx context.Context) (*diag.Event, error) { return g.updates.EndEvent(ctx) }
