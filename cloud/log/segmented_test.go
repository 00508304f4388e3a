package log_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/courtside-edge/courtside/cloud/log"
	"github.com/courtside-edge/courtside/cloud/log/logtest"
	"github.com/courtside-edge/courtside/sync/faulttest"
)

func TestMain(m *testing.M) {
	code := faulttest.Main(m, map[string]faulttest.Role{"append": appendRole})
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

func options() log.Options {
	return log.Options{SegmentBytes: log.MinSegmentBytes, CacheBytes: 1 << 20, MinFree: -1}
}

func open(t *testing.T, dir string, o log.Options) *log.Segmented {
	t.Helper()
	l, err := log.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func TestSegmentedConforms(t *testing.T) {
	dirs := map[log.Log]string{}
	logtest.Run(t, logtest.Harness{
		Open: func(t *testing.T) log.Log {
			dir := t.TempDir()
			l := open(t, dir, options())
			dirs[l] = dir
			return l
		},
		Reopen: func(t *testing.T, l log.Log) log.Log {
			if err := l.(*log.Segmented).Close(); err != nil {
				t.Fatal(err)
			}
			again := open(t, dirs[l], options())
			dirs[again] = dirs[l]
			return again
		},
		Break: func(t *testing.T, l log.Log) { log.Break(l.(*log.Segmented)) },
	})
}

// appendRole appends until it is killed and says what became durable.
func appendRole(args []string) error {
	l, err := log.Open(args[0], options())
	if err != nil {
		return err
	}
	_, next := l.Bounds()
	go func() {
		for {
			moved := l.Watch()
			fmt.Println("synced", l.Synced())
			<-moved
		}
	}()
	for n := int(next); ; n++ {
		if _, err := l.Append(logtest.Make(n, 20000)); err != nil {
			return err
		}
	}
}

func TestAKilledLogKeepsWhatItCalledSynced(t *testing.T) {
	dir := t.TempDir()
	for round := range 3 {
		p := faulttest.Start(t, "append", dir)
		synced := uint64(0)
		note := func(line string) {
			n, err := strconv.ParseUint(strings.TrimPrefix(line, "synced "), 10, 64)
			if err != nil {
				t.Fatalf("the child says %q", line)
			}
			synced = n
		}
		for range 3 + 9*round {
			line, err := p.Line()
			if err != nil {
				t.Fatalf("the child ended: %v: %s", err, p.Stderr())
			}
			note(line)
		}
		lines, err := p.Drain()
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range lines {
			note(line)
		}
		l := open(t, dir, options())
		_, next := l.Bounds()
		if next < synced {
			t.Fatalf("the next offset is %d, %d was synced", next, synced)
		}
		ctx, cancel := context.WithCancel(t.Context())
		for r, err := range l.Read(ctx, 0) {
			if err != nil {
				t.Fatal(err)
			}
			if d := logtest.Differ(r, logtest.Make(int(r.Offset), 20000), r.Offset); d != "" {
				t.Fatal(d)
			}
			if r.Offset+1 == next {
				break
			}
		}
		cancel()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestARecordThatCannotBeReadBackIsNamedAndReadingGoesOn(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, options())
	for n := range 10 {
		if _, err := l.Append(logtest.Make(n, 5000)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	flip(t, dir, strings.Repeat("\x06", 5000))
	l = open(t, dir, options())
	var bad *log.CorruptError
	if _, err := l.Get(6); !errors.As(err, &bad) || !errors.Is(err, log.ErrCorrupt) || bad.From != 6 || bad.To != 7 {
		t.Errorf("Get(6) = %v, want a CorruptError of 6", err)
	}
	var good []uint64
	for r, err := range l.Read(t.Context(), 0) {
		if errors.Is(err, log.ErrCorrupt) {
			if r.Offset != 6 {
				t.Errorf("record %d: %v", r.Offset, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if good = append(good, r.Offset); r.Offset == 9 {
			break
		}
	}
	if fmt.Sprint(good) != "[0 1 2 3 4 5 7 8 9]" {
		t.Errorf("read %v", good)
	}
}

// flip changes one bit in the middle of the first place in a value log that holds what.
func flip(t *testing.T, dir, what string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*", "*", "*.vlog"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if at := strings.Index(string(b), what); at >= 0 {
			b[at+len(what)/2] ^= 4
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatal("there is no such record on disk")
}

func TestAnIntervalBoundsTheRoundsOfFsync(t *testing.T) {
	o := options()
	o.MinSyncInterval = time.Hour
	l := open(t, t.TempDir(), o)
	before := l.Stats().Syncs
	for n := range 50 {
		if _, err := l.Append(logtest.Make(n, 10)); err != nil {
			t.Fatal(err)
		}
	}
	for l.Synced() == 0 {
		<-l.Watch()
	}
	if rounds := l.Stats().Syncs - before; rounds > 1 {
		t.Errorf("%d rounds of fsync within the interval", rounds)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got := l.Synced(); got != 50 {
		t.Errorf("after Close Synced() = %d, want 50", got)
	}
}

func TestAClosedLogSaysSo(t *testing.T) {
	l := open(t, t.TempDir(), options())
	if _, err := l.Append(logtest.Make(0, 10)); err != nil {
		t.Fatal(err)
	}
	following := make(chan error, 1)
	begun := make(chan struct{})
	go func() {
		for _, err := range l.Read(context.Background(), 0) {
			if err != nil {
				following <- err
				return
			}
			close(begun)
		}
		following <- io.EOF
	}()
	<-begun
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-following; !errors.Is(err, log.ErrClosed) {
		t.Errorf("a follower ended with %v, want ErrClosed", err)
	}
	if err := l.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
	_, aerr := l.Append(logtest.Make(0, 10))
	_, gerr := l.Get(0)
	for what, err := range map[string]error{"Append": aerr, "Get": gerr, "Trim": l.Trim(0)} {
		if !errors.Is(err, log.ErrClosed) {
			t.Errorf("%s = %v, want ErrClosed", what, err)
		}
	}
	<-l.Watch()
	if l.Err() != nil {
		t.Errorf("closing counts as failing: %v", l.Err())
	}
}

func TestOptionsOutOfRangeAreRefused(t *testing.T) {
	if _, err := log.Open(t.TempDir(), log.Options{SegmentBytes: 1000}); err == nil || !strings.Contains(err.Error(), "too small") {
		t.Errorf("Open = %v", err)
	}
}
