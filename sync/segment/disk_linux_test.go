package segment

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestARealDiskRunsFull needs the right to mount a small file system: what Badger maps must not
// become a SIGBUS, which no hook can show.
func TestARealDiskRunsFull(t *testing.T) {
	t.Parallel()
	disk := t.TempDir()
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=28m"); err != nil {
		t.Skipf("mounting a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(disk, 0); err != nil {
			t.Error(err)
		}
	})
	const size = 10000
	dir := filepath.Join(disk, "store")
	o := Options{SegmentBytes: 512 << 10, MinFree: 5 << 20, Ballast: 5 << 20, CacheBytes: -1}
	s := open(t, dir, o)
	n := fill(t, s, size)
	if n < 200 {
		t.Errorf("%d records went onto a disk of 28 MB", n)
	}
	mustSync(t, s)

	// Somebody else takes the rest, to the last block.
	other := filepath.Join(disk, "other")
	f, err := os.Create(other)
	if err != nil {
		t.Fatal(err)
	}
	for block := make([]byte, 4096); err == nil; {
		_, err = f.Write(block)
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	fill(t, s, size)
	_, next := s.Bounds()
	checkBodies(t, s, 0, next, size)
	mustSync(t, s)
	if err := s.Close(); err != nil && !errors.Is(err, ErrFull) && !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
	if err := os.Remove(other); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("with room again: %v", err)
	}
	s = open(t, dir, o)
	checkBodies(t, s, 0, next, size)
	if err := s.Release(0, next); err != nil {
		t.Fatal(err)
	}
	if again := fill(t, s, size); again < n/2 {
		t.Errorf("after everything was released %d records went in, at first %d", again, n)
	}
}
