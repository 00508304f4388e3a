package spool_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/segment"
	"github.com/courtside-edge/courtside/sync/spool"
	"github.com/courtside-edge/courtside/sync/spool/spooltest"
)

// flash is a spool over the product's stores, of small segments.
type flash struct {
	*bench
	dirs   [2]string
	stores [2]*segment.Store // critical, telemetry
	o      spool.Options
}

func newFlash(t *testing.T, o spool.Options) *flash {
	f := &flash{bench: &bench{T: t, now: 1_000_000}, dirs: [2]string{t.TempDir(), t.TempDir()}, o: o}
	f.open()
	t.Cleanup(func() { _ = errors.Join(f.stores[0].Close(), f.stores[1].Close()) })
	return f
}

func (f *flash) open() {
	f.Helper()
	for i := range f.stores {
		s, err := segment.Open(f.dirs[i], segment.Options{SegmentBytes: segment.MinSegmentBytes, MinFree: -1})
		if err != nil {
			f.Fatal(err)
		}
		f.stores[i] = s
	}
	f.o.Critical, f.o.Telemetry = f.stores[0], f.stores[1]
	sp, err := spool.Open(f.o)
	if err != nil {
		f.Fatal(err)
	}
	f.sp = sp
	sp.UseTable(spooltest.TableHash(), [][]byte{[]byte("part 0")})
}

// restart closes everything and opens it again.
func (f *flash) restart() {
	f.Helper()
	f.closeClean()
	if err := errors.Join(f.stores[0].Close(), f.stores[1].Close()); err != nil {
		f.Fatal(err)
	}
	f.open()
}

// fill stores n telemetry batches of 3 KB.
func (f *flash) fill(n int) {
	f.Helper()
	for i := range n {
		if _, err := f.sp.Append(f.now, spooltest.Frame(point.Telemetry, spooltest.TableHash(), f.now, f.now+9, 1000, spooltest.Body{}), nil, false); err != nil {
			f.Fatal(err)
		}
		if i%8 == 7 || i == n-1 { // what one transaction of so small a segment may hold
			f.now += int64(1e9)
			f.mustDisk(point.Telemetry)
		}
	}
}

func (f *flash) drain() {
	f.Helper()
	for tk, _, ok := f.takeQuietly(); ok; tk, _, ok = f.takeQuietly() {
		f.ack(tk.ID)
	}
}

// size returns what the stores' files take.
func (f *flash) size() (bytes int64) {
	f.Helper()
	for _, dir := range f.dirs {
		err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			info, err := d.Info()
			if err == nil {
				bytes += info.Size()
			}
			return err
		})
		if err != nil {
			f.Fatal(err)
		}
	}
	return bytes
}

// A spool that was filled and drained a hundred times is no larger than one that was once.
func TestAHundredFillsLeaveNoMoreThanOne(t *testing.T) {
	sizes := map[int]int64{}
	for _, rounds := range []int{1, 100} {
		f := newFlash(t, spool.Options{PageBytes: 32 << 10, Window: 1 << 20})
		for range rounds {
			f.fill(10)
			f.drain()
		}
		f.restart()
		if r := f.sp.Recovery(); r.Batches[0].Batches != 0 || r.Faults != 0 {
			t.Fatalf("after %d rounds: %+v", rounds, r)
		}
		for key := range f.stores[1].States("page/") {
			t.Errorf("after %d rounds %s is still there", rounds, key)
		}
		f.restart()
		sizes[rounds] = f.size()
	}
	if sizes[100] > sizes[1]+segment.MinSegmentBytes {
		t.Errorf("after 100 rounds the stores take %d bytes, after one %d", sizes[100], sizes[1])
	}
}

// Opening a backlog of many segments reads what lies behind the newest page, and drops from it leave none of what they let go.
func TestOpeningManySegments(t *testing.T) {
	f := newFlash(t, spool.Options{PageBytes: 32 << 10, Window: 1 << 20, Limit: 1 << 30})
	for range 10 {
		f.fill(30)
	}
	segments := f.stores[1].Stats().Segments
	if segments < 10 {
		t.Fatalf("only %d segments", segments)
	}
	f.restart()
	r := f.sp.Recovery()
	if r.Batches[0].Batches != 300 || r.Scanned > 12 || r.Pages < 20 || r.Faults != 0 {
		t.Fatalf("%d segments: %+v", segments, r)
	}
	f.o.Limit = 300 << 10
	f.restart()
	f.fill(1) // drops, and releases once the gap is saved
	f.mustDisk(point.Critical)
	f.fill(1)
	if s := f.stores[1].Stats(); s.LiveBytes > 400<<10 {
		t.Errorf("%d bytes are held of at most %d, in %d segments", s.LiveBytes, f.o.Limit, s.Segments)
	}
	f.drain()
	if c := f.sp.Counts(point.Telemetry); c.Stored != (spool.Count{}) {
		t.Errorf("%+v is left", c)
	}
}
