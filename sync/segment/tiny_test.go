package segment

import (
	"path/filepath"
	"testing"
)

// TestTinyFramesNeedNoCompaction: nothing compacts a segment's database, so its tables must stay few whatever its frames are like.
func TestTinyFramesNeedNoCompaction(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{CacheBytes: -1})
	for i := range uint64(2*maxFrames + maxFrames/2) {
		if _, err := s.Append(Tx{Records: [][]byte{body(i, 1)}, Set: map[string][]byte{"a": []byte("b")}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	segments, err := filepath.Glob(filepath.Join(dir, rootName, "seg-*"))
	if err != nil || len(segments) < 3 {
		t.Fatalf("%d segments, %v", len(segments), err)
	}
	for _, g := range segments {
		tables, err := filepath.Glob(filepath.Join(g, "*.sst"))
		if err != nil || len(tables) > 4 {
			t.Errorf("%s has %d tables, %v; eight would hold writers up", g, len(tables), err)
		}
		t.Logf("%s: %d tables", filepath.Base(g), len(tables))
	}
}
