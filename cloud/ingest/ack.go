package ingest

import (
	"context"
	"sort"
	"strconv"
	"time"

	"github.com/courtside-edge/courtside/cloud/log"
	"github.com/courtside-edge/courtside/sync/interval"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// Run sends acks as the log syncs, until ctx ends or the log fails.
func (in *Ingest) Run(ctx context.Context) error {
	for {
		in.pulse.Work()
		watch := in.o.Log.Watch()
		in.Settle()
		in.pulse.Rest()
		select {
		case <-ctx.Done():
			return nil
		case <-in.failed:
			return in.Err()
		case <-watch:
		}
	}
}

// Stuck returns an error when Run has been at one round of acks for longer than patience.
func (in *Ingest) Stuck(patience time.Duration) error { return in.pulse.Stuck("ingest", patience) }

// Settle acknowledges what the log has synced by now. Run does it whenever that moves.
func (in *Ingest) Settle() {
	synced := in.o.Log.Synced()
	acks := map[*gateway]*answer{}
	in.mu.Lock()
	n := sort.Search(len(in.pending), func(k int) bool { return in.pending[k].offset >= synced })
	for i := range in.pending[:n] {
		p := &in.pending[i]
		a := acks[p.gw]
		if a == nil {
			a = &answer{ranges: map[laneKey]*interval.Set{}}
			acks[p.gw] = a
		}
		in.settleOne(p, a)
	}
	rest := copy(in.pending, in.pending[n:])
	clear(in.pending[rest:])
	in.pending = in.pending[:rest]
	in.mu.Unlock()
	for gw, a := range acks {
		if ack, say := a.ack(); say {
			in.ack(gw, ack)
		}
	}
}

// settleOne moves one synced record into its gateway's answer. The caller holds the lock.
func (in *Ingest) settleOne(p *pending, a *answer) {
	switch p.kind {
	case log.Batch:
		p.gw.mark(p.batch, p.print)
		a.add(laneKey{p.batch.Epoch, p.batch.Lane}, interval.Interval{From: p.batch.Seq, To: p.batch.Seq + 1})
	case log.Table:
		if p.table != (point.TableHash{}) {
			p.gw.tables[p.table] = true
			a.tables = append(a.tables, p.table)
		}
	case log.Inventory:
		a.inventory = max(a.inventory, p.number)
		p.gw.forget(p.listed)
		for _, r := range p.ask {
			l := p.gw.lanes[laneKey{r.Epoch, r.Lane}]
			if l == nil {
				continue
			}
			asked := interval.FromIntervals(interval.Interval{From: r.From, To: r.To})
			for hole := range l.Missing(interval.Interval{From: r.From, To: r.To}) {
				asked.Remove(hole)
			}
			for held := range asked.All() {
				a.add(laneKey{r.Epoch, r.Lane}, held)
			}
		}
	}
}

// answer collects what one gateway is to be told.
type answer struct {
	ranges    map[laneKey]*interval.Set
	tables    []point.TableHash
	inventory uint64
}

func (a *answer) add(k laneKey, iv interval.Interval) {
	s := a.ranges[k]
	if s == nil {
		s = &interval.Set{}
		a.ranges[k] = s
	}
	s.Add(iv)
}

func (a *answer) ack() (wire.Ack, bool) {
	ack := wire.Ack{Tables: a.tables, Inventory: a.inventory}
	for k, s := range a.ranges {
		for iv := range s.All() {
			ack.Durable = append(ack.Durable, wire.Range{Epoch: k.epoch, Lane: k.lane, From: iv.From, To: iv.To})
		}
	}
	return ack, len(ack.Durable) > 0 || len(ack.Tables) > 0 || ack.Inventory != 0
}

// ack sends one ack. A lost one does no harm: what is not acked is sent again.
func (in *Ingest) ack(gw *gateway, a wire.Ack) {
	a.Incarnation, a.CloudTime, a.Credit = in.o.Log.Incarnation(), in.o.Now(), in.credit(gw)
	for _, r := range a.Durable {
		in.mu.Lock()
		in.stats.Acked += r.To - r.From
		in.mu.Unlock()
	}
	topic := wire.GatewayTopic(gw.key.Venue, gw.key.Gateway, wire.AckCh)
	if err := in.o.Publisher.Publish(topic, wire.EncodeAck(a), 0, false); err != nil {
		in.o.Logger.Debug("an ack could not be sent", "venue", gw.key.Venue, "gateway", gw.key.Gateway, "err", err)
	}
}

// credit returns what gw is to be told of the rate of its backlog.
func (in *Ingest) credit(gw *gateway) uint32 {
	if in.o.Reached == nil {
		return 0
	}
	_, next := in.o.Log.Bounds()
	in.credits.look(next, in.o.Reached(), in.backlogs.oldest(), in.o.Now())
	return in.credits.share(gw.key)
}

// Want asks a gateway for a point table, at most every five seconds for one table.
func (in *Ingest) Want(gw Gateway, hash point.TableHash) {
	in.command(want{gw: gw, hash: hash}, wantAgain, wire.Command{Kind: wire.TableWanted, Table: hash})
}

// Tell tells a gateway that what it sent is set aside, at most once a minute for one reason.
func (in *Ingest) Tell(gw Gateway, n wire.Notice) {
	in.command(want{gw: gw, told: n.Reason}, warnAgain, wire.Command{Kind: wire.SetAside, Notice: n})
}

// command sends a command, unless it was sent less than again ago.
func (in *Ingest) command(k want, again time.Duration, cmd wire.Command) {
	now := in.o.Now()
	in.mu.Lock()
	if now.Before(in.wanted[k]) {
		in.mu.Unlock()
		return
	}
	in.expireWants(now)
	in.wanted[k] = now.Add(again)
	in.commands++
	cmd.ID = strconv.FormatInt(now.UnixNano(), 36) + "-" + strconv.FormatUint(in.commands, 36)
	in.mu.Unlock()
	cmd.Expires = now.Add(commandLife)
	topic := wire.GatewayTopic(k.gw.Venue, k.gw.Gateway, wire.CommandCh)
	if err := in.o.Publisher.Publish(topic, wire.EncodeCommand(cmd), 1, false); err != nil {
		in.o.Logger.Debug("a command could not be sent", "venue", k.gw.Venue, "gateway", k.gw.Gateway, "command", cmd.Kind, "err", err)
	}
}

// expireWants keeps the list of wants short. The caller holds the lock.
func (in *Ingest) expireWants(now time.Time) {
	for k, until := range in.wanted {
		if !now.Before(until) {
			delete(in.wanted, k)
		}
	}
}
