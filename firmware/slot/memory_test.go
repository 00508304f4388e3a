package slot_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/firmware/slot"
)

var all = slot.Seen{Link: true, Healthy: true, Devices: []string{"plc-1", "plc-2"}, Interfaces: []string{"end0"}, Carriers: []string{"end0"}}

func open(t *testing.T, dir string, n slot.Name, v slot.Version, now time.Duration) *slot.Keeper {
	t.Helper()
	k, err := slot.OpenKeeper(dir, n, v, now)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func look(t *testing.T, k *slot.Keeper, now time.Duration, s slot.Seen) {
	t.Helper()
	if err := k.Look(now, s); err != nil {
		t.Fatal(err)
	}
}

func recall(t *testing.T, dir string, n slot.Name) slot.Seen {
	t.Helper()
	_, s, known, err := slot.Recall(dir, n)
	if err != nil || !known {
		t.Fatalf("slot %s: known %t, %v", n, known, err)
	}
	return s
}

func same(a, b slot.Seen) bool {
	return a.Link == b.Link && a.Healthy == b.Healthy && slices.Equal(a.Devices, b.Devices) && slices.Equal(a.Interfaces, b.Interfaces) && slices.Equal(a.Carriers, b.Carriers)
}

func TestEvidenceComesAtOnceAndGoesSlowly(t *testing.T) {
	dir := t.TempDir()
	k := open(t, dir, slot.A, "1", 0)
	look(t, k, 0, slot.Seen{})
	if got := recall(t, dir, slot.A); !same(got, slot.Seen{}) {
		t.Fatalf("a version that saw nothing left %+v", got)
	}
	look(t, k, time.Minute, all)
	if got := recall(t, dir, slot.A); !same(got, all) {
		t.Fatalf("%+v, want %+v", got, all)
	}
	less := slot.Seen{Healthy: true, Devices: []string{"plc-2"}, Interfaces: []string{"end0"}}
	look(t, k, time.Minute+slot.Forget-1, less)
	if got := recall(t, dir, slot.A); !same(got, all) {
		t.Fatalf("it forgot within half an hour: %+v", got)
	}
	look(t, k, time.Minute+slot.Forget, less)
	if got := recall(t, dir, slot.A); !same(got, less) {
		t.Fatalf("%+v, want %+v", got, less)
	}
}

// A start takes over what the same version left, and half an hour of its own running goes by before it forgets.
func TestARestartForgetsNothing(t *testing.T) {
	dir := t.TempDir()
	look(t, open(t, dir, slot.A, "1", 0), 0, all)
	k := open(t, dir, slot.A, "1", time.Second)
	look(t, k, 2*time.Minute, slot.Seen{})
	if got := recall(t, dir, slot.A); !same(got, all) {
		t.Errorf("%+v", got)
	}
	look(t, open(t, dir, slot.A, "2", 0), time.Minute, slot.Seen{Healthy: true})
	if got := recall(t, dir, slot.A); !same(got, slot.Seen{Healthy: true}) {
		t.Errorf("another version in the slot took over %+v", got)
	}
}

// Looks that see nothing new write nothing: the file is not even looked at.
func TestTheFileIsWrittenRarely(t *testing.T) {
	dir := t.TempDir()
	k := open(t, dir, slot.A, "1", 0)
	look(t, k, 0, all)
	path := filepath.Join(dir, slot.MemoryFile)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	for now := time.Minute; now < 24*time.Hour; now += time.Minute {
		s := all
		if now%(20*time.Minute) == 0 { // a device that goes and comes
			s.Devices = s.Devices[:1]
		}
		look(t, k, now, s)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it was written again: %v", err)
	}
}

// Versions A and B write to one file in turn, and each keeps what the other wrote, with fields that it does not know.
func TestEachVersionKeepsTheOthersEntry(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, slot.MemoryFile)
	look(t, open(t, dir, slot.A, "1", 0), 0, all)
	later := `{"form":2,"new":true,"slots":{"A":{"version":"1","link":true,"devices":["plc-1"]},"B":{"version":"2","healthy":true,"novelty":{"x":[1]}}}}`
	if err := os.WriteFile(path, []byte(later), 0o600); err != nil {
		t.Fatal(err)
	}
	k := open(t, dir, slot.A, "1", 0)
	look(t, k, time.Minute, slot.Seen{Link: true, Devices: []string{"plc-1", "plc-9"}})
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), `"novelty":{"x":[1]}`) || !strings.Contains(string(text), "plc-9") {
		t.Errorf("%s %v", text, err)
	}
	if v, s, known, err := slot.Recall(dir, slot.B); err != nil || !known || v != "2" || !s.Healthy {
		t.Errorf("slot B: %s %+v %t %v", v, s, known, err)
	}
}

func TestMemoriesThatCannotBeUsed(t *testing.T) {
	whole := `{"form":1,"slots":{"A":{"version":"1","link":true}}}`
	for name, make := range map[string]func(path string) error{
		"torn":      func(p string) error { return os.WriteFile(p, []byte(whole[:20]), 0o600) },
		"empty":     func(p string) error { return os.WriteFile(p, nil, 0o600) },
		"zeros":     func(p string) error { return os.WriteFile(p, []byte(strings.Repeat("\x00", 512)), 0o600) },
		"no form":   func(p string) error { return os.WriteFile(p, []byte(`{}`), 0o600) },
		"too large": func(p string) error { return os.WriteFile(p, []byte(strings.Repeat(" ", 5<<20)), 0o600) },
		"a folder":  func(p string) error { return os.Mkdir(p, 0o700) },
		"a pipe":    func(p string) error { return syscall.Mkfifo(p, 0o600) },
		"a link":    func(p string) error { return os.Symlink("/dev/zero", p) },
	} {
		dir := t.TempDir()
		if err := make(filepath.Join(dir, slot.MemoryFile)); err != nil {
			t.Fatal(err)
		}
		if _, _, known, err := slot.Recall(dir, slot.A); known || !errors.Is(err, slot.ErrMemory) {
			t.Errorf("%s: known %t, %v", name, known, err)
		}
		k, err := slot.OpenKeeper(dir, slot.A, "1", 0)
		if !errors.Is(err, slot.ErrMemory) {
			t.Errorf("%s: %v", name, err)
		}
		if name == "a folder" {
			continue
		}
		look(t, k, time.Second, all)
		if got := recall(t, dir, slot.A); !same(got, all) {
			t.Errorf("%s: written anew it is %+v", name, got)
		}
	}
	if _, _, known, err := slot.Recall(t.TempDir(), slot.A); known || err != nil {
		t.Errorf("none: known %t, %v", known, err)
	}
}

func TestALookThatCannotBeWrittenIsTriedAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gone")
	k, err := slot.OpenKeeper(dir, slot.A, "1", 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Look(0, all); err == nil {
		t.Fatal("it was written where there is no folder")
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	look(t, k, time.Minute, all)
	if got := recall(t, dir, slot.A); !same(got, all) {
		t.Errorf("%+v", got)
	}
}

func FuzzMemory(f *testing.F) {
	f.Add(`{"form":1,"slots":{"A":{"version":"1","link":true,"devices":["x"]},"B":null}}`)
	f.Add(`{"form":1,"slots":{"A":[]}}`)
	f.Fuzz(func(t *testing.T, text string) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, slot.MemoryFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, _, _, _ = slot.Recall(dir, slot.A)
		k, _ := slot.OpenKeeper(dir, slot.A, "1", 0)
		look(t, k, time.Hour, slot.Seen{Link: true})
		if got := recall(t, dir, slot.A); !got.Link {
			t.Errorf("%+v", got)
		}
	})
}
