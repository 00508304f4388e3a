package log_test

import (
	"errors"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/courtside-edge/courtside/cloud/log"
	"github.com/courtside-edge/courtside/cloud/log/logtest"
)

func TestAFullDiskIsFinal(t *testing.T) {
	disk := t.TempDir()
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=40m"); err != nil {
		t.Skipf("mounting a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(disk, 0); err != nil {
			t.Error(err)
		}
	})
	o := options()
	o.MinFree = 8 << 20
	l := open(t, filepath.Join(disk, "log"), o)
	n := 0
	var err error
	for ; err == nil && n < 10000; n++ {
		_, err = l.Append(logtest.Make(n, 50000))
	}
	if !errors.Is(err, log.ErrFailed) {
		t.Fatalf("after %d records: %v, want ErrFailed", n, err)
	}
	n--
	<-l.Failed()
	if _, err := l.Append(logtest.Make(0, 1)); !errors.Is(err, log.ErrFailed) {
		t.Errorf("a later, smaller record: %v, want ErrFailed", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, filepath.Join(disk, "log"), o)
	if _, next := l.Bounds(); next != uint64(n) {
		t.Errorf("after another start the next offset is %d, want %d", next, n)
	}
	if err := l.Trim(uint64(n)); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}
