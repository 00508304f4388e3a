package gateway_test

import (
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"sync/atomic"
	"testing"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/sync/faulttest"
	"github.com/courtside-edge/courtside/sync/point"
)

// flood is a device whose values can all change at each poll, to what compresses least.
type flood struct{ on atomic.Bool }

func (f *flood) Prepare(d drivers.Device) (drivers.Source, error) {
	s := &floodSource{f: f, d: d}
	for _, g := range d.Groups {
		for _, t := range g.Targets {
			s.block.Readings = append(s.block.Readings, drivers.Reading{Index: t.Index})
		}
	}
	return s, nil
}

type floodSource struct {
	f     *flood
	d     drivers.Device
	block drivers.Block
}

func (s *floodSource) Open(context.Context) (drivers.Conn, error) { return s, nil }
func (s *floodSource) Close() error                               { return nil }

func (s *floodSource) Poll(_ context.Context, _ int, yield func(*drivers.Block)) error {
	if s.f.on.Load() {
		for i := range s.block.Readings {
			s.block.Readings[i].Bits = math.Float64bits(rand.Float64())
		}
	}
	s.block.Time = s.d.Clock.Mono()
	yield(&s.block)
	return nil
}

// The disk runs full in the middle of a spill and is freed later: everybody is counted, what was stored comes, and what did not fit is
// declared, number by number and with its samples.
func TestADiskThatFillsUpDuringAnOutageAndIsFreed(t *testing.T) {
	t.Parallel()
	dir := faulttest.SmallDisk(t, 256<<20)
	r, f := newRig(t, dir), &flood{}
	r.drivers = maps.Clone(r.drivers)
	r.drivers["flood"] = f
	text, err := os.ReadFile(r.file)
	if err != nil {
		t.Fatal(err)
	}
	text = fmt.Append(text, "  - id: flood\n    driver: flood\n    points:\n      - {range: \"noise/{n:1..5000}\", type: float, scan: fast}\nspool: {window: 1MiB, min_free: 32MiB}\n")
	if err := os.WriteFile(r.file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	g := r.start()
	r.sees()
	r.c.be(away)
	f.on.Store(true)
	r.count(20)
	eventually(t, func() string {
		if n := g.Status().Spool.Spilled; n == 0 {
			return "nothing was spilled"
		}
		return ""
	})
	free, err := faulttest.Fill(dir, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string {
		if s := g.Status().Spool; s.StoreErrors == 0 || s.DroppedSamples == 0 {
			return fmt.Sprintf("no store missed the space: %+v", s)
		}
		return ""
	})
	r.count(50) // critical goes on, as long as its own reserve lasts
	f.on.Store(false)
	if err := free(); err != nil {
		t.Fatal(err)
	}
	r.c.be(polite)
	r.count(20)
	r.sees()
	r.accounted()
	eventually(t, func() string { // until then an inventory alone tells of some
		r.c.mu.Lock()
		waiting := r.c.inventories[len(r.c.inventories)-1].Gaps
		r.c.mu.Unlock()
		if len(waiting) == 0 {
			return ""
		}
		r.c.rebirth()
		return fmt.Sprintf("%d gaps are in no batch yet", len(waiting))
	})
	dropped := g.Status().Spool.DroppedSamples
	r.close(g)
	declared := uint64(0)
	r.c.mu.Lock()
	for _, gap := range r.c.gaps {
		if gap.Reason != point.GapDropped && gap.Reason != point.GapDiskFailed || gap.To == 0 || gap.Count == 0 {
			t.Errorf("gap %+v", gap)
		}
		declared += gap.Count
	}
	r.c.mu.Unlock()
	if declared != dropped {
		t.Errorf("%d samples were declared, %d were dropped", declared, dropped)
	}
}
