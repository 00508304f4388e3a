package segment

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/courtside-edge/courtside/sync/interval"
)

func TestRecordsOfOneMebibyteWork(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, Options{MinFree: -1})
	for i := range 12 {
		mustAppend(t, s, body(uint64(i), 1<<20))
	}
	mustSync(t, s)
	checkBodies(t, s, 0, 12, 1<<20)
	mustClose(t, s)
	s = open(t, dir, Options{MinFree: -1})
	checkBodies(t, s, 0, 12, 1<<20)
}

func TestATransactionOfManyRecordsIsOne(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, Options{MinFree: -1})
	records := make([][]byte, MaxTxRecords)
	for i := range records {
		records[i] = fmt.Append(nil, i)
	}
	if first := mustAppend(t, s, records...); first != 0 {
		t.Fatalf("first is %d", first)
	}
	mustClose(t, s)
	s = open(t, dir, Options{MinFree: -1})
	for _, off := range []uint64{0, 1638, 1639, MaxTxRecords - 1} {
		if b, err := s.Get(off); err != nil || string(b) != fmt.Sprint(off) {
			t.Errorf("Get(%d) = %q, %v", off, b, err)
		}
	}
}

func TestWhatIsTooLargeIsRefusedWhole(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), small())
	mustAppend(t, s, []byte("before"))
	for what, tx := range map[string]Tx{
		"a record of half a segment": {Records: [][]byte{make([]byte, MinSegmentBytes/2)}},
		"too many records":           {Records: make([][]byte, MaxTxRecords+1)},
		"a key without a name":       {Set: map[string][]byte{"": {}}},
		"a long key":                 {Set: map[string][]byte{strings.Repeat("k", MaxKeyBytes+1): {}}},
		"too much state":             {Records: [][]byte{[]byte("r")}, Set: map[string][]byte{"k": make([]byte, MinSegmentBytes/8)}},
	} {
		if _, err := s.Append(tx); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: Append = %v, want ErrTooLarge", what, err)
		}
	}
	if off := mustAppend(t, s, []byte("after")); off != 1 {
		t.Errorf("the next record is %d, want 1", off)
	}
	for range s.States("") {
		t.Error("something of a refused transaction is in the small state")
	}
}

func TestTheSmallStateMayBeFilledAndReplacedForEver(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, small())
	value := func(i int) []byte { return body(uint64(i), 1000) }
	for i := range 300 {
		if _, err := s.Append(Tx{Set: map[string][]byte{fmt.Sprint("k", i%7): value(i)}}); err != nil {
			t.Fatal(err)
		}
	}
	mustClose(t, s)
	s = open(t, dir, small())
	n := 0
	for k, v := range s.States("k") {
		n++
		var i int
		if _, err := fmt.Sscanf(k, "k%d", &i); err != nil || !bytes.Equal(v, value(299-(299-i)%7)) {
			t.Errorf("%s is not as it was set last", k)
		}
	}
	if n != 7 {
		t.Errorf("%d keys, want 7", n)
	}
}

func TestOptionsOutOfRangeAreRefused(t *testing.T) {
	t.Parallel()
	for _, o := range []Options{{SegmentBytes: 1}, {SegmentBytes: MaxSegmentBytes + 1}, {Ballast: -1}} {
		if s, err := Open(t.TempDir(), o); err == nil {
			t.Errorf("Open(%+v) succeeded", o)
			mustClose(t, s)
		}
	}
}

func TestAPlaceThatCannotBeWrittenIsNamed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(filepath.Join(path, "store"), small()); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("Open below a file = %v", err)
	}
}

func TestAClosedStoreSaysSo(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), small())
	mustAppend(t, s, []byte("one"))
	mustClose(t, s)
	mustClose(t, s)
	_, aerr := s.Append(Tx{Records: [][]byte{{}}})
	_, gerr := s.Get(0)
	rerr := s.Release(0, 1)
	var serr error
	for _, err := range s.Scan(0) {
		serr = err
	}
	for what, err := range map[string]error{"Append": aerr, "Get": gerr, "Release": rerr, "Scan": serr} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s = %v, want ErrClosed", what, err)
		}
	}
}

func TestReleaseBeyondTheNewestIsRefused(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), small())
	mustAppend(t, s, []byte("one"))
	for _, i := range []interval.Interval{{From: 0, To: 2}, {From: 1, To: 0}} {
		if err := s.Release(i.From, i.To); !errors.Is(err, ErrNotFound) {
			t.Errorf("Release(%d, %d) = %v, want ErrNotFound", i.From, i.To, err)
		}
	}
}

func TestAWriteErrorIsFinal(t *testing.T) {
	t.Parallel()
	o := small()
	o.manual = true
	s, err := Open(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, s, []byte("one"))
	// What Badger does when it was stopped under the store's feet stands for any failure to write.
	if err := s.active().db.close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(Tx{Records: [][]byte{[]byte("two")}}); !errors.Is(err, ErrFailed) {
		t.Errorf("Append = %v, want ErrFailed", err)
	}
	if _, err := s.Append(Tx{Records: [][]byte{[]byte("two")}}); !errors.Is(err, ErrFailed) {
		t.Errorf("the second Append = %v, want ErrFailed", err)
	}
	if _, err := s.Sync(); !errors.Is(err, ErrFailed) {
		t.Errorf("Sync = %v, want ErrFailed", err)
	}
	dir := s.dir
	_ = s.Close()
	s = open(t, dir, small())
	if b, err := s.Get(0); err != nil || string(b) != "one" {
		t.Errorf("after another start Get(0) = %q, %v", b, err)
	}
}

func TestCallersOfSyncShareRounds(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), small())
	before := s.Stats().Syncs
	s.syncing.Lock() // a round that takes its time
	const callers = 20
	var appended, done sync.WaitGroup
	appended.Add(callers)
	for i := range callers {
		done.Go(func() {
			first, err := s.Append(Tx{Records: [][]byte{fmt.Append(nil, i)}})
			appended.Done()
			next, serr := s.Sync()
			if err != nil || serr != nil || next <= first {
				t.Errorf("Append = %d, %v, Sync = %d, %v", first, err, next, serr)
			}
		})
	}
	appended.Wait()
	s.syncing.Unlock()
	done.Wait()
	if n := s.Stats().Syncs - before; n == 0 || n > 2 {
		t.Errorf("%d callers took %d rounds of fsync, want 1 or 2", callers, n)
	}
	before = s.Stats().Syncs
	mustSync(t, s)
	if n := s.Stats().Syncs - before; n != 0 {
		t.Errorf("a Sync with nothing new took %d rounds", n)
	}
}

// TestTheMemtableNeverFillsBeforeTheSegment guards what Sync rests on: see maxFrames.
func TestTheMemtableNeverFillsBeforeTheSegment(t *testing.T) {
	t.Parallel()
	o := Options{MinFree: -1, manual: true}
	s := open(t, t.TempDir(), o)
	s.mu.RLock()
	g := s.active()
	s.mu.RUnlock()
	for range maxFrames - 1 {
		mustAppend(t, s, []byte("x"))
	}
	if g != s.active() || g.frames != maxFrames {
		t.Fatalf("the segment took %d transactions, want %d", g.frames, maxFrames)
	}
	for pattern, want := range map[string]int{"*.mem": 1, "*.sst": 0, "*.vlog": 1} {
		if files, err := filepath.Glob(filepath.Join(g.dir, pattern)); err != nil || len(files) != want {
			t.Errorf("a full segment has %d %s, want %d (%v)", len(files), pattern, want, err)
		}
	}
	s.tend() // the segment ahead
	mustAppend(t, s, []byte("x"))
	if g == s.active() {
		t.Error("the segment took one more")
	}
}

func TestEverybodyAtOnce(t *testing.T) {
	t.Parallel()
	o := small()
	o.CacheBytes = -1 // each read asks a database, also one that is being closed
	s := open(t, t.TempDir(), o)
	const writers, each = 4, 60
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				tag := fmt.Appendf(nil, "%d/%d ", w, i)
				if _, err := s.Append(Tx{Records: [][]byte{append(tag, body(uint64(i), 1500)...)}, Set: map[string][]byte{fmt.Sprint(w): tag}}); err != nil {
					t.Error(err)
				}
				if i%8 == 0 {
					if _, err := s.Sync(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			r := rand.New(rand.NewPCG(1, 1))
			for {
				select {
				case <-stop:
					return
				default:
				}
				first, next := s.Bounds()
				if next > first {
					if _, err := s.Get(first + r.Uint64N(next-first)); err != nil && !errors.Is(err, ErrReleased) {
						t.Error(err)
					}
				}
				for _, err := range s.Scan(next - min(next, 5)) {
					if err != nil {
						t.Error(err)
					}
				}
				if next > 150 {
					if err := s.Release(0, next-150); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	close(stop)
	readers.Wait()
	if rec := s.Stats().CorruptReads; rec != 0 {
		t.Errorf("%d reads failed", rec)
	}
	if _, next := s.Bounds(); next != writers*each {
		t.Errorf("next is %d, want %d", next, writers*each)
	}
	for w := range writers {
		if v, _ := s.State(fmt.Sprint(w)); string(v) != fmt.Sprintf("%d/%d ", w, each-1) {
			t.Errorf("writer %d: the small state holds %q", w, v)
		}
	}
}

func TestAStartOpensTheNewestSegmentsOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, small())
	for i := range 200 {
		mustAppend(t, s, body(uint64(i), 3000))
	}
	mustClose(t, s)
	segments, err := filepath.Glob(filepath.Join(dir, rootName, "seg-*"))
	if err != nil || len(segments) < 8 {
		t.Fatalf("%d segments, %v", len(segments), err)
	}
	// Were the older ones' records looked at, their absence would be noticed.
	for _, g := range slices.Sorted(slices.Values(segments))[:len(segments)-2] {
		if err := os.Remove(filepath.Join(g, "000001.vlog")); err != nil {
			t.Fatal(err)
		}
	}
	s = open(t, dir, small())
	if rec := s.Recovery(); !rec.Clean || len(rec.Lost) > 0 {
		t.Errorf("Recovery() = %+v", rec)
	}
	if _, err := s.Get(0); !errors.Is(err, ErrCorrupt) {
		t.Errorf("Get(0) = %v, want ErrCorrupt", err)
	}
	if b, err := s.Get(199); err != nil || !bytes.Equal(b, body(199, 3000)) {
		t.Errorf("Get(199) = %v", err)
	}
}

// TestNoSegmentIsForgottenBetweenTwoRotations: a segment counts as rotated away from the moment that the next one is active, or the keeper might
// open a third one meanwhile, and the one after next would take its place unclosed.
func TestNoSegmentIsForgottenBetweenTwoRotations(t *testing.T) {
	o := small()
	o.manual = true
	s := open(t, t.TempDir(), o)
	s.wanted = true
	s.prepare()
	g, err := s.takeSpare()
	if err != nil {
		t.Fatal(err)
	}
	old := s.active()
	if err := s.begin(g); err != nil {
		t.Fatal(err)
	}
	s.wanted = true
	s.prepare()
	if s.spare != nil || s.sealing != old {
		t.Fatalf("a spare is open: %v; to be closed: %v, want segment %d", s.spare != nil, s.sealing, old.id)
	}
	if err := s.seal(); err != nil || old.db != nil || s.sealing != nil {
		t.Fatalf("closing it: %v", err)
	}
	if s.prepare(); s.spare == nil {
		t.Error("no spare once it is closed")
	}
}
