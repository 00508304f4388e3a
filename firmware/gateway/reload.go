package gateway

import (
	"context"
	"fmt"
	"slices"

	"github.com/courtside-edge/courtside/firmware/config"
	"github.com/courtside-edge/courtside/firmware/diag"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// Reload reads the configuration again and makes it the one in force. A file with faults, of another gateway, or with a device
// that its driver does not take changes nothing. Devices that are described as before go on on their connections; the others are stopped, and started as they are described now.
//
// When points came, went or changed, so did the point table: what was read before goes out under the table before, which stays in the
// spool as long as a batch names it, and what is read afterwards under the new one, from a batch border on.
func (g *Gateway) Reload(ctx context.Context) (diag.Reload, error) {
	out, err := g.reload(ctx)
	if err != nil {
		g.log.Error("the configuration was not reloaded", "err", err)
	}
	return out, err
}

func (g *Gateway) reload(ctx context.Context) (diag.Reload, error) {
	if g.d.Load == nil {
		return diag.Reload{}, fmt.Errorf("reloading: %w: %w", diag.ErrRefused, errNoReload)
	}
	next, err := g.d.Load()
	if err != nil {
		return diag.Reload{}, fmt.Errorf("reloading: %w, nothing has changed:\n%w", diag.ErrRefused, err)
	}
	return g.Use(ctx, next)
}

// Use makes next the configuration in force; see Reload.
func (g *Gateway) Use(ctx context.Context, next *config.Config) (diag.Reload, error) {
	g.changing.Lock()
	defer g.changing.Unlock()
	if ctx.Err() != nil {
		return diag.Reload{}, fmt.Errorf("reloading: %w", ctx.Err())
	}
	was, _ := g.configured()
	if err := sameGateway(was, next); err != nil {
		return diag.Reload{}, err
	}
	parts, hash, err := wire.EncodeTable(next.Table, was.Batch.MaxBytes)
	if err != nil {
		return diag.Reload{}, fmt.Errorf("reloading: %w: encoding the point table: %w", diag.ErrRefused, err)
	}
	ch, err := g.compare(was, next)
	if err != nil {
		return diag.Reload{}, fmt.Errorf("reloading: %w: %w", diag.ErrRefused, err)
	}
	ch.report.Table, ch.report.NewTable = hash.String(), hash.String() != g.tableHash
	ch.report.Waiting = waiting(was, next)
	inForce := *next // what waits for a start is not in force yet
	inForce.Identity, inForce.Uplink, inForce.Batch, inForce.Spool, inForce.Diag, inForce.Log, inForce.Trace = was.Identity, was.Uplink, was.Batch, was.Spool, was.Diag, was.Log, was.Trace
	inForce.Updates.RateLimit = was.Updates.RateLimit
	for _, m := range ch.leaving {
		m.end()
	}
	for _, m := range ch.retiring {
		m.worker.Retire() // under the table before, which knows its points
	}
	if err := g.switchTable(ch, &inForce, hash, parts); err != nil {
		return diag.Reload{}, err
	}
	g.crew.become(ch.members)
	g.updates.SetCalendar(next.Updates.Events)
	g.log.Info("configuration reloaded", "restarted", ch.report.Restarted, "added", ch.report.Added, "removed", ch.report.Removed,
		"kept", ch.report.Kept, "table", hash, "waiting", ch.report.Waiting)
	return ch.report, nil
}

// sameGateway refuses a configuration that only a start can take.
func sameGateway(was, next *config.Config) error {
	for _, c := range []struct{ what, was, is string }{
		{"venue", string(was.Venue), string(next.Venue)}, {"gateway", string(was.Gateway), string(next.Gateway)}, {"data_dir", was.DataDir, next.DataDir},
	} {
		if c.was != c.is {
			return fmt.Errorf("reloading: %w, nothing has changed: %s is %s here and %s in the file; another gateway needs a start of its own", diag.ErrRefused, c.what, c.was, c.is)
		}
	}
	return nil
}

// waiting names the settings that differ and take effect at the next start.
func waiting(was, next *config.Config) (keys []string) {
	for _, c := range []struct {
		key  string
		same bool
	}{
		{"identity", was.Identity == next.Identity}, {"uplink", was.Uplink == next.Uplink}, {"batch", was.Batch == next.Batch},
		{"spool", was.Spool == next.Spool}, {"diag", was.Diag == next.Diag}, {"log", was.Log == next.Log}, {"trace", was.Trace == next.Trace},
		{"updates.rate_limit", was.Updates.RateLimit == next.Updates.RateLimit},
	} {
		if !c.same {
			keys = append(keys, c.key)
		}
	}
	return keys
}

// change is what a new configuration asks for.
type change struct {
	report   diag.Reload
	members  []*member                  // the crew afterwards
	leaving  []*member                  // to be stopped
	retiring []*member                  // of leaving, those whose points nobody reads afterwards
	staying  map[*member]*config.Device // what goes on, as it is described now
}

// compare prepares what is new, so that a driver can refuse it before anything has changed.
func (g *Gateway) compare(was, next *config.Config) (*change, error) {
	ch := &change{staying: make(map[*member]*config.Device)}
	before := make(map[point.ID]*member)
	for _, m := range g.crew.list() {
		before[m.described().ID] = m
	}
	for i := range next.Devices {
		d := &next.Devices[i]
		old := before[d.ID]
		if old != nil && config.Same(was, old.described(), next, d) {
			ch.staying[old] = d
			ch.members = append(ch.members, old)
			ch.report.Kept++
			delete(before, d.ID)
			continue
		}
		if _, err := d.Prepare(g.clock, g.log); err != nil {
			return nil, fmt.Errorf("preparing device %s: %w", d.ID, err)
		}
		ch.members = append(ch.members, &member{device: d}) // enlisted once the one before has ended
		if old == nil {
			ch.report.Added = append(ch.report.Added, string(d.ID))
			continue
		}
		ch.report.Restarted = append(ch.report.Restarted, string(d.ID))
		ch.leaving = append(ch.leaving, old)
		if gone(was, old, next, d) {
			ch.retiring = append(ch.retiring, old)
		}
		delete(before, d.ID)
	}
	for id, old := range before {
		ch.report.Removed = append(ch.report.Removed, string(id))
		ch.leaving, ch.retiring = append(ch.leaving, old), append(ch.retiring, old)
	}
	slices.Sort(ch.report.Removed)
	return ch, nil
}

// gone reports whether a device has lost points.
func gone(was *config.Config, old *member, next *config.Config, d *config.Device) bool {
	now := make(map[point.Name]bool, len(d.Own))
	for _, i := range d.Own {
		now[next.Table[i].Name] = true
	}
	return slices.ContainsFunc(old.described().Own, func(i uint32) bool { return !now[was.Table[i].Name] })
}

// switchTable holds the workers that go on, moves them and the batcher to the new table, and makes the new workers.
func (g *Gateway) switchTable(ch *change, next *config.Config, hash point.TableHash, parts [][]byte) error {
	if ch.report.NewTable {
		var releases []func()
		for m := range ch.staying {
			f, release := m.worker.Hold()
			releases = append(releases, release)
			if err := f.Rebase(next.Table, ch.staying[m].Own); err != nil {
				panic(err) // config.Same compared every point
			}
		}
		g.keeper.UseTable(hash, parts)
		g.batcher.UseTable(next.Table, hash)
		for _, release := range releases {
			release()
		}
	}
	for m, d := range ch.staying {
		m.place.Lock()
		m.device, m.points = d, next.Table
		m.place.Unlock()
	}
	for i, m := range ch.members {
		if m.worker != nil {
			continue
		}
		made, err := g.enlist(m.device, next.Table)
		if err != nil { // compare has prepared the same device
			return fmt.Errorf("reloading: %w; the gateway runs without the device until it is started again", err)
		}
		ch.members[i] = made
	}
	g.state.Lock()
	g.c, g.tableHash = next, hash.String()
	g.state.Unlock()
	return nil
}
