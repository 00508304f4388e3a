package segment

import (
	"bytes"
	"fmt"
	"testing"
	"time"
)

func small() Options { return Options{SegmentBytes: 64 << 10, MinFree: -1, CacheBytes: 8 << 10} }

func open(t testing.TB, dir string, o Options) *Store {
	t.Helper()
	s, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestQuick(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, small())
	for i := range 500 {
		off, err := s.Append(Tx{Records: [][]byte{fmt.Appendf(nil, "rec %d %s", i, bytes.Repeat([]byte("x"), 1000))}, Set: map[string][]byte{"k": fmt.Append(nil, i)}})
		if err != nil || off != uint64(i) {
			t.Fatal(off, err)
		}
	}
	fmt.Println(s.Sync())
	n := 0
	for r, err := range s.Scan(0) {
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(r.Bytes, fmt.Appendf(nil, "rec %d ", n)) {
			t.Fatal(n)
		}
		n++
	}
	fmt.Println(n, fmt.Sprintf("%+v", s.Stats()))
	fmt.Println(s.Release(0, 450))
	time.Sleep(100 * time.Millisecond)
	fmt.Println(fmt.Sprintf("%+v", s.Stats()))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, small())
	fmt.Println(s.Bounds())
	fmt.Println(fmt.Sprintf("%+v %+v", s.Stats(), s.Recovery()))
	v, _ := s.State("k")
	fmt.Println(string(v))
}

func TestPerf(t *testing.T) {
	for _, size := range []int{100, 4096, 32 << 10, 256 << 10} {
		for _, seg := range []int64{8 << 20, 64 << 20} {
			s := open(t, t.TempDir(), Options{SegmentBytes: seg, MinFree: -1})
			rec := bytes.Repeat([]byte("x"), size)
			n := min(20000, (512<<20)/size)
			t0 := time.Now()
			worst := time.Duration(0)
			for range n {
				t1 := time.Now()
				if _, err := s.Append(Tx{Records: [][]byte{rec}}); err != nil {
					t.Fatal(err)
				}
				worst = max(worst, time.Since(t1))
			}
			d := time.Since(t0)
			fmt.Println(size, seg>>20, "appends/s", int(float64(n)/d.Seconds()), "worst", worst, s.Stats().Segments)
			s.Close()
		}
	}
}
