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
	"testing"

	"github.com/courtside-edge/courtside/sync/faulttest"
	"github.com/courtside-edge/courtside/sync/interval"
)

// damaged is a store on disk, of several closed segments and one that was not closed, every record
// of which was synced.
type damaged struct {
	dir   string
	model *slow
}

func newDamaged(t *testing.T) *damaged {
	t.Helper()
	base := t.TempDir()
	live := filepath.Join(base, "live")
	d := &damaged{dir: filepath.Join(base, "copy"), model: newSlow()}
	o := small()
	o.manual = true
	s := open(t, live, o)
	for i := range 60 {
		tx := Tx{Records: [][]byte{body(uint64(2*i), 1500), body(uint64(2*i+1), 1500)}, Set: map[string][]byte{"last": fmt.Append(nil, 2*i+1)}}
		if _, err := s.Append(tx); err != nil {
			t.Fatal(err)
		}
		d.model.append(tx)
		s.tend()
	}
	if err := s.Release(3, 7); err != nil {
		t.Fatal(err)
	}
	d.model.released.Add(interval.Interval{From: 3, To: 7})
	if _, err := s.Append(Tx{}); err != nil {
		t.Fatal(err)
	}
	mustSync(t, s)
	if err := faulttest.Copy(d.dir, live); err != nil {
		t.Fatal(err)
	}
	return d
}

// files returns the paths of everything below the store's directory, segments' files included.
func (d *damaged) files(t *testing.T) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(d.dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			rel, _ := filepath.Rel(d.dir, path)
			paths = append(paths, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// check opens a copy of the store after spoil was done to it, and sees that each record is either as written or named.
func (d *damaged) check(t *testing.T, what string, spoil func(dir string) error) (named interval.Set, s *Store) {
	t.Helper()
	dir := t.TempDir()
	if err := faulttest.Copy(dir, d.dir); err != nil {
		t.Fatal(err)
	}
	if err := spoil(dir); err != nil {
		t.Fatal(err)
	}
	s, err := Open(dir, small())
	if err != nil {
		t.Fatalf("%s: Open: %v", what, err)
	}
	t.Cleanup(func() { _ = s.Close() })
	for _, i := range s.Recovery().Lost {
		named.Add(i)
	}
	seen := interval.Set{}
	for r, err := range s.Scan(0) {
		var bad *CorruptError
		switch {
		case errors.As(err, &bad):
			named.Add(interval.Interval{From: bad.From, To: bad.To})
		case err != nil:
			t.Fatalf("%s: Scan: %v", what, err)
		case r.Offset >= uint64(len(d.model.records)) || !bytes.Equal(r.Bytes, d.model.records[r.Offset]):
			t.Fatalf("%s: record %d is not as written", what, r.Offset)
		default:
			seen.AddOne(r.Offset)
		}
	}
	for off := range uint64(len(d.model.records)) {
		if !seen.Has(off) && !named.Has(off) && !d.model.released.Has(off) {
			t.Fatalf("%s: record %d is gone without a trace; %+v", what, off, s.Recovery())
		}
	}
	if first, err := s.Append(Tx{Records: [][]byte{[]byte("after")}}); err != nil || first < uint64(len(d.model.records)) {
		t.Fatalf("%s: Append = %d, %v", what, first, err)
	}
	return named, s
}

func TestAFlippedBitIsFoundAndNamedAndTheRestStays(t *testing.T) {
	t.Parallel()
	d := newDamaged(t)
	files := d.files(t)
	r := rand.New(rand.NewPCG(5, 6))
	for round := range envRounds(12) {
		name := files[r.IntN(len(files))]
		var at int64
		what := fmt.Sprintf("round %d: %s", round, name)
		named, s := d.check(t, what, func(dir string) error {
			path := filepath.Join(dir, name)
			b, err := os.ReadFile(path)
			used := len(bytes.TrimRight(b, "\x00"))
			if err != nil || used == 0 {
				return err
			}
			at = int64(r.IntN(used))
			b[at] ^= 1 << r.IntN(8)
			return os.WriteFile(path, b, 0o600)
		})
		if named.Count() > 2 {
			t.Errorf("%s: one bit at %d cost %d records", what, at, named.Count())
		}
		mustClose(t, s)
	}
}

func TestATruncatedOrMissingFileLosesNoMoreThanItHeld(t *testing.T) {
	t.Parallel()
	d := newDamaged(t)
	r := rand.New(rand.NewPCG(8, 9))
	done := map[string]bool{}
	for _, name := range d.files(t) {
		// One closed segment stands for all, and one that was not closed.
		kind := fmt.Sprint(filepath.Base(name), exists(filepath.Join(d.dir, filepath.Dir(name), indexName)))
		if filepath.Base(name) == lockName || done[kind] {
			continue
		}
		done[kind] = true
		named, s := d.check(t, "cut "+name, func(dir string) error {
			path := filepath.Join(dir, name)
			info, err := os.Stat(path)
			if err != nil {
				return err
			}
			return os.Truncate(path, r.Int64N(info.Size()+1)/2)
		})
		if !strings.HasSuffix(name, ".vlog") && named.Count() > 0 {
			t.Errorf("cutting %s cost %d records, which it does not hold", name, named.Count())
		}
		mustClose(t, s)
		named, s = d.check(t, "removed "+name, func(dir string) error { return os.Remove(filepath.Join(dir, name)) })
		if !strings.HasSuffix(name, ".vlog") && named.Count() > 0 {
			t.Errorf("removing %s cost %d records, which it does not hold", name, named.Count())
		}
		if s.Incarnation() == "" {
			t.Errorf("without %s the store has no incarnation", name)
		}
		mustClose(t, s)
	}
}

func TestALostSegmentIsNamedAndStaysNamedUntilReleased(t *testing.T) {
	t.Parallel()
	d := newDamaged(t)
	var gone string
	named, s := d.check(t, "a segment removed", func(dir string) error {
		segments, err := filepath.Glob(filepath.Join(dir, rootName, "seg-*"))
		gone = segments[1]
		return errors.Join(err, os.RemoveAll(gone))
	})
	if named.Count() == 0 || len(s.Recovery().Lost) != 1 {
		t.Fatalf("%d records are named; Recovery() = %+v", named.Count(), s.Recovery())
	}
	lost := s.Recovery().Lost[0]
	if _, err := s.Get(lost.From); !errors.Is(err, ErrCorrupt) {
		t.Errorf("Get(%d) = %v, want ErrCorrupt", lost.From, err)
	}
	dir := s.dir
	mustClose(t, s)
	s = open(t, dir, small())
	if got := s.Recovery().Lost; !slices.Equal(got, []interval.Interval{lost}) {
		t.Errorf("at the next start Lost = %v, want %v", got, lost)
	}
	if err := s.Release(lost.From, lost.To); err != nil {
		t.Fatal(err)
	}
	mustClose(t, s)
	s = open(t, dir, small())
	if got := s.Recovery().Lost; len(got) != 0 {
		t.Errorf("after the release Lost = %v", got)
	}
}

func TestTheIncarnationSurvivesTheLossOfItsFile(t *testing.T) {
	t.Parallel()
	d := newDamaged(t)
	want, err := readIdentity(filepath.Join(d.dir, rootName))
	if err != nil {
		t.Fatal(err)
	}
	for _, spoil := range []func(path string) error{os.Remove, func(path string) error { return os.WriteFile(path, []byte("{"), 0o600) }} {
		named, s := d.check(t, "the identity", func(dir string) error { return spoil(filepath.Join(dir, rootName, identityName)) })
		if got := s.Incarnation(); got != want.Incarnation || named.Count() != 0 {
			t.Errorf("Incarnation() = %s, want %s; %d records are gone", got, want.Incarnation, named.Count())
		}
		mustClose(t, s)
	}
}

func TestAStoreOfALaterVersionIsSetAsideWhole(t *testing.T) {
	t.Parallel()
	d := newDamaged(t)
	before := d.files(t)
	path := filepath.Join(d.dir, rootName, identityName)
	if err := os.WriteFile(path, []byte(`{"format":2,"novelty":true}`), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, d.dir, small())
	rec := s.Recovery()
	if len(rec.SetAside) != 1 || !strings.Contains(rec.SetAside[0].Reason, "later version") || !rec.Created {
		t.Fatalf("Recovery() = %+v", rec)
	}
	if _, next := s.Bounds(); next != 0 {
		t.Errorf("the new store begins at %d", next)
	}
	for _, name := range before {
		rest, ok := strings.CutPrefix(name, rootName+"/")
		if ok && !exists(filepath.Join(rec.SetAside[0].Path, rest)) {
			t.Errorf("%s was not kept", name)
		}
	}
	mustAppend(t, s, []byte("new"))
}

func TestARuinedSegmentIsSetAsideAndTheirNumberIsBounded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, small())
	for range maxAside + 2 {
		mustAppend(t, s, []byte("something"))
		mustClose(t, s)
		segments, err := filepath.Glob(filepath.Join(dir, rootName, "seg-*"))
		if err != nil {
			t.Fatal(err)
		}
		last := segments[len(segments)-1]
		if err := os.WriteFile(filepath.Join(last, "000001.vlog"), bytes.Repeat([]byte("ruin"), 5000), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(last, indexName)); err != nil {
			t.Fatal(err)
		}
		s = open(t, dir, small())
		if rec := s.Recovery(); len(rec.SetAside) != 1 || len(rec.Lost) == 0 {
			t.Errorf("Recovery() = %+v", rec)
		}
	}
	aside, err := filepath.Glob(filepath.Join(dir, rootName, asidePrefix+"*"))
	if err != nil || len(aside) != maxAside {
		t.Errorf("%d segments are kept aside (%v), want %d", len(aside), err, maxAside)
	}
}
