package fingerprint

import (
	"math"
	"testing"

	"github.com/courtside-edge/courtside/sync/point"
)

func id(seq uint64) point.BatchID {
	return point.BatchID{Epoch: point.Epoch{1}, Lane: point.Telemetry, Seq: seq}
}

func TestTheOldestIsForgotten(t *testing.T) {
	b := Book{Limit: 3}
	for seq := range uint64(5) {
		b.Put(id(seq), Print(seq))
	}
	for seq := range uint64(5) {
		if p, ok := b.Get(id(seq)); ok != (seq >= 2) || ok && p != Print(seq) {
			t.Errorf("seq %d: %d, %v", seq, p, ok)
		}
	}
	if b.Len() != 3 {
		t.Errorf("%d are remembered, want 3", b.Len())
	}
}

// TestHugeNumbersCostNothing: a gateway that counts from the end of the numbers gets no more memory or time than any other.
func TestHugeNumbersCostNothing(t *testing.T) {
	b := Book{Limit: 8}
	for i := range uint64(1000) {
		b.Put(id(math.MaxUint64-i*1e15), Print(i))
	}
	if b.Len() != 8 {
		t.Errorf("%d are remembered, want 8", b.Len())
	}
}

func TestPutAgainReplaces(t *testing.T) {
	b := Book{Limit: 2}
	b.Put(id(1), 1)
	b.Put(id(1), 2)
	b.Put(id(2), 3)
	if p, ok := b.Get(id(1)); !ok || p != 2 {
		t.Errorf("%d, %v; want 2", p, ok)
	}
}

func TestAllKeepsTheOrder(t *testing.T) {
	a, b := Book{Limit: 4}, Book{Limit: 4}
	for seq := range uint64(7) {
		a.Put(id(seq), Print(seq))
	}
	for k, p := range a.All() {
		b.Put(k, p)
	}
	a.Put(id(7), 7)
	b.Put(id(7), 7)
	for seq := range uint64(8) {
		x, okX := a.Get(id(seq))
		y, okY := b.Get(id(seq))
		if x != y || okX != okY {
			t.Errorf("seq %d: %d %v, the copy has %d %v", seq, x, okX, y, okY)
		}
	}
}

func TestOfOverlooksNothingOfTheFrame(t *testing.T) {
	if Of([]byte("one")) == Of([]byte("two")) || Of(nil) == Of([]byte{0}) {
		t.Error("two contents have one print")
	}
}
