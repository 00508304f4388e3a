package spool_test

import (
	"testing"

	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/spool"
	"github.com/courtside-edge/courtside/sync/spool/spooltest"
	"github.com/courtside-edge/courtside/sync/wire"
)

// bench is a spool over stores in memory, with everything at hand that a scenario needs. Times are small numbers.
type bench struct {
	*testing.T
	o          spool.Options
	crit, tele *spooltest.Store
	sp         *spool.Spool
	now        int64
	draws      byte
}

func newBench(t *testing.T, change func(*spool.Options)) *bench {
	b := &bench{T: t, crit: spooltest.New(), tele: spooltest.New(), now: 1_000_000}
	b.o = spool.Options{Window: 10_000, SpillAfter: 500, Limit: 100_000, Retry: 100,
		Draw: func() point.Epoch { b.draws++; return point.Epoch{b.draws} }}
	if change != nil {
		change(&b.o)
	}
	b.reopen()
	return b
}

// reopen opens what the stores hold, without closing anything before.
func (b *bench) reopen() {
	b.Helper()
	b.o.Critical = b.crit
	if b.tele != nil {
		b.o.Telemetry = b.tele
	}
	sp, err := spool.Open(b.o)
	if err != nil {
		b.Fatal(err)
	}
	b.sp = sp
	b.sp.UseTable(spooltest.TableHash(), [][]byte{[]byte("part 0"), []byte("part 1")})
}

// cut is a power cut; nothing that was not synced survives, releases do.
func (b *bench) cut() {
	b.Helper()
	b.crit, b.tele = b.crit.Crash(0, false), b.tele.Crash(0, false)
	b.reopen()
}

func (b *bench) closeClean() {
	b.Helper()
	if err := b.sp.CloseClean(b.now); err != nil {
		b.Fatal(err)
	}
}

// add appends a batch of ten samples; a critical one with a cursor of the same content.
func (b *bench) add(l point.Lane, content uint64) point.BatchID {
	b.Helper()
	var cursors []point.Cursor
	if l == point.Critical {
		cursors = []point.Cursor{{Device: "plc-1", Name: "ring", Bytes: []byte{byte(content)}}}
	}
	id, err := b.sp.Append(b.now, spooltest.Frame(l, spooltest.TableHash(), b.now, b.now+9, 10, spooltest.Body{Content: content}), cursors, false)
	if err != nil {
		b.Fatal(err)
	}
	return id
}

// carry appends a critical batch that carries the gaps that wait.
func (b *bench) carry() (point.BatchID, []point.Gap) {
	b.Helper()
	gaps := b.sp.Gaps()
	if len(gaps) == 0 {
		b.Fatal("no gaps wait")
	}
	id, err := b.sp.Append(b.now, spooltest.Frame(point.Critical, spooltest.TableHash(), 0, 0, 0, spooltest.Body{Gaps: gaps}), nil, true)
	if err != nil {
		b.Fatal(err)
	}
	return id, gaps
}

// disk does all the disk work of a lane that is due, and returns the critical batches that became durable.
func (b *bench) disk(l point.Lane) (durable []point.BatchID, err error) {
	for j := b.sp.Next(b.now, l); j != nil; j = b.sp.Next(b.now, l) {
		j.Run()
		fx := b.sp.Finish(b.now, j)
		durable = append(durable, fx.Durable...)
		if fx.Err != nil {
			return durable, fx.Err
		}
	}
	return durable, nil
}

func (b *bench) mustDisk(l point.Lane) []point.BatchID {
	b.Helper()
	ids, err := b.disk(l)
	if err != nil {
		b.Fatal(err)
	}
	return ids
}

var wide = spool.Grant{Window: 1 << 40}

func (b *bench) take(g spool.Grant) (spool.Taken, uint64, bool) {
	b.Helper()
	t, ok := b.sp.Take(b.now, g)
	if !ok {
		return t, 0, false
	}
	if err := t.Load(); err != nil {
		b.Fatal(err)
	}
	b.sp.Loaded(&t)
	if err := b.sp.Audit(); err != nil {
		b.Fatal(err)
	}
	body, err := spooltest.Open(t.Frame)
	if err != nil {
		b.Fatal(err)
	}
	return t, body.Content, true
}

// takeAll takes everything that may go and returns the contents in order.
func (b *bench) takeAll(g spool.Grant) (contents []uint64, all []spool.Taken) {
	b.Helper()
	for {
		t, c, ok := b.take(g)
		if !ok {
			return contents, all
		}
		contents, all = append(contents, c), append(all, t)
	}
}

func (b *bench) ack(ids ...point.BatchID) spool.Released {
	var a wire.Ack
	for _, id := range ids {
		a.Durable = append(a.Durable, wire.Range{Epoch: id.Epoch, Lane: id.Lane, From: id.Seq, To: id.Seq + 1})
	}
	return b.sp.Ack(a)
}

func (b *bench) epoch(id point.Epoch) (wire.EpochInventory, bool) {
	for _, e := range b.sp.Inventory().Epochs {
		if e.Epoch == id {
			return e, true
		}
	}
	return wire.EpochInventory{}, false
}
