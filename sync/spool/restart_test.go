package spool_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/segment"
	"github.com/courtside-edge/courtside/sync/spool"
	"github.com/courtside-edge/courtside/sync/spool/spooltest"
	"github.com/courtside-edge/courtside/sync/wire"
)

func TestI8RestartOffersWhatIsLeftUnderItsOldNumbers(t *testing.T) {
	b := newBench(t, nil)
	first := b.sp.Epoch()
	for c := range uint64(3) {
		b.add(point.Critical, c)
		b.add(point.Telemetry, 10+c)
	}
	b.mustDisk(point.Critical)
	_, sent := b.takeAll(wide)
	b.ack(sent[0].ID)
	b.closeClean()
	b.cut()
	e, ok := b.epoch(first)
	if !ok || !e.Clean || e.Open {
		t.Fatalf("predecessor %+v", e)
	}
	inv := b.sp.Inventory()
	if now := inv.Epochs[len(inv.Epochs)-1]; !now.Open || now.Predecessor != first || now.Epoch == first {
		t.Fatalf("open epoch %+v", now)
	}
	for _, l := range e.Lanes {
		if l.Next != 3 || len(l.Pending) != 1 || l.Pending[0].First == 0 || l.Pending[0].Last < l.Pending[0].First {
			t.Fatalf("%s: %+v", l.Lane, l)
		}
	}
	contents, all := b.takeAll(wide)
	if !slices.Equal(contents, []uint64{1, 2, 12, 11, 10}) {
		t.Fatalf("took %v", contents)
	}
	for _, tk := range all {
		if tk.ID.Epoch != first {
			t.Fatalf("batch %v changed its epoch", tk.ID)
		}
	}
	if b.add(point.Telemetry, 50).Epoch == first {
		t.Fatal("the old epoch grew")
	}
	if len(b.sp.Undeclared()) != 0 {
		t.Fatalf("gaps after a clean close: %+v", b.sp.Undeclared())
	}
}

func TestAPowerCutIsDeclared(t *testing.T) {
	b := newBench(t, nil)
	old := b.sp.Epoch()
	b.add(point.Critical, 1)
	b.mustDisk(point.Critical)
	b.add(point.Critical, 2) // never synced
	b.add(point.Telemetry, 3)
	b.cut()
	if r := b.sp.Recovery(); !r.Unclean || r.Predecessor != old || r.Batches[1].Batches != 1 {
		t.Fatalf("recovery %+v", r)
	}
	check := func(gaps []point.Gap) {
		t.Helper()
		lanes := map[point.Lane]uint64{}
		for _, g := range gaps {
			if g.Epoch != old || g.To != 0 || g.Count != 0 || g.Reason != point.GapPowerCut {
				t.Fatalf("gap %+v", g)
			}
			lanes[g.Lane] = g.From + 1
		}
		if len(gaps) != 2 || lanes[point.Critical] != 2 || lanes[point.Telemetry] != 1 {
			t.Fatalf("gaps %+v", gaps)
		}
	}
	check(b.sp.Undeclared())
	b.closeClean() // before a batch could carry them
	b.cut()
	check(b.sp.Undeclared())
	_, gaps := b.carry()
	check(gaps)
	b.mustDisk(point.Critical)
	b.closeClean()
	b.cut()
	if g := b.sp.Undeclared(); len(g) != 0 {
		t.Fatalf("declared twice: %+v", g)
	}
}

func TestAnEpochIsSettledByTheAnswerToAnInventoryThatShowsNothing(t *testing.T) {
	b := newBench(t, nil)
	first := b.sp.Epoch()
	id := b.add(point.Critical, 1)
	b.closeClean()
	b.cut()
	showed := b.sp.Inventory()
	b.takeAll(wide)
	b.ack(id)
	b.sp.Ack(wire.Ack{Inventory: showed.Number}) // it showed a pending batch
	if _, ok := b.epoch(first); !ok {
		t.Fatal("settled by an inventory that showed it pending")
	}
	empty := b.sp.Inventory()
	if out := b.sp.Ack(wire.Ack{Inventory: empty.Number + 100}); out.Answered {
		t.Fatal("an inventory that was never sent is answered")
	}
	if out := b.sp.Ack(wire.Ack{Inventory: empty.Number}); !out.Answered {
		t.Fatal("not answered")
	}
	if _, ok := b.epoch(first); ok {
		t.Fatal("not settled")
	}
	b.closeClean()
	for range 3 {
		b.cut()
		if _, ok := b.epoch(first); ok {
			t.Fatal("a settled epoch came back")
		}
		b.closeClean()
	}
	n := 0
	for range b.crit.States("epoch/") {
		n++
	}
	if n > 5 {
		t.Fatalf("%d epochs are kept", n)
	}
}

func TestManyRestartsAreAccountedInTurns(t *testing.T) {
	b := newBench(t, nil)
	for range 100 {
		b.add(point.Telemetry, 1)
		b.closeClean()
		b.cut()
	}
	for range 10 {
		inv := b.sp.Inventory()
		if len(inv.Epochs) > 64 || !inv.Epochs[len(inv.Epochs)-1].Open {
			t.Fatalf("%d epochs, the last open: %v", len(inv.Epochs), inv.Epochs[len(inv.Epochs)-1].Open)
		}
		if _, err := wire.DecodeInventory(wire.EncodeInventory(inv)); err != nil {
			t.Fatal(err)
		}
		_, all := b.takeAll(wide)
		for _, tk := range all {
			b.ack(tk.ID)
		}
		b.sp.Ack(wire.Ack{Inventory: inv.Number})
		b.sp.Ack(wire.Ack{Inventory: b.sp.Inventory().Number})
	}
	if inv := b.sp.Inventory(); len(inv.Epochs) != 1 {
		t.Fatalf("%d epochs are left", len(inv.Epochs))
	}
}

func TestAnInventoryOfManyHolesStaysReadableAndHidesNothing(t *testing.T) {
	b := newBench(t, func(o *spool.Options) { o.Window = 10 << 20 })
	for c := range uint64(2001) {
		b.add(point.Telemetry, c)
	}
	_, all := b.takeAll(wide)
	for i, tk := range all {
		if i%2 == 1 {
			b.ack(tk.ID)
		}
	}
	inv, err := wire.DecodeInventory(wire.EncodeInventory(b.sp.Inventory()))
	if err != nil {
		t.Fatal(err)
	}
	pending := inv.Epochs[0].Lanes[1].Pending
	if n := len(pending); n > 128 || n < 100 || pending[0].From != 0 || pending[n-1].To != 2001 {
		t.Fatalf("%d ranges from %d to %d", n, pending[0].From, pending[n-1].To)
	}
	shown := map[uint64]bool{}
	for _, p := range pending {
		for seq := p.From; seq < p.To; seq++ {
			shown[seq] = true
		}
	}
	for i, tk := range all {
		if i%2 == 0 && !shown[tk.ID.Seq] {
			t.Fatalf("held batch %v is not shown", tk.ID)
		}
	}
}

// An inventory that the cloud refused for its size would never be answered: nothing would ever be settled again.
func TestTheLargestInventoryMayBePublished(t *testing.T) {
	b := newBench(t, func(o *spool.Options) { o.Window, o.Limit, o.SpillAfter = 10<<20, 10<<20, 1<<60 })
	held := map[point.BatchID]bool{}
	r := rand.New(rand.NewPCG(1, 1)) // times without a pattern, which compress least
	for range 70 {
		var odd []point.BatchID
		for c := range uint64(60) {
			b.now += r.Int64N(1e11)
			for _, l := range []point.Lane{point.Telemetry, point.Critical} {
				if id := b.add(l, c); c%2 == 1 {
					odd = append(odd, id)
				} else {
					held[id] = true
				}
			}
		}
		b.mustDisk(point.Critical)
		for { // offered, so that an ack counts
			if _, ok := b.sp.Take(b.now, spool.Grant{Window: wide.Window, LiveOnly: true}); !ok {
				break
			}
		}
		b.ack(odd...)
		b.closeClean()
		b.cut()
	}
	for i := range uint64(1100) { // gaps that no batch carries yet, each of its own
		b.now += r.Int64N(1e11)
		b.sp.AddGap(point.Gap{Epoch: point.Epoch{1, byte(i)}, Lane: point.Telemetry, From: 1000 + 2*i, To: 1001 + 2*i, First: b.now, Last: b.now + r.Int64N(1e11), Count: r.Uint64N(1e6), Reason: point.GapDropped})
	}
	payload := wire.EncodeInventory(b.sp.Inventory())
	if len(payload) > wire.MaxInventoryBytes {
		t.Errorf("an inventory of %d bytes, %d are allowed", len(payload), wire.MaxInventoryBytes)
	}
	inv, err := wire.DecodeInventory(payload)
	if err != nil {
		t.Fatal(err)
	}
	if len(inv.Epochs) != 64 {
		t.Fatalf("%d epochs", len(inv.Epochs))
	}
	ranges := 0
	for _, e := range inv.Epochs {
		for _, l := range e.Lanes {
			ranges += len(l.Pending)
			for id := range held {
				if id.Epoch == e.Epoch && id.Lane == l.Lane && !slices.ContainsFunc(l.Pending, func(p wire.PendingRange) bool { return p.From <= id.Seq && id.Seq < p.To }) {
					t.Fatalf("held batch %v is not shown", id)
				}
			}
		}
	}
	if ranges > 3072 || ranges < 1500 {
		t.Errorf("%d pending ranges of 3,840 are told, want what epochs have a share of: 24 a lane", ranges)
	}
}

func TestTables(t *testing.T) {
	b := newBench(t, nil)
	hash := spooltest.TableHash()
	id := b.add(point.Telemetry, 1)
	if n := len(b.sp.Tables()); n != 1 || b.tele.Written() != 0 {
		t.Fatalf("%d tables, %d writes", n, b.tele.Written())
	}
	b.closeClean()
	b.crit, b.tele = b.crit.Crash(0, false), b.tele.Crash(0, false)
	b.o.Critical, b.o.Telemetry = b.crit, b.tele
	sp, err := spool.Open(b.o)
	if err != nil {
		t.Fatal(err)
	}
	b.sp = sp
	other := point.TableHash{9}
	b.sp.UseTable(other, [][]byte{[]byte("other")})
	tb, ok := b.sp.Table(hash)
	if !ok || len(tb.Parts) != 2 || string(tb.Parts[1]) != "part 1" {
		t.Fatalf("the table of a stored batch is %+v", tb)
	}
	if all := b.sp.Tables(); len(all) != 2 || all[0].Hash != other {
		t.Fatalf("tables %+v, want the one in use first", all)
	}
	b.takeAll(wide)
	if out := b.sp.Ack(wire.Ack{Tables: []point.TableHash{hash, other, {7}}}); len(out.Tables) != 0 {
		t.Fatalf("released %+v while a batch names it", out.Tables)
	}
	if out := b.ack(id); len(out.Tables) != 1 || out.Tables[0].Hash != hash || len(out.Tables[0].Parts) != 2 {
		t.Fatalf("released %+v", out.Tables)
	}
	if _, ok := b.sp.Table(hash); ok {
		t.Fatal("still here")
	}
	if _, ok := b.sp.Table(other); !ok {
		t.Fatal("the table in use is gone")
	}
	b.add(point.Telemetry, 2)
	b.closeClean()
	for k := range b.tele.States("table/" + hash.String()) {
		t.Fatalf("%s is still stored", k)
	}
}

func TestCorruptRecords(t *testing.T) {
	b := newBench(t, nil)
	old := b.sp.Epoch()
	for c := range uint64(4) {
		b.add(point.Telemetry, c)
	}
	b.closeClean()
	b.tele.Flip(1, 800) // a bit of the content
	b.tele.Corrupt(2)   // nothing can be read
	b.reopen()
	if r := b.sp.Recovery(); r.Corrupt != 2 || r.Batches[0].Batches != 2 {
		t.Fatalf("recovery %+v", r)
	}
	gaps := b.sp.Undeclared()
	if len(gaps) != 2 || gaps[0].Epoch != old || gaps[0].From != 1 || gaps[0].To != 2 || gaps[0].Reason != point.GapCorrupt || gaps[0].Count != 10 {
		t.Fatalf("gaps %+v", gaps)
	}
	if g := gaps[1]; g.Epoch != old || g.From != 2 || g.To != 3 || g.Reason != point.GapCorrupt || g.Count != 0 || g.Last != 0 {
		t.Fatalf("of the one that nobody can read: %+v", g)
	}
	// One that fails later, when it is read for replay.
	b.tele.Corrupt(3)
	tk, ok := b.sp.Take(b.now, wide)
	if err := tk.Load(); !ok || !spool.Unreadable(err) {
		t.Fatalf("loading gives %v", err)
	}
	b.sp.Lost(tk.ID)
	if contents, _ := b.takeAll(wide); !slices.Equal(contents, []uint64{0}) {
		t.Fatalf("took %v", contents)
	}
	if g := b.sp.Undeclared(); len(g) != 3 || g[2].From != 3 {
		t.Fatalf("gaps %+v", g)
	}
	if spool.Unreadable(errors.New("the disk is slow")) || spool.Unreadable(nil) {
		t.Fatal("a passing error counts as a loss")
	}
}

// What nobody can read is declared by what is left over: between its neighbours, at the ends of a lane, and when nothing is left at all.
func TestBatchesThatNobodyCanReadAreDeclared(t *testing.T) {
	type lost struct{ from, to uint64 }
	for name, c := range map[string]struct {
		acked   []uint64 // seqs of the first epoch that left before
		corrupt []uint64 // offsets, which are the seqs of the first epoch and then those of the second
		want    map[byte][]lost
	}{
		"in the middle":            {nil, []uint64{2, 3}, map[byte][]lost{1: {{2, 4}}}},
		"beside what was acked":    {[]uint64{1, 4}, []uint64{2}, map[byte][]lost{1: {{1, 3}}}},
		"the first":                {nil, []uint64{0}, map[byte][]lost{1: {{0, 1}}}},
		"on both sides of a start": {nil, []uint64{5, 6}, map[byte][]lost{1: {{5, 6}}, 2: {{0, 1}}}},
		"the last":                 {nil, []uint64{11}, map[byte][]lost{2: {{5, 6}}}},
		"all":                      {nil, []uint64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, map[byte][]lost{1: {{0, 6}}, 2: {{0, 6}}}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, nil)
			for range 2 {
				for c := range uint64(6) {
					b.add(point.Telemetry, c)
				}
				b.closeClean()
				b.reopen()
			}
			first := point.Epoch{1}
			if _, all := b.takeAll(wide); len(all) != 12 {
				t.Fatalf("%d batches", len(all))
			}
			for _, seq := range c.acked {
				b.ack(point.BatchID{Epoch: first, Lane: point.Telemetry, Seq: seq})
			}
			b.closeClean()
			for _, off := range c.corrupt {
				b.tele.Corrupt(off)
			}
			b.reopen()
			if err := b.sp.Audit(); err != nil {
				t.Fatal(err)
			}
			got := map[byte][]lost{}
			for _, g := range b.sp.Undeclared() {
				if g.Reason != point.GapCorrupt || g.Lane != point.Telemetry {
					t.Errorf("gap %+v", g)
				}
				got[g.Epoch[0]] = append(got[g.Epoch[0]], lost{g.From, g.To})
			}
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("declared %v, want %v", got, c.want)
			}
		})
	}
}

func TestRefusedIsKept(t *testing.T) {
	b := newBench(t, nil)
	id := b.add(point.Critical, 1)
	b.mustDisk(point.Critical)
	refuse := wire.Ack{Refused: []wire.Refused{{BatchID: id, Reason: "device plc-9 is not of this gateway"}}}
	b.sp.Ack(refuse) // never offered: a lie
	if s := b.sp.Stats(); s.Refused != 0 || s.ImpossibleAcks != 1 {
		t.Fatalf("%+v", s)
	}
	b.takeAll(wide)
	if out := b.sp.Ack(refuse); len(out.Landed) != 1 || b.sp.InFlight() != 0 {
		t.Fatalf("landed %v", out.Landed)
	}
	b.sp.Ack(refuse)
	if _, _, ok := b.take(wide); ok {
		t.Fatal("offered again")
	}
	if c := b.sp.Counts(point.Critical); c.Refused.Batches != 1 || c.Backlog.Batches != 0 || b.sp.Stats().Refused != 1 {
		t.Fatalf("%+v", c)
	}
	b.cut()
	if _, _, ok := b.take(wide); !ok {
		t.Fatal("not offered after a restart")
	}
	b.ack(id)
	if c := b.sp.Counts(point.Critical); c.Stored.Batches != 0 {
		t.Fatalf("%+v", c)
	}
}

func TestOpenRefuses(t *testing.T) {
	if _, err := spool.Open(spool.Options{}); err == nil {
		t.Error("opened without a store")
	}
	st := spooltest.New()
	st.Fail(errors.New("read-only"))
	if _, err := spool.Open(spool.Options{Critical: st}); err == nil {
		t.Error("opened without a recorded epoch")
	}
	st = spooltest.New()
	st.FailSync(errors.New("broken"))
	if _, err := spool.Open(spool.Options{Critical: st}); err == nil {
		t.Error("opened without a synced epoch")
	}
	if _, err := spool.Open(spool.Options{Critical: spooltest.New(), Draw: func() (e point.Epoch) { return e }}); err == nil {
		t.Error("opened with epoch zero")
	}
}

func TestClosedRefuses(t *testing.T) {
	b := newBench(t, nil)
	b.closeClean()
	if err := b.sp.CloseClean(b.now); err != nil {
		t.Fatal(err)
	}
	if _, err := b.sp.Append(b.now, spooltest.Frame(point.Telemetry, spooltest.TableHash(), 1, 1, 1, spooltest.Body{}), nil, false); !errors.Is(err, spool.ErrClosed) {
		t.Fatal(err)
	}
	b = newBench(t, nil)
	b.add(point.Critical, 1)
	b.crit.Fail(errors.New("broken"))
	if err := b.sp.CloseClean(b.now); err == nil {
		t.Fatal("closed cleanly without a store")
	}
	b.crit.Fail(nil)
	b.cut()
	if !b.sp.Recovery().Unclean {
		t.Fatal("clean")
	}
}

// The product's store.
func TestOverSegments(t *testing.T) {
	dirs := [2]string{t.TempDir(), t.TempDir()}
	open := func() (*spool.Spool, func()) {
		var st [2]*segment.Store
		for i := range st {
			s, err := segment.Open(dirs[i], segment.Options{SegmentBytes: 1 << 20, MinFree: -1})
			if err != nil {
				t.Fatal(err)
			}
			st[i] = s
		}
		sp, err := spool.Open(spool.Options{Critical: st[0], Telemetry: st[1]})
		if err != nil {
			t.Fatal(err)
		}
		return sp, func() {
			if err := errors.Join(sp.CloseClean(1), st[0].Close(), st[1].Close()); err != nil {
				t.Fatal(err)
			}
		}
	}
	sp, done := open()
	b := &bench{T: t, sp: sp, now: 1}
	sp.UseTable(spooltest.TableHash(), [][]byte{[]byte("part 0")})
	for c := range uint64(5) {
		b.add(point.Critical, c)
		b.add(point.Telemetry, 10+c)
	}
	done()
	b.sp, done = open()
	if r := b.sp.Recovery(); r.Unclean || r.Batches[0].Batches != 5 || r.Batches[1].Batches != 5 {
		t.Fatalf("recovery %+v", r)
	}
	contents, all := b.takeAll(wide)
	if !slices.Equal(contents, []uint64{0, 1, 2, 3, 4, 14, 13, 12, 11, 10}) {
		t.Fatalf("took %v", contents)
	}
	if c, ok := b.sp.Cursor("plc-1", "ring"); !ok || c[0] != 4 {
		t.Fatalf("cursor %v", c)
	}
	for _, tk := range all {
		b.ack(tk.ID)
	}
	done()
	b.sp, done = open()
	if contents, _ := b.takeAll(wide); len(contents) != 0 {
		t.Fatalf("%v came back after a clean close", contents)
	}
	done()
}

// FuzzState opens a spool over damaged small state and a damaged record: it reports faults and begins an epoch.
func FuzzState(f *testing.F) {
	f.Add("epoch/01000000000000000000000000000000", []byte(`{"v":1,"order":1,"boot":"00000000000000000000000000000000"}`), []byte{})
	f.Add("epoch/zz", []byte(`{`), []byte("x"))
	f.Add("table/cafe0000000000000000000000000000/7", []byte("part"), spooltest.Frame(point.Critical, spooltest.TableHash(), 1, 2, 3, spooltest.Body{}))
	f.Add("table/cafe0000000000000000000000000000/70000000000", []byte("part"), []byte{0})
	f.Add("gap/1", []byte(`{"From":5,"To":1}`), []byte{})
	f.Add("cursor/plc-1/a/b", []byte{}, []byte{})
	f.Fuzz(func(t *testing.T, key string, value, record []byte) {
		st := spooltest.New()
		if _, err := st.Append(segment.Tx{Records: [][]byte{record}, Set: map[string][]byte{key: value}}); err != nil {
			t.Fatal(err)
		}
		sp, err := spool.Open(spool.Options{Critical: st, Telemetry: st.Crash(1, false)})
		if err != nil {
			t.Fatal(err)
		}
		sp.Tables()
		sp.Inventory()
		for tk, ok := sp.Take(1, wide); ok; tk, ok = sp.Take(1, wide) {
			if err := tk.Load(); err != nil {
				sp.Lost(tk.ID)
			}
		}
		if err := sp.CloseClean(1); err != nil {
			t.Fatal(err)
		}
	})
}
