package faulttest

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
)

// Quota answers how much room a file system has left, for segment.Options.Free: a limit less what lies in the
// directory. It is safe for concurrent use.
type Quota struct{ limit atomic.Int64 }

// NewQuota returns a quota of limit bytes.
func NewQuota(limit int64) *Quota {
	q := new(Quota)
	q.limit.Store(limit)
	return q
}

// Set changes the limit; what lies in the directory already stays.
func (q *Quota) Set(limit int64) { q.limit.Store(limit) }

// Free returns the bytes left for dir, 0 when it holds more than the limit.
func (q *Quota) Free(dir string) (int64, error) {
	used := int64(0)
	err := filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return nil // what vanishes meanwhile takes no room
		}
		if info, err := e.Info(); err == nil {
			used += allocated(info)
		}
		return nil
	})
	return max(0, q.limit.Load()-used), err
}

// allocated returns what a file takes on its disk; the files that Badger maps are mostly holes.
func allocated(info fs.FileInfo) int64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Blocks * 512
	}
	return info.Size()
}

// SmallDisk mounts a file system of that many bytes in memory and returns its directory; it is gone when the test ends. The
// test is skipped where the process may not mount.
func SmallDisk(t testing.TB, bytes int64) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", bytes)); err != nil {
		t.Skipf("a small file system cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmounting the small file system: %v", err)
		}
	})
	return dir
}

// Fill writes a file of that many bytes into dir, or of as many as go, and returns what removes it.
func Fill(dir string, bytes int64) (free func() error, err error) {
	path := filepath.Join(dir, "fill")
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("filling %s: %w", dir, err)
	}
	defer f.Close() // what was written stands
	block := make([]byte, pageBytes)
	for at := int64(0); at < bytes; at += pageBytes {
		if _, err := f.Write(block); err != nil {
			break // full, which is what was wanted
		}
	}
	return func() error { return os.Remove(path) }, nil
}
