package aggregator

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/courtside-edge/courtside/cloud/api"
	"github.com/courtside-edge/courtside/cloud/ingest"
	"github.com/courtside-edge/courtside/sync/export"
	"github.com/courtside-edge/courtside/sync/identity"
)

// exportAhead is how far a gateway's clock may be ahead when it makes an export.
const exportAhead = 5 * time.Minute

// takeExport takes in what a gateway exported at most maxAge ago, on nothing but the chain of the key that signed it.
func (a *Aggregator) takeExport(ctx context.Context, file io.Reader, maxAge time.Duration) (out api.Imported, err error) {
	if n := a.reached.Load(); n < a.target {
		return out, fmt.Errorf("not yet: the log is being replayed, record %d of %d", n, a.target)
	}
	now := time.Now()
	got, err := a.ingest.Import(ctx, file, now, func(m export.Manifest) (ingest.Witness, error) {
		switch age := now.Sub(m.Made); {
		case age > maxAge:
			return nil, fmt.Errorf("the export was made at %s, %s ago; more than %s needs --max-age", m.Made.UTC().Format(time.RFC3339), age.Round(time.Second), maxAge)
		case age < -exportAhead:
			return nil, fmt.Errorf("the export was made at %s, which is yet to come: the clock of its gateway is wrong, or this one", m.Made.UTC().Format(time.RFC3339))
		}
		w, err := a.identity.Witness(m.Chain, m.Made, identity.ID{TrustDomain: a.c.Identity.TrustDomain, Role: identity.Gateway, Venue: m.Venue, Name: m.Gateway})
		if err != nil {
			return nil, err
		}
		return w, nil
	})
	a.d.Log.Info("an export was carried here", "venue", got.Gateway.Venue, "gateway", got.Gateway.Gateway, "made", got.Made, "batches", got.Batches,
		"duplicates", got.Duplicates, "tables", got.Tables, "refused", got.Refused, "err", err)
	return api.Imported{Venue: got.Gateway.Venue, Gateway: got.Gateway.Gateway, Made: got.Made, Batches: got.Batches, Duplicates: got.Duplicates, Tables: got.Tables,
		Refused: got.Refused, Reason: got.Reason}, err
}
