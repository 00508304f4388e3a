package segment

import (
	"errors"
	"path/filepath"
	"sync/atomic"
	"testing"
)

// fill appends records of the size until one is refused, and returns how many went in.
func fill(t *testing.T, s *Store, size int) int {
	t.Helper()
	_, next := s.Bounds()
	for n := range 1 << 20 {
		_, err := s.Append(Tx{Records: [][]byte{body(next+uint64(n), size)}})
		if errors.Is(err, ErrFull) {
			return n
		}
		if err != nil {
			t.Fatalf("after %d records: %v", n, err)
		}
	}
	t.Fatal("the disk never became full")
	return 0
}

func checkBodies(t *testing.T, s *Store, from, to uint64, size int) {
	t.Helper()
	at := from
	for r, err := range s.Scan(from) {
		if err != nil {
			t.Fatal(err)
		}
		if r.Offset != at || string(r.Bytes) != string(body(at, size)) {
			t.Fatalf("record %d is not as written", at)
		}
		at++
	}
	if at != to {
		t.Fatalf("the scan ended at %d of %d", at, to)
	}
}

func TestAFullDiskRefusesWhatItCannotHoldAndForgetsNothing(t *testing.T) {
	t.Parallel()
	var free atomic.Int64
	free.Store(1 << 30)
	o := small()
	o.MinFree = 1 << 20
	o.Free = func(string) (int64, error) { return free.Load(), nil }
	s := open(t, t.TempDir(), o)
	const size = 4000
	checked := uint64(0)
	for range 3 {
		free.Store(1<<20 + segmentSpace(MinSegmentBytes) - 1)
		n := fill(t, s, size)
		first, next := s.Bounds()
		if n > 3*MinSegmentBytes/size {
			t.Errorf("%d records went in although nothing was free", n)
		}
		if got := mustSync(t, s); got != next {
			t.Errorf("Sync = %d, want %d", got, next)
		}
		checkBodies(t, s, first, next, size)
		if err := s.Release(checked, next-1); err != nil {
			t.Fatal(err)
		}
		checked = next - 1
		free.Store(1 << 30)
		for i := range 40 {
			mustAppend(t, s, body(next+uint64(i), size))
		}
	}
	first, next := s.Bounds()
	checkBodies(t, s, first, next, size)
}

func TestTheBallastGoesWhenSpaceIsShortAndComesBack(t *testing.T) {
	t.Parallel()
	var free atomic.Int64
	free.Store(1 << 30)
	dir := t.TempDir()
	o := small()
	o.MinFree, o.Ballast, o.manual = 1<<20, 1<<20, true
	o.Free = func(string) (int64, error) {
		if exists(filepath.Join(dir, ballastName)) {
			return free.Load(), nil
		}
		return free.Load() + 1<<20, nil
	}
	s := open(t, dir, o)
	ballast := func() bool { return exists(filepath.Join(dir, ballastName)) }
	if !ballast() {
		t.Fatal("no ballast was laid although there was space")
	}
	free.Store(closeReserve - 1)
	s.guard()
	if ballast() {
		t.Error("the ballast stayed although space was short")
	}
	s.guard()
	if ballast() {
		t.Error("the ballast came back although space was short")
	}
	free.Store(1 << 30)
	s.guard()
	if !ballast() {
		t.Error("the ballast did not come back")
	}
	mustClose(t, s)
	free.Store(segmentSpace(MinSegmentBytes))
	s = open(t, dir, o)
	if ballast() {
		t.Error("a start on a full disk left the ballast where it was")
	}
	mustClose(t, s)
	free.Store(0)
	if _, err := Open(dir, o); !errors.Is(err, ErrFull) {
		t.Errorf("Open on a disk without any space = %v, want ErrFull", err)
	}
}

func TestFillingAndDrainingAHundredTimesLeavesNoMoreThanOnce(t *testing.T) {
	t.Parallel()
	o := small()
	o.manual = true
	dir := t.TempDir()
	s := open(t, dir, o)
	worst, once := int64(0), int64(0)
	for round := range 100 {
		for range 18 {
			mustAppend(t, s, body(0, 4000))
			s.tend()
		}
		mustSync(t, s)
		first, next := s.Bounds()
		if err := s.Release(first, next); err != nil {
			t.Fatal(err)
		}
		s.tend()
		// Five rounds show each way that one can end: with or without a segment opened ahead.
		if now := diskBytes(dir); round < 5 {
			once = max(once, now)
		} else {
			worst = max(worst, now)
		}
		if st := s.Stats(); st.OpenDBs > 3 || st.Records != 0 || st.LiveBytes != 0 {
			t.Fatalf("round %d: Stats() = %+v", round, st)
		}
	}
	if worst > once+once/20 {
		t.Errorf("%d bytes on disk at worst, %d after the first rounds", worst, once)
	}
}

func TestOpenDatabasesStayFewWhateverTheBacklog(t *testing.T) {
	t.Parallel()
	o := small()
	o.manual, o.CacheBytes = true, -1
	s := open(t, t.TempDir(), o)
	for i := range 400 {
		mustAppend(t, s, body(uint64(i), 3000))
		s.tend()
		if st := s.Stats(); st.OpenDBs > 3 {
			t.Fatalf("%d databases are open with %d segments", st.OpenDBs, st.Segments)
		}
	}
	if st := s.Stats(); st.Segments < 15 {
		t.Fatalf("only %d segments", st.Segments)
	}
	for _, off := range []uint64{0, 399, 100, 5, 300, 250} {
		if b, err := s.Get(off); err != nil || string(b) != string(body(off, 3000)) {
			t.Errorf("Get(%d) = %d bytes, %v", off, len(b), err)
		}
		if st := s.Stats(); st.OpenDBs > 3 {
			t.Errorf("%d databases are open", st.OpenDBs)
		}
	}
}
