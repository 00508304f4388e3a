package segment

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/courtside-edge/courtside/sync/faulttest"
)

// appendRole appends, syncs and releases until it is killed, and says what was synced. The small state's "last" is the offset
// of the newest record, always.
func appendRole(args []string) error {
	s, err := Open(args[0], small())
	if err != nil {
		return err
	}
	_, next := s.Bounds()
	r := rand.New(rand.NewPCG(next, 7))
	for {
		for range 1 + r.IntN(8) {
			tx := Tx{Set: map[string][]byte{"last": fmt.Append(nil, next)}, Records: [][]byte{body(next, r.IntN(6000))}}
			if _, err := s.Append(tx); err != nil {
				return err
			}
			next++
		}
		synced, err := s.Sync()
		if err != nil {
			return err
		}
		fmt.Println("synced", synced)
		if synced > 200 && r.IntN(8) == 0 {
			if err := s.Release(0, synced-200); err != nil {
				return err
			}
		}
	}
}

// holdRole opens a store and keeps it.
func holdRole(args []string) error {
	if _, err := Open(args[0], small()); err != nil {
		return err
	}
	fmt.Println("open")
	select {}
}

func TestAKilledProcessLosesNothingThatWasSynced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(1, 2))
	for round := range envRounds(4) {
		p := faulttest.Start(t, "append", dir)
		synced := uint64(0)
		note := func(line string) {
			n, err := strconv.ParseUint(strings.TrimPrefix(line, "synced "), 10, 64)
			if err != nil {
				t.Fatalf("round %d: the child says %q", round, line)
			}
			synced = n
		}
		for range 1 + r.IntN(120) {
			line, err := p.Line()
			if err != nil {
				t.Fatalf("round %d: the child ended: %s", round, p.Stderr())
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
		checkKilled(t, dir, synced)
	}
}

func checkKilled(t *testing.T, dir string, synced uint64) {
	t.Helper()
	s, err := Open(dir, small())
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, s)
	if rec := s.Recovery(); rec.Clean || len(rec.Lost) > 0 || rec.StateLost || len(rec.SetAside) > 0 {
		t.Errorf("Recovery() = %+v", rec)
	}
	first, next := s.Bounds()
	if next < synced {
		t.Fatalf("the next offset is %d, but everything before %d was synced", next, synced)
	}
	if last, _ := s.State("last"); string(last) != fmt.Sprint(next-1) {
		t.Errorf("the small state says that the last record is %s, and the next offset is %d", last, next)
	}
	at := first
	for rec, err := range s.Scan(first) {
		if err != nil {
			t.Fatal(err)
		}
		if rec.Offset != at || !bytes.Equal(rec.Bytes, body(at, len(rec.Bytes))) {
			t.Fatalf("record %d is not as written (looking for %d)", rec.Offset, at)
		}
		at++
	}
	if at != next {
		t.Errorf("the scan ended at %d of %d", at, next)
	}
	if first > 0 && first+200 > next {
		t.Errorf("records from %d on were released, the oldest is %d", next-200, first)
	}
}

func TestASecondProcessIsRefusedWithTheFirstOnesPID(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := faulttest.Start(t, "hold", dir)
	if line, err := p.Line(); err != nil || line != "open" {
		t.Fatalf("the child says %q, %v: %s", line, err, p.Stderr())
	}
	_, err := Open(dir, small())
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), fmt.Sprintf("process %d holds", p.PID())) {
		t.Errorf("Open = %v, want ErrLocked naming process %d", err, p.PID())
	}
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	s, err := Open(dir, small())
	if err != nil {
		t.Fatalf("after the holder was killed: %v", err)
	}
	mustClose(t, s)
}
