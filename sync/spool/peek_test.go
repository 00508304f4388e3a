package spool_test

import (
	"slices"
	"testing"

	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/spool"
	"github.com/courtside-edge/courtside/sync/spool/spooltest"
)

// contents returns what Peek shows of everything that is held.
func contents(b *bench) (all []uint64) {
	b.Helper()
	for _, r := range b.sp.Held() {
		for seq := r.From; seq < r.To; seq++ {
			t, ok := b.sp.Peek(point.BatchID{Epoch: r.Epoch, Lane: r.Lane, Seq: seq})
			if !ok {
				continue
			}
			if err := t.Load(); err != nil {
				b.Fatal(err)
			}
			body, err := spooltest.Open(t.Frame)
			if err != nil {
				b.Fatal(err)
			}
			all = append(all, body.Content)
		}
	}
	return all
}

func TestPeekShowsWhatIsHeldAndLeavesIt(t *testing.T) {
	b := newBench(t, nil)
	b.add(point.Critical, 1)
	if got := contents(b); len(got) != 0 {
		t.Fatalf("a critical batch that is not durable shows: %v", got)
	}
	b.mustDisk(point.Critical)
	b.add(point.Telemetry, 2)
	b.now += 1000
	b.mustDisk(point.Telemetry)
	b.add(point.Telemetry, 3) // in RAM alone
	want := []uint64{1, 2, 3}
	for range 2 {
		if got := contents(b); !slices.Equal(got, want) {
			t.Fatalf("held %v, want %v", got, want)
		}
	}
	if n := b.sp.InFlight(); n != 0 {
		t.Errorf("%d batches are in flight after a look at them", n)
	}
	if err := b.sp.Audit(); err != nil {
		t.Error(err)
	}
	if got, _ := b.takeAll(wide); len(got) != 3 {
		t.Errorf("the uplink gets %v afterwards, want all three", got)
	}
}

func TestWhatWasPeekedLeavesByAnAck(t *testing.T) {
	b := newBench(t, nil)
	ids := []point.BatchID{b.add(point.Critical, 1), b.add(point.Telemetry, 2)}
	b.mustDisk(point.Critical)
	contents(b)
	if out := b.ack(ids...); out.Batches.Batches != 2 {
		t.Errorf("the acks let go of %d batches, want 2", out.Batches.Batches)
	}
	if s := b.sp.Stats(); s.ImpossibleAcks != 0 {
		t.Errorf("%d acks count as impossible", s.ImpossibleAcks)
	}
	if _, ok := b.sp.Peek(ids[0]); ok {
		t.Error("what was acknowledged shows still")
	}
	if _, ok := b.sp.Peek(point.BatchID{Epoch: point.Epoch{99}, Lane: point.Telemetry}); ok {
		t.Error("a foreign epoch shows")
	}
}

func TestPeekSeesThePagesOfEarlierOpenings(t *testing.T) {
	b := newBench(t, func(o *spool.Options) { o.Window = 1 << 20; o.Limit = 1 << 30 })
	var want []uint64
	for i := range uint64(3000) {
		b.add(point.Telemetry, i)
		want = append(want, i)
		b.now += 10
		b.mustDisk(point.Telemetry)
	}
	b.closeClean()
	b.reopen()
	if b.sp.Recovery().Pages == 0 {
		t.Fatal("there is no page to look into")
	}
	if got := contents(b); !slices.Equal(got, want) {
		t.Fatalf("%d batches show, want %d", len(got), len(want))
	}
	if err := b.sp.Audit(); err != nil {
		t.Error(err)
	}
}
