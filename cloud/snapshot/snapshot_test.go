package snapshot

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/courtside-edge/courtside/sync/point"
)

const venue = point.ID("dal-001")

func writes(from uint64, body string) Writer {
	return func(w io.Writer) (uint64, uint64, error) {
		_, err := io.WriteString(w, body)
		return from, from + 5, err
	}
}

func atOnce(uint64) error { return nil }

func open(t *testing.T) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "snapshots"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func save(t *testing.T, s *Store, from uint64, body string) {
	t.Helper()
	if _, err := s.Save(Meta{Venue: venue, Incarnation: "inc"}, writes(from, body), atOnce); err != nil {
		t.Fatal(err)
	}
}

// load returns the body of what is loaded.
func load(t *testing.T, s *Store, incarnation string) (string, *Meta, []error) {
	t.Helper()
	body := ""
	m, refused := s.Load(venue, incarnation, func(_ Meta, b []byte) error { body = string(b); return nil })
	for _, err := range refused {
		if !errors.Is(err, ErrUnusable) {
			t.Errorf("refused without a kind: %v", err)
		}
	}
	return body, m, refused
}

func TestTheNewestIsLoaded(t *testing.T) {
	s := open(t)
	for from := uint64(8); from < 13; from++ {
		save(t, s, from, strings.Repeat("x", int(from)))
	}
	body, m, refused := load(t, s, "inc")
	if len(body) != 12 || m == nil || m.From != 12 || m.Incarnation != "inc" || len(refused) > 0 {
		t.Errorf("%q, %+v, %v", body, m, refused)
	}
	if from, ok := s.Oldest(venue); !ok || from != 11 {
		t.Errorf("the log is needed from %d, %v; want 11", from, ok)
	}
	if files, _ := os.ReadDir(s.dir); len(files) != Keep {
		t.Errorf("%d files are kept, want %d", len(files), Keep)
	}
}

func TestTheOneBeforeServesWhenTheNewestIsDamaged(t *testing.T) {
	s := open(t)
	save(t, s, 1, "the first state")
	save(t, s, 2, "the second state")
	name := s.path(Meta{Venue: venue, From: 2})
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string, b []byte) {
		t.Helper()
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if body, m, refused := load(t, s, "inc"); body != "the first state" || m == nil || m.From != 1 || len(refused) != 1 {
			t.Errorf("%s: %q, %+v, %v", what, body, m, refused)
		}
	}
	for n := range whole {
		check("torn", whole[:n])
		flipped := append([]byte(nil), whole...)
		flipped[n] ^= 4
		check("flipped", flipped)
	}
}

func TestAnotherLogsSnapshotIsNotUsed(t *testing.T) {
	s := open(t)
	save(t, s, 1, "state")
	if body, m, refused := load(t, s, "another"); body != "" || m != nil || len(refused) != 1 {
		t.Errorf("%q, %+v, %v", body, m, refused)
	}
	if err := os.Rename(s.path(Meta{Venue: venue, From: 1}), s.path(Meta{Venue: "dal-002", From: 1})); err != nil {
		t.Fatal(err)
	}
	if m, refused := s.Load("dal-002", "inc", func(Meta, []byte) error { return nil }); m != nil || len(refused) != 1 {
		t.Errorf("another venue's file was used: %+v, %v", m, refused)
	}
}

func TestWhatUseRefusesIsPassedOver(t *testing.T) {
	s := open(t)
	save(t, s, 1, "old form")
	save(t, s, 2, "new form")
	m, refused := s.Load(venue, "inc", func(_ Meta, b []byte) error {
		if string(b) == "new form" {
			return errors.New("not known here")
		}
		return nil
	})
	if m == nil || m.From != 1 || len(refused) != 1 {
		t.Errorf("%+v, %v", m, refused)
	}
}

// TestNothingIsLeftOfAFailure: the disk is full, the state cannot be written, or what it rests on never becomes durable.
func TestNothingIsLeftOfAFailure(t *testing.T) {
	broken := errors.New("no space left on device")
	for name, save := range map[string]func(*Store) error{
		"while writing": func(s *Store) error {
			_, err := s.Save(Meta{Venue: venue}, func(w io.Writer) (uint64, uint64, error) {
				_, _ = io.WriteString(w, "half a st")
				return 0, 0, broken
			}, atOnce)
			return err
		},
		"the log never syncs": func(s *Store) error {
			_, err := s.Save(Meta{Venue: venue}, writes(9, "state"), func(upTo uint64) error {
				if upTo != 14 {
					t.Errorf("asked about offset %d, want 14", upTo)
				}
				return broken
			})
			return err
		},
	} {
		s := open(t)
		if err := save(s); !errors.Is(err, broken) {
			t.Errorf("%s: %v", name, err)
		}
		if files, _ := os.ReadDir(s.dir); len(files) > 0 {
			t.Errorf("%s: %s is left", name, files[0].Name())
		}
	}
}

func TestUnfinishedIsRemoved(t *testing.T) {
	s := open(t)
	save(t, s, 1, "state")
	if err := os.WriteFile(filepath.Join(s.dir, "dal-001"+unfinished), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(s.dir); err != nil {
		t.Fatal(err)
	}
	if files, _ := os.ReadDir(s.dir); len(files) != 1 {
		t.Errorf("%d files, want the finished one", len(files))
	}
	if _, ok := s.Oldest(venue); ok {
		t.Error("with one snapshot the log may be trimmed: it is the other one")
	}
}

func TestADirectoryThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(filepath.Join(file, "snapshots")); err == nil {
		t.Error("a directory within a file was opened")
	}
}
