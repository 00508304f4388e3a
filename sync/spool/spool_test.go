package spool_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/segment"
	"github.com/courtside-edge/courtside/sync/spool"
	"github.com/courtside-edge/courtside/sync/spool/spooltest"
	"github.com/courtside-edge/courtside/sync/wire"
)

func TestCriticalIsOfferedWhenItIsDurable(t *testing.T) {
	b := newBench(t, nil)
	id := b.add(point.Critical, 7)
	if _, _, ok := b.take(wide); ok {
		t.Fatal("offered before the sync")
	}
	if _, ok := b.sp.Cursor("plc-1", "ring"); ok {
		t.Fatal("the cursor is told before the sync")
	}
	if ids := b.mustDisk(point.Critical); !slices.Equal(ids, []point.BatchID{id}) {
		t.Fatalf("durable: %v, want %v", ids, id)
	}
	if c, ok := b.sp.Cursor("plc-1", "ring"); !ok || c[0] != 7 {
		t.Fatalf("cursor %v after the sync", c)
	}
	tk, content, ok := b.take(wide)
	if !ok || tk.ID != id || content != 7 || tk.Channel != wire.Critical || tk.Backlog {
		t.Fatalf("took %+v with content %d", tk, content)
	}
}

func TestWhatIsAppendedDuringASyncSharesTheNext(t *testing.T) {
	b := newBench(t, nil)
	b.add(point.Critical, 1)
	j := b.sp.Next(b.now, point.Critical)
	for c := range uint64(5) {
		b.add(point.Critical, 2+c)
	}
	if b.sp.Next(b.now, point.Critical) != nil {
		t.Fatal("two jobs of one lane are out")
	}
	before := b.crit.Written()
	j.Run()
	b.sp.Finish(b.now, j)
	if ids := b.mustDisk(point.Critical); len(ids) != 5 || b.crit.Written() != before+2 {
		t.Fatalf("%d batches in %d transactions", len(ids), b.crit.Written()-before-1)
	}
}

func TestTelemetryOnlineIsNeverWritten(t *testing.T) {
	b := newBench(t, nil)
	for c := range uint64(1000) {
		b.add(point.Telemetry, c)
		tk, content, ok := b.take(wide)
		if !ok || content != c || tk.Channel != wire.Live {
			t.Fatalf("took %v on %s", content, tk.Channel)
		}
		b.now += 400
		b.mustDisk(point.Telemetry)
		b.ack(tk.ID)
	}
	if n := b.tele.Written(); n != 0 {
		t.Fatalf("%d transactions were written", n)
	}
	if c := b.sp.Counts(point.Telemetry); c.RAM.Batches != 0 || c.Stored.Batches != 0 {
		t.Fatalf("still held: %+v", c)
	}
}

func TestTelemetrySpillsAfterItsTimeAndBecomesReplay(t *testing.T) {
	b := newBench(t, nil)
	for c := range uint64(3) {
		b.add(point.Telemetry, c)
		b.now += 100
	}
	b.mustDisk(point.Telemetry)
	if b.tele.Written() != 0 {
		t.Fatal("spilled early")
	}
	b.now += 300 // the first is 600 old, the last 400
	b.mustDisk(point.Telemetry)
	if c := b.sp.Counts(point.Telemetry); c.Stored.Batches != 3 || c.RAM.Batches != 0 || b.tele.Written() != 1 {
		t.Fatalf("%+v in %d transactions, want 3 batches in one", c, b.tele.Written())
	}
	b.add(point.Telemetry, 9)
	contents, all := b.takeAll(wide)
	if !slices.Equal(contents, []uint64{9, 2, 1, 0}) {
		t.Fatalf("took %v, want the live one and then the newest first", contents)
	}
	if all[0].Channel != wire.Live || all[1].Channel != wire.Replay {
		t.Fatalf("channels %s, %s", all[0].Channel, all[1].Channel)
	}
}

func TestWhatFailedIsReplay(t *testing.T) {
	b := newBench(t, nil)
	b.add(point.Telemetry, 1)
	tk, _, _ := b.take(wide)
	b.sp.Commit(tk.ID)
	if c := b.sp.Counts(point.Telemetry); c.Sent.Batches != 1 || c.Taken.Batches != 0 {
		t.Fatalf("%+v", c)
	}
	b.sp.FailAll()
	again, _, ok := b.take(wide)
	if !ok || again.ID != tk.ID || again.Channel != wire.Replay || string(again.Frame) != string(tk.Frame) {
		t.Fatalf("took %+v again", again)
	}
}

func TestOrderOfRight(t *testing.T) {
	b := newBench(t, nil)
	for c := range uint64(4) {
		b.add(point.Critical, 100+c)
		b.add(point.Telemetry, 200+c)
	}
	b.mustDisk(point.Critical)
	b.now += 1000 // all of them are backlog
	b.mustDisk(point.Telemetry)
	b.add(point.Telemetry, 1)
	b.add(point.Telemetry, 2)
	b.add(point.Critical, 3)
	b.mustDisk(point.Critical)
	contents, _ := b.takeAll(wide)
	if want := []uint64{3, 1, 2, 100, 101, 102, 103, 203, 202, 201, 200}; !slices.Equal(contents, want) {
		t.Fatalf("took %v, want %v", contents, want)
	}
}

// A window full of live data leaves a quarter to the critical backlog, and a backlog leaves a quarter to live data.
func TestShares(t *testing.T) {
	b := newBench(t, func(o *spool.Options) { o.Window = 1 << 20 })
	for c := range uint64(100) {
		b.add(point.Critical, c)
	}
	b.mustDisk(point.Critical)
	b.mustDisk(point.Critical)
	b.now += 1000
	for c := range uint64(100) {
		b.add(point.Telemetry, 1000+c)
	}
	size := b.sp.Counts(point.Telemetry).RAM.Bytes / 100
	contents, _ := b.takeAll(spool.Grant{Window: 40 * size})
	critical := 0
	for _, c := range contents {
		if c < 1000 {
			critical++
		}
	}
	if len(contents) < 39 || len(contents) > 42 || critical < 9 || critical > 12 {
		t.Fatalf("%d of %d are of the critical backlog, want a quarter of 40", critical, len(contents))
	}
	b.sp.FailAll()
	b.now += 1000 // now all of it is backlog
	contents, _ = b.takeAll(spool.Grant{Window: 40 * size})
	if len(contents) > 32 {
		t.Fatalf("the backlog took %d of 40, want a quarter left for live data", len(contents))
	}
	b.add(point.Telemetry, 5000)
	if _, c, _ := b.take(spool.Grant{Window: 40 * size}); c != 5000 {
		t.Fatalf("took %d, want the live one", c)
	}
}

// A grant may hold the backlogs to less than their share; the critical one keeps its quarter.
func TestAGrantHoldsTheBacklogs(t *testing.T) {
	b := newBench(t, func(o *spool.Options) { o.Window = 1 << 20 })
	for c := range uint64(100) {
		b.add(point.Telemetry, 1000+c)
	}
	size := b.sp.Counts(point.Telemetry).RAM.Bytes / 100
	b.now += 1000
	if contents, _ := b.takeAll(spool.Grant{Window: 40 * size, Backlog: 5 * size}); len(contents) != 5 {
		t.Fatalf("%d of the backlog are in flight, 5 are allowed", len(contents))
	}
	for c := range uint64(100) {
		b.add(point.Critical, c)
	}
	b.mustDisk(point.Critical)
	b.mustDisk(point.Critical)
	b.now += 1000
	b.add(point.Telemetry, 5000)
	contents, all := b.takeAll(spool.Grant{Window: 40 * size, Backlog: size})
	if n := len(contents); n < 9 || n > 13 || contents[0] != 0 && contents[0] != 5000 {
		t.Fatalf("took %v, want a live one and a quarter of the window of the critical backlog", contents)
	}
	for _, tk := range all {
		if tk.ID.Lane == point.Telemetry && tk.Backlog {
			t.Fatal("more of the telemetry backlog")
		}
		if tk.Backlog && tk.Waited != 1000 {
			t.Fatalf("batch %v waited %v", tk.ID, tk.Waited)
		}
	}
}

// With a window of one batch live data and the critical backlog take turns.
func TestSharesOfATinyWindow(t *testing.T) {
	b := newBench(t, nil)
	for c := range uint64(10) {
		b.add(point.Critical, c)
	}
	b.mustDisk(point.Critical)
	b.now += 1000
	critical := 0
	for c := range uint64(20) {
		b.add(point.Telemetry, 1000+c)
		tk, content, ok := b.take(spool.Grant{Window: 1})
		if !ok {
			t.Fatal("nothing is offered")
		}
		if content < 1000 {
			critical++
		}
		if _, _, more := b.take(spool.Grant{Window: 1}); more {
			t.Fatal("more than the window is in flight")
		}
		b.ack(tk.ID)
	}
	if critical < 4 || critical > 6 {
		t.Fatalf("%d of 20 turns were of the critical backlog, want a quarter", critical)
	}
}

func TestGrantsLeaveOut(t *testing.T) {
	b := newBench(t, nil)
	b.add(point.Critical, 1)
	b.add(point.Telemetry, 2)
	b.mustDisk(point.Critical)
	b.now += 1000
	b.mustDisk(point.Telemetry)
	if c, _ := b.takeAll(spool.Grant{Window: 1 << 40, LiveOnly: true}); len(c) != 0 {
		t.Fatalf("live only took %v", c)
	}
	if c, _ := b.takeAll(spool.Grant{Window: 1 << 40, NoReplay: true}); !slices.Equal(c, []uint64{1}) {
		t.Fatalf("no replay took %v", c)
	}
}

func TestRAMFullDropsTheOldestWithAGap(t *testing.T) {
	b := newBench(t, func(o *spool.Options) { o.Window = 2000 })
	b.tele.Fail(errors.New("broken"))
	var dropped uint64
	for c := range uint64(100) {
		b.add(point.Telemetry, c)
		b.now += 50
		_, _ = b.disk(point.Telemetry)
		dropped = b.sp.Stats().Dropped.Batches
	}
	if c := b.sp.Counts(point.Telemetry); c.RAM.Bytes > 2000 || dropped+c.RAM.Batches != 100 {
		t.Fatalf("%d dropped, %+v held of 100", dropped, c)
	}
	id, gaps := b.carry()
	if len(gaps) != 2 || gaps[1].Count == 0 { // while the store was tried, and while it was known to fail
		gaps = slices.Clone(gaps)
	}
	var seqs, samples uint64
	for _, g := range gaps {
		seqs += g.To - g.From
		samples += g.Count
		if g.Epoch != b.sp.Epoch() || g.Lane != point.Telemetry || g.First == 0 || g.Last <= g.First {
			t.Fatalf("gap %+v", g)
		}
	}
	if seqs != dropped || samples != 10*dropped || gaps[len(gaps)-1].Reason != point.GapDiskFailed {
		t.Fatalf("gaps %+v declare %d batches and %d samples, %d batches were dropped", gaps, seqs, samples, dropped)
	}
	// One carrier at a time; what drops meanwhile merges.
	for c := range uint64(50) {
		b.add(point.Telemetry, c)
	}
	if b.sp.GapsWaiting() || b.sp.Gaps() != nil {
		t.Fatal("a second carrier is offered gaps")
	}
	b.mustDisk(point.Critical)
	tk, _, _ := b.take(wide)
	if tk.ID != id {
		t.Fatalf("took %v, want the carrier %v", tk.ID, id)
	}
	b.ack(id)
	if _, gaps := b.carry(); len(gaps) != 1 || gaps[0].To-gaps[0].From != b.sp.Stats().Dropped.Batches-dropped {
		t.Fatalf("gaps %+v, want one of %d batches", gaps, b.sp.Stats().Dropped.Batches-dropped)
	}
}

func TestLimitDropsTheOldestStored(t *testing.T) {
	b := newBench(t, func(o *spool.Options) { o.Limit = 3000 })
	for c := range uint64(60) {
		b.add(point.Telemetry, c)
		b.now += 600
		b.mustDisk(point.Telemetry)
		b.mustDisk(point.Critical)
	}
	c := b.sp.Counts(point.Telemetry)
	if c.Stored.Bytes > 3000 || c.Stored.Batches < 10 {
		t.Fatalf("%+v is held", c)
	}
	contents, _ := b.takeAll(wide)
	for i, c := range contents {
		if c != uint64(59-i) {
			t.Fatalf("held %v, want the newest", contents)
		}
	}
	if _, gaps := b.carry(); len(gaps) != 1 || gaps[0].From != 0 || gaps[0].To != 60-c.Stored.Batches || gaps[0].Reason != point.GapDropped {
		t.Fatalf("gaps %+v", gaps)
	}
	b.mustDisk(point.Telemetry)
}

// What a clean epoch left drops with a gap that is durable before its place is released: a cut between loses neither.
func TestTheGapOutlivesWhatItDeclares(t *testing.T) {
	for step := range 5 {
		b := newBench(t, nil)
		old := b.sp.Epoch()
		for c := range uint64(20) {
			b.add(point.Telemetry, c)
		}
		b.closeClean()
		b.o.Limit = 500
		b.reopen()
		b.add(point.Telemetry, 99)
		b.now += 600
		b.mustDisk(point.Telemetry) // drops all but the newest
		dropped := b.sp.Stats().Dropped.Batches
		if dropped < 15 {
			t.Fatalf("%d dropped", dropped)
		}
		for i := range step {
			if j := b.sp.Next(b.now, point.Critical); j != nil && (i > 0 || step%2 == 0) { // else it never runs
				j.Run()
				b.sp.Finish(b.now, j)
			}
			b.now += 600
			b.add(point.Telemetry, 100)
			b.now += 600
			if j := b.sp.Next(b.now, point.Telemetry); j != nil {
				j.Run()
				b.sp.Finish(b.now, j)
			}
		}
		b.o.Limit = 100_000
		b.cut()
		known := map[uint64]bool{}
		e, ok := b.epoch(old)
		if !ok || !e.Clean {
			t.Fatalf("step %d: epoch %v: %+v", step, old, e)
		}
		for _, l := range e.Lanes {
			for _, p := range l.Pending {
				for seq := p.From; seq < p.To; seq++ {
					known[seq] = known[seq] || l.Lane == point.Telemetry
				}
			}
		}
		for _, g := range b.sp.Undeclared() {
			for seq := g.From; g.Epoch == old && seq < g.To; seq++ {
				known[seq] = true
			}
		}
		if len(known) != 20 {
			t.Fatalf("step %d: %d of 20 batches are pending or declared", step, len(known))
		}
	}
}

func TestDiskFullMakesRoom(t *testing.T) {
	b := newBench(t, nil)
	for c := range uint64(20) {
		b.add(point.Telemetry, c)
	}
	b.now += 600
	b.mustDisk(point.Telemetry)
	b.tele.Fail(fmt.Errorf("appending: %w", segment.ErrFull))
	b.crit.Fail(fmt.Errorf("appending: %w", segment.ErrFull))
	b.add(point.Telemetry, 50)
	b.now += 600
	if _, err := b.disk(point.Telemetry); !errors.Is(err, segment.ErrFull) {
		t.Fatalf("error %v", err)
	}
	if d := b.sp.Stats().Dropped.Batches; d != 20 {
		t.Fatalf("%d dropped, want all that was stored: less than a segment", d)
	}
	_, _ = b.disk(point.Critical) // the gap's record finds no room either
	b.tele.Fail(nil)
	b.now += 200
	b.mustDisk(point.Telemetry)
	if n := b.tele.Held(); n != 1 {
		t.Fatalf("%d records are held, want the new one: the releases wait for a record that needs their room", n)
	}
	b.crit.Fail(nil)
	b.now += 200
	if _, gaps := b.carry(); len(gaps) != 1 || gaps[0].Count != 200 {
		t.Fatalf("gaps %+v", gaps)
	}
	b.mustDisk(point.Critical)
}

func TestCriticalIsNeverDropped(t *testing.T) {
	b := newBench(t, func(o *spool.Options) { o.Window = 2000 })
	b.crit.FailSync(errors.New("broken"))
	var ids []point.BatchID
	var err error
	for c := uint64(0); err == nil && c < 1000; c++ {
		var id point.BatchID
		frame := spooltest.Frame(point.Critical, spooltest.TableHash(), b.now, b.now, 1, spooltest.Body{Content: c})
		if id, err = b.sp.Append(b.now, frame, nil, false); err == nil {
			ids = append(ids, id)
		} else if h, _ := wire.ParseHeader(frame); !h.Epoch.IsZero() {
			t.Fatal("a refused frame was sealed")
		}
		b.now += 200
		if durable, err := b.disk(point.Critical); err == nil || len(durable) > 0 {
			t.Fatalf("durable %v without a sync, error %v", durable, err)
		}
	}
	if !errors.Is(err, spool.ErrBacklogged) || len(ids) < 5 {
		t.Fatalf("after %d batches: %v", len(ids), err)
	}
	if _, _, ok := b.take(wide); ok {
		t.Fatal("offered without a sync")
	}
	b.crit.FailSync(nil)
	b.now += 200
	if durable := b.mustDisk(point.Critical); !slices.Equal(durable, ids) {
		t.Fatalf("durable %v, want %v", durable, ids)
	}
	// The failed tries reached the disk too; a restart takes each batch in once.
	b.cut()
	contents, _ := b.takeAll(wide)
	if len(contents) != len(ids) || !slices.IsSorted(contents) {
		t.Fatalf("after a restart %v are offered, want %d batches oldest first", contents, len(ids))
	}
}

func TestCriticalLimit(t *testing.T) {
	b := newBench(t, func(o *spool.Options) { o.CriticalLimit = 1000 })
	for c := range uint64(20) {
		frame := spooltest.Frame(point.Critical, spooltest.TableHash(), b.now, b.now, 1, spooltest.Body{Content: c})
		if _, err := b.sp.Append(b.now, frame, nil, false); err != nil {
			if !errors.Is(err, spool.ErrBacklogged) || c < 3 {
				t.Fatalf("batch %d: %v", c, err)
			}
			_, all := b.takeAll(wide)
			b.ack(all[0].ID)
			b.add(point.Critical, c)
			return
		}
		b.mustDisk(point.Critical)
	}
	t.Fatal("no limit")
}

func TestOnlyTelemetryInRAM(t *testing.T) {
	b := newBench(t, nil)
	b.tele = nil
	b.o.Telemetry = nil
	b.reopen()
	for c := range uint64(3) {
		b.add(point.Telemetry, c)
	}
	b.now += 5000
	if b.sp.Next(b.now, point.Telemetry) != nil {
		t.Fatal("disk work without a disk")
	}
	if contents, all := b.takeAll(wide); !slices.Equal(contents, []uint64{2, 1, 0}) || all[0].Channel != wire.Replay {
		t.Fatalf("took %v on %s", contents, all[0].Channel)
	}
	old := b.sp.Epoch()
	b.closeClean() // what is in RAM is lost, and declared
	b.crit = b.crit.Crash(0, false)
	b.reopen()
	e, _ := b.epoch(old)
	if gaps := b.sp.Undeclared(); !e.Clean || len(gaps) == 0 || gaps[len(gaps)-1].Count != 30 {
		t.Fatalf("clean %v, gaps %+v", e.Clean, gaps)
	}
}
