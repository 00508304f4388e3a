package segment

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"go.uber.org/goleak"

	"github.com/courtside-edge/courtside/sync/faulttest"
	"github.com/courtside-edge/courtside/sync/interval"
)

func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", strconv.Itoa(envRounds(5))); err != nil {
		panic(err)
	}
	code := faulttest.Main(m, map[string]faulttest.Role{"append": appendRole, "hold": holdRole})
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// envRounds returns how often a randomised test repeats: normal, or what COURTSIDE_FAULT_ROUNDS says.
func envRounds(normal int) int {
	if n, err := strconv.Atoi(os.Getenv("COURTSIDE_FAULT_ROUNDS")); err == nil && n > 0 {
		return n
	}
	return normal
}

// small makes segments that a handful of records fill, without a guard on the disk.
func small() Options { return Options{SegmentBytes: MinSegmentBytes, MinFree: -1, CacheBytes: 8 << 10} }

// open opens a store and closes it when the test ends.
func open(t testing.TB, dir string, o Options) *Store {
	t.Helper()
	s, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return s
}

func mustClose(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func mustAppend(t testing.TB, s *Store, records ...[]byte) uint64 {
	t.Helper()
	first, err := s.Append(Tx{Records: records})
	if err != nil {
		t.Fatal(err)
	}
	return first
}

func mustSync(t testing.TB, s *Store) uint64 {
	t.Helper()
	next, err := s.Sync()
	if err != nil {
		t.Fatal(err)
	}
	return next
}

// body returns what the record at an offset holds in tests that have no model: a function of the offset and a size.
func body(offset uint64, size int) []byte {
	b := make([]byte, size)
	h := fnv.New64a()
	_ = binary.Write(h, binary.LittleEndian, offset)
	r := rand.New(rand.NewPCG(h.Sum64(), uint64(size)))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// slow is what a store is: a list, a set and a map.
type slow struct {
	records  [][]byte
	released interval.Set
	state    map[string][]byte
}

func newSlow() *slow { return &slow{state: map[string][]byte{}} }

func (m *slow) append(tx Tx) {
	for _, r := range tx.Records {
		m.records = append(m.records, bytes.Clone(r))
	}
	for k, v := range tx.Set {
		if v == nil {
			delete(m.state, k)
		} else {
			m.state[k] = bytes.Clone(v)
		}
	}
}

func (m *slow) first() uint64 {
	for i := range m.released.Missing(interval.Interval{To: uint64(len(m.records))}) {
		return i.From
	}
	return uint64(len(m.records))
}

// check compares everything that can be read of s with m.
func (m *slow) check(s *Store) error {
	if first, next := s.Bounds(); first != m.first() || next != uint64(len(m.records)) {
		return fmt.Errorf("Bounds() = %d, %d, want %d, %d", first, next, m.first(), len(m.records))
	}
	at := uint64(0)
	for r, err := range s.Scan(0) {
		if err != nil {
			return fmt.Errorf("Scan: %w", err)
		}
		for m.released.Has(at) {
			at++
		}
		if r.Offset != at || !bytes.Equal(r.Bytes, m.records[at]) {
			return fmt.Errorf("Scan yields record %d with %d bytes, want %d with %d", r.Offset, len(r.Bytes), at, len(m.records[at]))
		}
		at++
	}
	for m.released.Has(at) {
		at++
	}
	if at != uint64(len(m.records)) {
		return fmt.Errorf("Scan ended before %d of %d", at, len(m.records))
	}
	got := map[string][]byte{}
	for k, v := range s.States("") {
		got[k] = v
	}
	if !maps.EqualFunc(got, m.state, bytes.Equal) {
		return fmt.Errorf("States = %d keys, want %d", len(got), len(m.state))
	}
	return nil
}

// checkOne compares what Get says of one offset.
func (m *slow) checkOne(s *Store, offset uint64) error {
	b, err := s.Get(offset)
	switch {
	case offset >= uint64(len(m.records)):
		if !errors.Is(err, ErrNotFound) {
			return fmt.Errorf("Get(%d) = %v, want ErrNotFound", offset, err)
		}
	case m.released.Has(offset):
		if !errors.Is(err, ErrReleased) {
			return fmt.Errorf("Get(%d) = %v, want ErrReleased", offset, err)
		}
	case err != nil:
		return err
	case !bytes.Equal(b, m.records[offset]):
		return fmt.Errorf("Get(%d) gives %d bytes, want %d", offset, len(b), len(m.records[offset]))
	}
	return nil
}
