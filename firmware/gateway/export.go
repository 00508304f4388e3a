package gateway

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"time"

	"github.com/courtside-edge/courtside/firmware/diag"
	"github.com/courtside-edge/courtside/sync/export"
	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/spool"
	"github.com/courtside-edge/courtside/sync/wire"
)

// Export implements diag.Gateway: it writes what the spool holds, signed by the SVID at hand. Everything stays in the spool until the cloud
// acknowledges it.
func (g *Gateway) Export(ctx context.Context, w io.Writer) (out diag.Export, err error) {
	if g.identity == nil {
		return out, fmt.Errorf("exporting the spool: %w: this gateway has no identity", diag.ErrRefused)
	}
	signer, err := g.identity.Signer()
	if err != nil {
		return out, fmt.Errorf("exporting the spool: %w: %w", diag.ErrRefused, err)
	}
	now, _ := g.now()
	if begin := notBefore(signer.Chain); now.Before(begin) {
		now = begin // a clock that was never set: an SVID is issued for the present
	}
	if !now.Before(signer.NotAfter) {
		return out, fmt.Errorf("exporting the spool: %w: %w: %s was valid until %s; renew it first, nobody takes the word of an SVID that has lapsed",
			diag.ErrRefused, identity.ErrExpired, signer.ID, signer.NotAfter.UTC().Format(time.RFC3339))
	}
	c, _ := g.configured()
	x := &exporter{g: g, venue: c.Venue, gateway: c.Gateway, sent: map[point.TableHash]bool{}, out: &out}
	m := export.Manifest{Venue: c.Venue, Gateway: c.Gateway, Made: now.UTC(), Version: g.d.Version, Chain: signer.Chain}
	x.w, err = export.NewWriter(w, m, func(topic string, body []byte) ([]byte, error) { return signer.Sign(wire.SigningDigest(topic, body)) })
	if err != nil {
		return out, err
	}
	out.Unread, err = g.keeper.Each(ctx, func(t spool.Taken) bool { x.add(t); return x.err == nil })
	if err == nil {
		err = x.err
	}
	if err != nil {
		return out, err
	}
	return out, x.w.Close()
}

// notBefore returns when a chain's SVID begins to be valid.
func notBefore(chain [][]byte) time.Time {
	c, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return time.Time{} // whoever verifies it says so
	}
	return c.NotBefore
}

// exporter writes batches, each table before the first batch that names it.
type exporter struct {
	g              *Gateway
	w              *export.Writer
	venue, gateway point.ID
	sent           map[point.TableHash]bool
	out            *diag.Export
	err            error
}

func (x *exporter) add(t spool.Taken) {
	if !x.sent[t.Table] {
		x.sent[t.Table] = true
		table, _ := x.g.keeper.Table(t.Table) // a batch whose table is not here waits in the cloud
		for part, b := range table.Parts {
			if x.err = x.w.Add(wire.TableTopic(x.venue, x.gateway, t.Table, part), b); x.err != nil {
				return
			}
		}
	}
	if x.err = x.w.Add(wire.GatewayTopic(x.venue, x.gateway, t.Channel), t.Frame); x.err == nil {
		x.out.Batches++
		x.out.Bytes += uint64(len(t.Frame))
	}
}
