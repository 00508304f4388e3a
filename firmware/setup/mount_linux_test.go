package setup_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/firmware/setup"
)

// readOnly mounts a copy of a folder over itself, read-only.
func readOnly(t *testing.T, dir string) {
	t.Helper()
	if err := syscall.Mount(dir, dir, "", syscall.MS_BIND, ""); err != nil {
		t.Skipf("this process may not mount: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, 0) })
	if err := syscall.Mount("", dir, "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
}

// TestAMediumThatTakesNothing cannot be written to: the boot goes on, and what can be said is said.
func TestAMediumThatTakesNothing(t *testing.T) {
	if os.Geteuid() == 0 {
		mountReadOnly(t)
		return
	}
	b := newBench(t)
	takesNothing(t, b, func() {
		if err := os.Chmod(b.o.Medium, 0o555); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Chmod(b.o.Medium, 0o755) })
	})
}

func takesNothing(t *testing.T, b *bench, seal func()) {
	b.put("courtside.yaml", good)
	b.papers("dal-001", "gw-north", time.Now(), 24*time.Hour*90)
	seal()
	r := b.boot(setup.Taken)
	warned := strings.Join(r.Warnings, "\n")
	for _, want := range []string{"svid.key could not be removed from the medium", "REPORT.txt could not be written"} {
		if !strings.Contains(warned, want) {
			t.Errorf("it does not warn that %s: %q", want, warned)
		}
	}
	b.boot(setup.Unchanged)
}

func mountReadOnly(t *testing.T) {
	b := newBench(t)
	takesNothing(t, b, func() { readOnly(t, b.o.Medium) })
}

// TestAFullMedium has no room for a report, and a full /data none for what is to be taken.
func TestAFullMedium(t *testing.T) {
	b := newBench(t)
	for _, dir := range []string{b.o.Medium, b.o.Etc} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
			t.Skipf("this process may not mount: %v", err)
		}
		t.Cleanup(func() { _ = syscall.Unmount(dir, 0) })
	}
	b.put("courtside.yaml", good)
	fill(t, b.o.Medium)
	r := b.boot(setup.Taken)
	if warned := strings.Join(r.Warnings, "\n"); !strings.Contains(warned, "REPORT.txt could not be written: no space left on device") {
		t.Errorf("it warns %q", warned)
	}
	if b.lies("REPORT.TMP") {
		t.Error("half a report stays")
	}
	was := b.etc("gateway.yaml")
	fill(t, b.o.Etc)
	if err := os.Remove(filepath.Join(b.o.Medium, "ballast")); err != nil {
		t.Fatal(err)
	}
	b.put("courtside.yaml", good+"# "+strings.Repeat("more ", 2000)+"\n")
	r, err := setup.Run(b.o)
	if err == nil || r.Outcome != setup.Failed || b.etc("gateway.yaml") != was {
		t.Errorf("on a full /data: %v\n%s", err, r.Text())
	}
}

func fill(t *testing.T, dir string) {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for {
		if _, err := f.Write(make([]byte, 1024)); err != nil {
			return
		}
	}
}
