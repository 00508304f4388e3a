package spool_test

import (
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/segment"
	"github.com/courtside-edge/courtside/sync/spool"
	"github.com/courtside-edge/courtside/sync/spool/spooltest"
	"github.com/courtside-edge/courtside/sync/wire"
)

// counting is a store that counts what is read of it.
type counting struct {
	*spooltest.Store
	scanned, got *int
}

func (c counting) Scan(from uint64) iter.Seq2[segment.Record, error] {
	return func(yield func(segment.Record, error) bool) {
		for r, err := range c.Store.Scan(from) {
			*c.scanned++
			if !yield(r, err) {
				return
			}
		}
	}
}

func (c counting) Get(offset uint64) ([]byte, error) { *c.got++; return c.Store.Get(offset) }

// pages returns a bench whose pages are of n batches, with count stored telemetry batches of ten samples.
func pages(t *testing.T, n, count int, change func(*spool.Options)) *bench {
	b := newBench(t, func(o *spool.Options) {
		o.PageBatches, o.Window, o.Limit = n, 1<<30, 1<<40
		if change != nil {
			change(o)
		}
	})
	for c := range uint64(count) {
		b.add(point.Telemetry, c)
		b.now += 10
	}
	b.now += 600
	b.mustDisk(point.Telemetry)
	if err := b.sp.Audit(); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestOpeningReadsPagesAndNotRecords(t *testing.T) {
	const each, all = 100, 20_000
	b := pages(t, each, all, nil)
	for c := range uint64(1000) {
		b.add(point.Critical, c)
		b.mustDisk(point.Critical)
	}
	b.now += 600
	b.sp.Take(b.now, spool.Grant{Window: 1}) // ages the critical ones
	old := b.sp.Epoch()
	var scanned, got int
	for _, name := range []string{"after a cut", "once more", "after a clean close"} {
		if name == "after a clean close" {
			b.closeClean()
		}
		if name != "once more" {
			b.crit, b.tele = b.crit.Crash(0, false), b.tele.Crash(0, false)
		}
		scanned, got = 0, 0
		b.o.Critical, b.o.Telemetry = counting{b.crit, &scanned, &got}, counting{b.tele, &scanned, &got}
		sp, err := spool.Open(b.o)
		if err != nil {
			t.Fatal(err)
		}
		b.sp = sp
		r := sp.Recovery()
		if scanned > 2*(2*each+maxTx) || got > 0 || r.Scanned != uint64(scanned) || r.Pages < 190 {
			t.Fatalf("%s: %d records were scanned, %d read (%d told), from %d pages", name, scanned, got, r.Scanned, r.Pages)
		}
		if r.Batches[0].Batches != all || r.Batches[1].Batches != 1000 {
			t.Fatalf("%s: found %+v", name, r.Batches)
		}
		if err := sp.Audit(); err != nil {
			t.Fatal(err)
		}
		if n := sp.Entries(); n > 2*each+maxTx {
			t.Fatalf("%s: %d entries for %d batches", name, n, all)
		}
	}
	e, ok := b.epoch(old)
	if !ok || e.Lanes[1].Next != all || len(e.Lanes[1].Pending) != 1 || e.Lanes[1].Pending[0].First == 0 {
		t.Fatalf("inventory %+v", e)
	}
	first, last := all, 0
	for range all {
		tk, c, ok := b.takeQuietly()
		if !ok || tk.ID.Lane == point.Critical {
			if tk.ID.Lane == point.Critical {
				b.ack(tk.ID)
				continue
			}
			break
		}
		first, last = min(first, int(c)), max(last, int(c))
		b.ack(tk.ID)
	}
	b.drainQuietly(t)
	if c := b.sp.Counts(point.Telemetry); c.Stored != (spool.Count{}) || last != all-1 {
		t.Fatalf("after the drain %+v is left; the newest was %d", c, last)
	}
}

// maxTx is the batches of one transaction: the record of a page rides with the next one.
const maxTx = 64

func (b *bench) takeQuietly() (spool.Taken, uint64, bool) {
	t, ok := b.sp.Take(b.now, wide)
	if !ok {
		return t, 0, false
	}
	if err := t.Load(); err != nil {
		b.Fatal(err)
	}
	b.sp.Loaded(&t)
	body, err := spooltest.Open(t.Frame)
	if err != nil {
		b.Fatal(err)
	}
	return t, body.Content, true
}

func (b *bench) drainQuietly(t *testing.T) {
	for {
		tk, _, ok := b.takeQuietly()
		if !ok {
			break
		}
		b.ack(tk.ID)
	}
	if err := b.sp.Audit(); err != nil {
		t.Fatal(err)
	}
}

func TestADamagedPageIsReadAnew(t *testing.T) {
	b := pages(t, 50, 1000, nil)
	b.cut()
	whole := b.sp.Recovery()
	n := 0
	for key, v := range b.tele.States("page/") {
		switch n++; n % 4 {
		case 0:
			v[len(v)/2] ^= 1
		case 1:
			delete := key // of another place
			if _, err := b.tele.Append(segment.Tx{Set: map[string][]byte{delete: nil, "page/ffff": v}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	_, _ = b.tele.Sync()
	b.reopen()
	r := b.sp.Recovery()
	if r.Batches != whole.Batches || r.Faults < n/4 || r.Scanned < uint64(n/4*50) || r.Scanned > 600 {
		t.Fatalf("of %d pages, some damaged: %+v; whole it was %+v", n, r, whole)
	}
	if err := b.sp.Audit(); err != nil {
		t.Fatal(err)
	}
	b.drainQuietly(t)
	if c := b.sp.Counts(point.Telemetry); c.Stored != (spool.Count{}) {
		t.Fatalf("%+v is left", c)
	}
}

// What left a page is known from the store's releases; a release that a cut forgot offers its batch again.
func TestPagesThatWerePartlyReleased(t *testing.T) {
	for _, forget := range []bool{false, true} {
		b := pages(t, 50, 1000, nil)
		for i := range 300 {
			tk, _, _ := b.takeQuietly()
			if i%3 > 0 {
				b.ack(tk.ID)
			}
		}
		b.add(point.Telemetry, 5000)
		b.now += 600
		b.mustDisk(point.Telemetry) // the releases go along
		b.crit, b.tele = b.crit.Crash(0, forget), b.tele.Crash(0, forget)
		b.reopen()
		if err := b.sp.Audit(); err != nil {
			t.Fatal(err)
		}
		var again []uint64
		for tk, c, ok := b.takeQuietly(); ok; tk, c, ok = b.takeQuietly() {
			again = append(again, c)
			b.ack(tk.ID)
		}
		slices.Sort(again)
		want := 801
		if forget {
			want = 1001
		}
		if len(again) != want || len(slices.Compact(again)) != want {
			t.Fatalf("forgotten %v: %d batches came again, want %d", forget, len(again), want)
		}
		if c := b.sp.Counts(point.Telemetry); c.Stored != (spool.Count{}) {
			t.Fatalf("%+v is left", c)
		}
	}
}

// A page that is whole drops with one gap and without reading; of one that is not, a job reads what it holds first.
func TestDropsOfPagesAreExact(t *testing.T) {
	b := pages(t, 50, 1000, func(o *spool.Options) { o.MaxAge = time.Hour })
	size := b.sp.Counts(point.Telemetry).Stored.Bytes / 1000
	var acked []point.BatchID
	_, all := b.takeAllQuietly(1000)
	for _, tk := range all {
		if tk.ID.Seq == 10 || tk.ID.Seq == 75 || tk.ID.Seq == 76 {
			acked = append(acked, tk.ID)
		}
	}
	b.sp.FailAll()
	for _, id := range acked {
		b.ack(id)
	}
	b.closeClean()
	b.o.Limit = size * 700
	b.tele = b.tele.Crash(0, false)
	b.crit = b.crit.Crash(0, false)
	b.reopen()
	b.add(point.Telemetry, 1)
	b.now += 600
	b.mustDisk(point.Telemetry) // drops, with jobs that read
	b.mustDisk(point.Telemetry)
	dropped := b.sp.Stats().Dropped
	if dropped.Batches < 290 || b.sp.Counts(point.Telemetry).Stored.Bytes > b.o.Limit {
		t.Fatalf("dropped %+v, held %+v", dropped, b.sp.Counts(point.Telemetry))
	}
	var seqs, samples uint64
	for _, g := range b.sp.Undeclared() {
		seqs += g.To - g.From
		samples += g.Count
		for _, id := range acked {
			if g.From <= id.Seq && id.Seq < g.To {
				t.Fatalf("gap %+v covers %v, which the cloud has", g, id)
			}
		}
	}
	if seqs != dropped.Batches || samples != 10*seqs || b.sp.Stats().DroppedSamples != samples {
		t.Fatalf("%d seqs with %d samples are declared, %d batches with %d samples were dropped", seqs, samples, dropped.Batches, b.sp.Stats().DroppedSamples)
	}
	if err := b.sp.Audit(); err != nil {
		t.Fatal(err)
	}
}

func (b *bench) takeAllQuietly(n int) (contents []uint64, all []spool.Taken) {
	for range n {
		t, c, ok := b.takeQuietly()
		if !ok {
			break
		}
		contents, all = append(contents, c), append(all, t)
	}
	return contents, all
}

func TestARecordOfAPageThatCannotBeReadIsDeclared(t *testing.T) {
	b := pages(t, 50, 200, nil)
	b.tele.Corrupt(120)
	b.cut()
	for {
		tk, ok := b.sp.Take(b.now, wide)
		if !ok {
			break
		}
		if err := tk.Load(); err != nil {
			if !spool.Unreadable(err) || tk.ID.Seq != 120 {
				t.Fatalf("batch %v: %v", tk.ID, err)
			}
			b.sp.Lost(tk.ID)
			continue
		}
		b.ack(tk.ID)
	}
	var declared []point.Gap
	for _, g := range b.sp.Undeclared() {
		if g.Reason == point.GapCorrupt {
			declared = append(declared, g)
		}
	}
	if len(declared) != 1 || declared[0].From != 120 || declared[0].To != 121 || declared[0].Count != 0 || declared[0].Last == 0 {
		t.Fatalf("gaps %+v", declared)
	}
	if err := b.sp.Audit(); err != nil {
		t.Fatal(err)
	}
}

func TestManyPagesMerge(t *testing.T) {
	b := pages(t, 1, 6000, nil)
	n := 0
	for range b.tele.States("page/") {
		n++
	}
	if n < 500 || n > 1100 {
		t.Fatalf("%d pages for 6000 batches, one in each at first", n)
	}
	b.cut()
	if r := b.sp.Recovery(); r.Batches[0].Batches != 6000 || r.Scanned > 200 {
		t.Fatalf("recovery %+v", r)
	}
	b.drainQuietly(t)
}

// A cloud that acknowledges or refuses what was never offered moves nothing, whether a page has it or not; one that refuses all
// costs no memory a batch.
func TestLiesAboutPages(t *testing.T) {
	b := pages(t, 100, 5000, nil)
	ep := b.sp.Epoch()
	before := b.sp.Counts(point.Telemetry)
	b.sp.Ack(wire.Ack{Durable: []wire.Range{{Epoch: ep, Lane: point.Telemetry, From: 0, To: 5000}},
		Refused: []wire.Refused{{BatchID: point.BatchID{Epoch: ep, Lane: point.Telemetry, Seq: 7}}}})
	if after := b.sp.Counts(point.Telemetry); after != before || b.sp.Stats().ImpossibleAcks != 2 {
		t.Fatalf("%+v became %+v", before, after)
	}
	for range 5000 {
		tk, _, ok := b.takeQuietly()
		if !ok {
			t.Fatal("nothing is offered")
		}
		b.sp.Ack(wire.Ack{Refused: []wire.Refused{{BatchID: tk.ID}}})
	}
	c := b.sp.Counts(point.Telemetry)
	if c.Refused.Batches != 5000 || c.Backlog.Batches != 0 || b.sp.Entries() > 200 {
		t.Fatalf("%+v with %d entries", c, b.sp.Entries())
	}
	b.sp.Ack(wire.Ack{Durable: []wire.Range{{Epoch: ep, Lane: point.Telemetry, From: 0, To: 5000}}}) // the cloud changed its mind
	if c := b.sp.Counts(point.Telemetry); c.Refused.Batches != 0 || c.Stored.Batches != 0 {
		t.Fatalf("%+v is left", c)
	}
}

func TestLimitByAge(t *testing.T) {
	boot := clock.Map{Boot: clock.BootID{1}, Offset: time.Hour, Source: clock.NTP}
	b := pages(t, 50, 500, func(o *spool.Options) { o.MaxAge, o.Map = 3000, boot })
	if d := b.sp.Stats().Dropped.Batches; d == 0 || d > 300 {
		t.Fatalf("%d dropped of those that are up to 5600 old, 3000 are allowed", d)
	}
	kept := b.sp.Counts(point.Telemetry).Stored.Batches
	b.closeClean()
	// Another boot an hour later: dated by NTP both, all are too old; undated, none before this boot is older than the limit.
	for _, source := range []clock.Source{clock.System, clock.NTP} {
		b.o.Map = clock.Map{Boot: clock.BootID{2}, Offset: 3 * time.Hour, Source: source}
		b.now = 2000
		b.reopen()
		b.add(point.Telemetry, 1)
		b.mustDisk(point.Telemetry)
		if d := b.sp.Stats().Dropped.Batches; (source == clock.NTP) != (d == kept) || source != clock.NTP && d != 0 {
			t.Fatalf("dated by %v: %d of %d dropped", source, d, kept)
		}
		if source == clock.System {
			b.now = 3500
			b.mustDisk(point.Telemetry)
			if d := b.sp.Stats().Dropped.Batches; d != kept {
				t.Fatalf("after a boot of the limit's length %d of %d dropped", d, kept)
			}
			b.crit, b.tele = b.crit.Crash(0, true), b.tele.Crash(0, true)
		}
	}
}

// What is merged into a gap while its record is being written is not released with it.
func TestAGapThatGrowsWhileItIsSaved(t *testing.T) {
	b := newBench(t, nil)
	old := b.sp.Epoch()
	for c := range uint64(4) {
		b.add(point.Telemetry, c)
	}
	b.closeClean()
	size := b.sp.Counts(point.Telemetry).Stored.Bytes / 4
	b.o.Limit = 4 * size
	b.cut()
	spill := func() {
		b.add(point.Telemetry, 9)
		b.now += 600
		b.mustDisk(point.Telemetry)
	}
	spill() // drops seq 0
	j := b.sp.Next(b.now, point.Critical)
	spill() // drops seq 1 meanwhile
	j.Run()
	b.sp.Finish(b.now, j)
	spill() // releases
	b.cut()
	known := map[uint64]bool{}
	for _, g := range b.sp.Undeclared() {
		for seq := g.From; g.Epoch == old && seq < g.To; seq++ {
			known[seq] = true
		}
	}
	e, _ := b.epoch(old)
	for _, p := range e.Lanes[1].Pending {
		for seq := p.From; seq < p.To; seq++ {
			known[seq] = true
		}
	}
	if len(known) != 4 {
		t.Fatalf("%v of 4 batches are pending or declared", known)
	}
}

func TestShort(t *testing.T) {
	b := newBench(t, func(o *spool.Options) { o.Limit, o.Window = 100_000, 50_000 })
	if b.sp.Short() {
		t.Fatal("short while empty")
	}
	fill := func(bytes int64) {
		for b.sp.Counts(point.Telemetry).Stored.Bytes < bytes {
			b.add(point.Telemetry, 1)
			b.now += 600
			b.mustDisk(point.Telemetry)
		}
	}
	drain := func(bytes int64) {
		for b.sp.Counts(point.Telemetry).Stored.Bytes > bytes {
			tk, _, _ := b.takeQuietly()
			b.ack(tk.ID)
		}
	}
	for _, step := range []struct {
		do    func(int64)
		bytes int64
		want  bool
	}{{fill, 79_000, false}, {fill, 81_000, true}, {drain, 61_000, true}, {drain, 59_000, false}, {fill, 75_000, false}, {fill, 85_000, true}, {drain, 0, false}} {
		if step.do(step.bytes); b.sp.Short() != step.want {
			t.Fatalf("at %d bytes short is %v", b.sp.Counts(point.Telemetry).Stored.Bytes, !step.want)
		}
	}
	// A disk smaller than the limit is as much space as there is.
	fill(30_000)
	b.tele.Fail(segment.ErrFull)
	b.add(point.Telemetry, 1)
	b.now += 600
	_, _ = b.disk(point.Telemetry)
	b.tele.Fail(nil)
	b.now += 600
	b.mustDisk(point.Telemetry)
	fill(29_000)
	if !b.sp.Short() {
		t.Fatal("not short on a disk that was full at 30,000 bytes")
	}
	drain(10_000)
	if b.sp.Short() {
		t.Fatal("short when drained")
	}
	// Without a store that works the window is the space.
	b.tele.Fail(segment.ErrFailed)
	for b.sp.Counts(point.Telemetry).RAM.Bytes < 45_000 {
		b.add(point.Telemetry, 1)
	}
	b.now += 600
	_, _ = b.disk(point.Telemetry)
	if !b.sp.Short() {
		t.Fatal("not short with a full window and a store that fails")
	}
}

// FuzzPage reads records of pages: what is taken is written again as it was.
func FuzzPage(f *testing.F) {
	b := newSeed()
	for _, v := range b {
		f.Add(v)
	}
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, b []byte) {
		once, err := spool.DecodePage(b)
		if err != nil {
			return
		}
		if twice, err := spool.DecodePage(once[:len(once)-4]); err != nil || !slices.Equal(once, twice) {
			t.Fatalf("%x became %x: %v", once, twice, err)
		}
	})
}

// newSeed returns records of pages without their checksums.
func newSeed() (all [][]byte) {
	tele := spooltest.New()
	sp, err := spool.Open(spool.Options{Critical: spooltest.New(), Telemetry: tele, PageBatches: 4})
	if err != nil {
		panic(err)
	}
	for range 40 {
		if _, err := sp.Append(1, spooltest.Frame(point.Telemetry, spooltest.TableHash(), 1, 2, 3, spooltest.Body{}), nil, false); err != nil {
			panic(err)
		}
	}
	if err := sp.CloseClean(1); err != nil {
		panic(err)
	}
	for _, v := range tele.States("page/") {
		all = append(all, v[:len(v)-4])
	}
	return all
}
