package gateway_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/courtside-edge/courtside/sync/faulttest"
	"github.com/courtside-edge/courtside/sync/interval"
	"github.com/courtside-edge/courtside/sync/mqtt"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

type laneOf struct {
	epoch point.Epoch
	lane  point.Lane
}

// unaccounted names a number that the inventories show as given and that is neither held by the cloud nor in a gap, or says what is
// still pending. It is I10 as the cloud sees it.
func (c *cloud) unaccounted() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	known, open := map[laneOf]*interval.Set{}, map[laneOf]uint64{}
	of := func(k laneOf) *interval.Set {
		if known[k] == nil {
			known[k] = &interval.Set{}
		}
		return known[k]
	}
	for id := range c.frames {
		of(laneOf{id.Epoch, id.Lane}).AddOne(id.Seq)
	}
	gaps := c.gaps
	next := map[laneOf]uint64{}
	for i, inv := range c.inventories {
		if i == len(c.inventories)-1 {
			gaps = append(gaps[:len(gaps):len(gaps)], inv.Gaps...)
		}
		for _, e := range inv.Epochs {
			for _, l := range e.Lanes {
				k := laneOf{e.Epoch, l.Lane}
				next[k] = max(next[k], l.Next)
				if i == len(c.inventories)-1 && len(l.Pending) > 0 {
					return fmt.Sprintf("%v/%v: %v is pending", k.epoch, k.lane, l.Pending)
				}
			}
		}
	}
	for _, g := range gaps {
		switch k := (laneOf{g.Epoch, g.Lane}); {
		case g.PointKnown:
		case g.To == 0:
			if from, twice := open[k]; !twice || g.From < from {
				open[k] = g.From
			}
		default:
			of(k).Add(interval.Interval{From: g.From, To: g.To})
		}
	}
	for k, end := range next {
		if from, ok := open[k]; ok {
			end = min(end, from)
		}
		for seq := range end {
			if !of(k).Has(seq) {
				return fmt.Sprintf("%v/%v/%d is neither held nor in a gap", k.epoch, k.lane, seq)
			}
		}
	}
	return ""
}

// accounted waits until nothing is pending and each number is held or in a gap. The cloud asks for inventories meanwhile.
func (r *rig) accounted() {
	r.t.Helper()
	eventually(r.t, func() string {
		wrong := r.c.unaccounted()
		if wrong != "" {
			r.c.rebirth()
		}
		return wrong
	})
}

// rebirth asks the gateway for an inventory.
func (c *cloud) rebirth() {
	c.mu.Lock()
	c.commands++
	s, id := c.session, fmt.Sprint(c.commands)
	c.mu.Unlock()
	s.o.OnMessage(mqtt.Message{Topic: wire.GatewayTopic("v", "g", wire.CommandCh), Payload: wire.EncodeCommand(wire.Command{ID: id, Kind: wire.Rebirth})})
}

// backlog has an outage leave batches in both stores, and stops the gateway.
func (r *rig) backlog() {
	r.t.Helper()
	g := r.start()
	r.sees()
	r.c.be(away)
	r.count(200)
	eventually(r.t, func() string {
		if n := g.Status().Spool.Spilled; n < 5 {
			return fmt.Sprintf("%d batches were spilled", n)
		}
		return ""
	})
	r.close(g)
	r.c.be(polite)
}

// segments returns the files below a store of the gateway that match.
func (r *rig) segments(lane, pattern string) []string {
	r.t.Helper()
	files, err := filepath.Glob(filepath.Join(r.dataDir(), "spool", lane, "store", "seg-*", pattern))
	if err != nil || len(files) == 0 {
		r.t.Fatalf("%d files %s of the %s store: %v", len(files), pattern, lane, err)
	}
	return files
}

// said collects what the gateway logs.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *said) Write(b []byte) (int, error) { s.mu.Lock(); defer s.mu.Unlock(); return s.text.Write(b) }
func (s *said) has(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Contains(s.text.String(), text)
}

func (r *rig) listen() *said {
	s := &said{}
	r.log = slog.New(slog.NewTextHandler(s, nil))
	return s
}

// Bits of a stored backlog flip while the gateway is off: everybody is counted, and each batch that cannot be read is in a gap.
func TestBitsFlippedInAStoredBacklog(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	r.backlog()
	random := rand.New(rand.NewPCG(3, 4))
	for _, path := range r.segments("telemetry", "*.vlog") {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		used := len(bytes.TrimRight(b, "\x00"))
		for range used / 1000 {
			b[random.IntN(used)] ^= 1 << random.IntN(8)
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	g := r.start()
	r.count(20)
	r.sees()
	r.accounted()
	r.c.mu.Lock()
	corrupt := 0
	for _, gap := range r.c.gaps {
		if gap.Reason == point.GapCorrupt {
			corrupt++
		}
	}
	r.c.mu.Unlock()
	if corrupt == 0 {
		t.Error("no batch was declared corrupt")
	}
	r.close(g)
}

// A power cut tears the newest file of each store at any byte: everybody is counted, and what the cut cost is in an open gap.
func TestStoreFilesTornByAPowerCut(t *testing.T) {
	t.Parallel()
	r := newRig(t, filepath.Join(t.TempDir(), "data"))
	g := r.start()
	r.sees()
	r.c.be(away)
	r.count(150)
	eventually(t, func() string {
		if n := g.Status().Spool.Spilled; n < 5 {
			return fmt.Sprintf("%d batches were spilled", n)
		}
		return ""
	})
	live := r.dataDir()
	cut := filepath.Join(filepath.Dir(live), "cut")
	if err := faulttest.Copy(cut, live); err != nil {
		t.Fatal(err)
	}
	r.close(g)
	if err := os.RemoveAll(live); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(cut, live); err != nil {
		t.Fatal(err)
	}
	files := r.segments("telemetry", "*.vlog")
	newest := files[len(files)-1]
	b, err := os.ReadFile(newest)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(newest, int64(len(bytes.TrimRight(b, "\x00"))*2/3)); err != nil {
		t.Fatal(err)
	}
	r.c.be(polite)
	g = r.start()
	r.count(20)
	r.sees()
	r.accounted()
	r.c.mu.Lock()
	open := 0
	for _, gap := range r.c.gaps {
		if gap.Reason == point.GapPowerCut && gap.To == 0 {
			open++
		}
	}
	r.c.mu.Unlock()
	if open != 2 {
		t.Errorf("%d open gaps, want one a lane", open)
	}
	r.close(g)
}

// rewrite replaces a part of the identities of both stores.
func (r *rig) rewrite(old, by string) {
	r.t.Helper()
	for _, lane := range []string{"critical", "telemetry"} {
		path := filepath.Join(r.dataDir(), "spool", lane, "store", "IDENTITY")
		b, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(b, []byte(old)) {
			r.t.Fatalf("%s has no %s: %s %v", path, old, b, err)
		}
		if err := os.WriteFile(path, bytes.Replace(b, []byte(old), []byte(by), 1), 0o600); err != nil {
			r.t.Fatal(err)
		}
	}
}

// The next version adds to what it writes; this one reads it, and nothing is lost when an update is taken back.
func TestAStoreOfTheNextVersionIsRead(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	r.backlog()
	r.rewrite(`"format":1`, `"format":1,"novelty":{"x":[1,2]}`)
	heard := r.listen()
	g := r.start()
	r.sees()
	r.accounted()
	if heard.has("set aside") || len(r.c.gaps) != 0 {
		t.Errorf("something was set aside, or declared: %+v", r.c.gaps)
	}
	r.close(g)
}

// A store of a later format is set aside whole and reported; the gateway starts with a new one and counts on.
func TestAStoreOfALaterVersionIsSetAside(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	r.backlog()
	before, _ := r.c.passages()
	r.rewrite(`"format":1`, `"format":2`)
	heard := r.listen()
	g := r.start()
	if !heard.has("set aside") || !heard.has("later version") {
		t.Errorf("it is not reported: %s", heard.text.String())
	}
	for _, lane := range []string{"critical", "telemetry"} {
		if aside, err := filepath.Glob(filepath.Join(r.dataDir(), "spool", lane, "*store", "seg-*")); err != nil || len(aside) < 2 {
			t.Errorf("the %s store was not kept: %v %v", lane, aside, err)
		}
	}
	counted := func(more uint64) {
		t.Helper()
		eventually(t, func() string {
			if sum, runs := r.c.passages(); sum != before+more || runs != 2 {
				return fmt.Sprintf("%d passages in %d runs, want those %d of before and %d in a run of their own", sum, runs, before, more)
			}
			return ""
		})
	}
	counted(0) // the new run has begun
	r.count(30)
	counted(30)
	r.accounted()
	if e := r.c.newest(); len(e) != 1 || !e[0].Open || !e[0].Predecessor.IsZero() {
		t.Errorf("epochs %+v, want a new one that knows of none before", e)
	}
	r.close(g)
}

// newest returns the epochs of the newest inventory.
func (c *cloud) newest() []wire.EpochInventory {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.inventories[len(c.inventories)-1].Epochs
}

// A card that the kernel mounted read-only: the start says so and changes nothing; once it can be written, nothing is missing.
func TestAStoreOnAFileSystemThatBecameReadOnly(t *testing.T) {
	dir := faulttest.SmallDisk(t, 256<<20)
	r := newRig(t, filepath.Join(dir, "data"))
	r.backlog()
	mountReadOnly(t, dir, true)
	if _, err := r.try(); !errors.Is(err, syscall.EROFS) || !strings.Contains(err.Error(), dir) {
		t.Errorf("starting on a read-only file system: %v; want an error that names %s", err, dir)
	}
	mountReadOnly(t, dir, false)
	g := r.start()
	r.count(10)
	r.sees()
	r.accounted()
	if len(r.c.gaps) != 0 {
		t.Errorf("gaps %+v", r.c.gaps)
	}
	r.close(g)
}
