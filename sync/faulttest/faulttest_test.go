package faulttest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	os.Exit(Main(m, map[string]Role{
		"count": func(args []string) error {
			for i := range 3 {
				fmt.Println(args[0], i)
			}
			time.Sleep(time.Hour)
			return nil
		},
		"fail": func([]string) error { return errors.New("on purpose") },
	}))
}

func TestAChildIsKilledAndItsLinesSurvive(t *testing.T) {
	p := Start(t, "count", "line")
	if got, err := p.Line(); got != "line 0" || err != nil {
		t.Fatalf("Line() = %q, %v", got, err)
	}
	if got, err := p.Line(); got != "line 1" || err != nil {
		t.Fatalf("Line() = %q, %v", got, err)
	}
	if p.PID() <= 0 || p.PID() == os.Getpid() {
		t.Errorf("PID() = %d", p.PID())
	}
	if got, err := p.Line(); got != "line 2" || err != nil {
		t.Fatalf("Line() = %q, %v", got, err)
	}
	if lines, err := p.Drain(); len(lines) != 0 || err != nil {
		t.Errorf("Drain() = %q, %v", lines, err)
	}
	if err := p.Kill(); err != nil {
		t.Errorf("killing a dead child: %v", err)
	}
}

func TestAChildThatFailsSaysWhy(t *testing.T) {
	for role, want := range map[string]string{"fail": "on purpose", "unheard-of": "no role"} {
		p := Start(t, role)
		if _, err := p.Line(); !errors.Is(err, io.EOF) {
			t.Fatalf("Line() = %v, want EOF", err)
		}
		_ = p.cmd.Wait()
		if !bytes.Contains([]byte(p.Stderr()), []byte(want)) {
			t.Errorf("stderr of %s is %q, want %q in it", role, p.Stderr(), want)
		}
	}
}

func TestAnImageHoldsWhatWasSyncedAndAnyPartOfTheRest(t *testing.T) {
	live := t.TempDir()
	put := func(name string, fill byte, pages int) {
		t.Helper()
		path := filepath.Join(live, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, bytes.Repeat([]byte{fill}, pages*pageBytes), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("same", 1, 2)
	put("grown", 1, 4)
	put("removed", 1, 1)
	var s Shadow
	if err := s.Capture(live); err != nil {
		t.Fatal(err)
	}
	put("grown", 2, 8)
	put("new/file", 2, 2)
	if err := os.Remove(filepath.Join(live, "removed")); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for seed := range uint64(60) {
		dir := t.TempDir()
		if err := s.Image(dir, live, rand.New(rand.NewPCG(seed, 1))); err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(filepath.Join(dir, "same")); err != nil || !bytes.Equal(b, bytes.Repeat([]byte{1}, 2*pageBytes)) {
			t.Fatalf("what was synced changed: %v", err)
		}
		b, err := os.ReadFile(filepath.Join(dir, "grown"))
		if err != nil {
			t.Fatal(err)
		}
		seen[fmt.Sprintf("size %d", len(b)/pageBytes)] = true
		for at := 0; at < len(b); at += pageBytes {
			seen[fmt.Sprintf("page %d is %d", at/pageBytes, b[at])] = true
		}
		for _, name := range []string{"removed", "new", "new/file"} {
			_, err := os.Stat(filepath.Join(dir, name))
			seen[fmt.Sprintf("%s %t", name, err == nil)] = true
		}
	}
	for _, want := range []string{
		"size 4", "size 8", "page 0 is 1", "page 0 is 2", "page 3 is 1", "page 3 is 2", "page 7 is 0", "page 7 is 2",
		"removed true", "removed false", "new true", "new false", "new/file true", "new/file false",
	} {
		if !seen[want] {
			t.Errorf("no image showed %q", want)
		}
	}
	if seen["page 7 is 1"] {
		t.Error("an image holds what was never written")
	}
}

func TestCopyIsExactAndKeepsHoles(t *testing.T) {
	live, dir := t.TempDir(), t.TempDir()
	f, err := os.Create(filepath.Join(live, "sparse"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("end"), 1<<20); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := Copy(dir, live); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(filepath.Join(live, "sparse"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "sparse")); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the copy differs: %v", err)
	}
}
