package tracking

import (
	"math"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/drivers/tracking/events"
	"github.com/courtside-edge/courtside/sync/point"
)

// pair is a book of players 1 to n, player p at points 2p-2 and 2p-1.
func pair(n int, staleAfter time.Duration) *book {
	b := newBook(int64(staleAfter))
	for p := range n {
		for a := range 2 {
			b.add(int32(p+1), axis(a), drivers.Target{Index: uint32(2*p + a), Point: &point.Point{Type: point.Float}})
		}
	}
	b.begin(0)
	return b
}

func at(id int32, x, y float32, ts uint64) *events.PlayerPosition {
	return &events.PlayerPosition{PlayerId: id, X: x, Y: y, TimestampNs: ts}
}

// TestBothAxesStandTogether: whatever comes in whatever order, a block holds both axes of a message side by side, a player once, and nothing
// of a player goes back in time unless it was stale.
func TestBothAxesStandTogether(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := pair(3, time.Second)
		var block drivers.Block
		newest, heard := map[uint32]int64{}, map[uint32]int64{}
		now := int64(0)
		for range rapid.IntRange(1, 40).Draw(t, "blocks") {
			now += rapid.Int64Range(0, int64(2*time.Second)).Draw(t, "pause")
			block.Reset(now)
			b.missing(&block)
			for _, r := range block.Readings {
				if !r.Quality.IsBad() || now-heard[r.Index/2] < int64(time.Second) {
					t.Fatalf("point %d is missed after %v with quality %v", r.Index, time.Duration(now-heard[r.Index/2]), r.Quality)
				}
				newest[r.Index/2] = 0
			}
			b.yielded()
			block.Reset(now)
			for range rapid.IntRange(0, 6).Draw(t, "messages") {
				m := at(rapid.Int32Range(0, 4).Draw(t, "player"), rapid.Float32Range(-20, 20).Draw(t, "x"), rapid.Float32Range(-20, 20).Draw(t, "y"), rapid.Uint64Range(1, 9).Draw(t, "time"))
				before := len(block.Readings)
				v := b.take(m, &block)
				if (v == taken) != (len(block.Readings) == before+2) || v != taken && len(block.Readings) != before {
					t.Fatalf("verdict %d added %d readings", v, len(block.Readings)-before)
				}
				if v != taken {
					continue
				}
				x, y := block.Readings[before], block.Readings[before+1]
				p := uint32(m.PlayerId - 1)
				if x.Index != 2*p || y.Index != 2*p+1 || math.Float64frombits(x.Bits) != float64(m.X) || math.Float64frombits(y.Bits) != float64(m.Y) {
					t.Fatalf("%v became %v, %v", m, x, y)
				}
				if int64(m.TimestampNs) <= newest[p] {
					t.Fatalf("player %d went from time %d back to %d", m.PlayerId, newest[p], m.TimestampNs)
				}
				newest[p], heard[p] = int64(m.TimestampNs), now
			}
			if len(block.DeviceTimes) != len(block.Readings) {
				t.Fatalf("%d readings with %d device times", len(block.Readings), len(block.DeviceTimes))
			}
			seen := map[uint32]bool{}
			for _, r := range block.Readings {
				if seen[r.Index] {
					t.Fatalf("point %d stands twice in a block", r.Index)
				}
				seen[r.Index] = true
			}
			b.yielded()
		}
	})
}

func TestWhoIsMissedAndWhen(t *testing.T) {
	b := pair(2, time.Second)
	var block drivers.Block
	look := func(now time.Duration) []drivers.Reading {
		block.Reset(int64(now))
		b.missing(&block)
		return block.Readings
	}
	block.Reset(int64(500 * time.Millisecond))
	b.take(at(1, 3, 4, 77), &block)
	if got := look(999 * time.Millisecond); len(got) != 0 {
		t.Errorf("too early: %v", got)
	}
	if got := look(time.Second); len(got) != 2 || got[0].Index != 2 || got[0].Quality != point.BadWaitingForInitialData {
		t.Errorf("the player who never came: %v", got)
	}
	if got := look(1500 * time.Millisecond); len(got) != 2 || got[1].Index != 1 || got[1].Quality != point.BadTimeout {
		t.Errorf("the player who went: %v", got)
	}
	if got := look(time.Hour); len(got) != 0 {
		t.Errorf("missed twice: %v", got)
	}
	if q := b.quiet(int64(3 * time.Second)); q != int64(2500*time.Millisecond) {
		t.Errorf("quiet for %v", time.Duration(q))
	}
	b.yielded()
	block.Reset(int64(time.Hour))
	if v := b.take(at(1, 3, 4, 50), &block); v != taken { // its clock was set back meanwhile
		t.Errorf("a stale player with an older time: verdict %d", v)
	}
}

func TestImpossiblePositions(t *testing.T) {
	for _, x := range []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), 2e5, -2e5} {
		for _, m := range []*events.PlayerPosition{at(1, x, 1, 0), at(1, 1, x, 0)} {
			b := pair(1, time.Second)
			var block drivers.Block
			b.take(m, &block)
			for _, r := range block.Readings {
				if r.Quality != point.BadOutOfRange || r.Bits != 0 {
					t.Errorf("%v gives %v", m, block.Readings)
				}
			}
			if len(block.Readings) != 2 {
				t.Errorf("%v gives %d readings", m, len(block.Readings))
			}
		}
	}
}

func TestIntsHoldTheNearestStep(t *testing.T) {
	b := newBook(1)
	b.add(1, axisX, drivers.Target{Index: 0, Point: &point.Point{Type: point.Int, Scale: 0.01, Offset: -20}})
	b.add(1, axisY, drivers.Target{Index: 1, Point: &point.Point{Type: point.Int}})
	var block drivers.Block
	b.take(at(1, -7.126, -2.5, math.MaxUint64), &block)
	if got := []int64{int64(block.Readings[0].Bits), int64(block.Readings[1].Bits)}; got[0] != 1287 || got[1] != -3 {
		t.Errorf("raw values %v", got)
	}
	if block.DeviceTimes[0] != 0 {
		t.Errorf("a time beyond the year 2262 became %d", block.DeviceTimes[0])
	}
}

// FuzzPositions: what a tracking system sends is never more than two readings of known points, good ones finite.
func FuzzPositions(f *testing.F) {
	for _, m := range []*events.PlayerPosition{at(1, 1.5, -3, 1700000000000000000), at(-1, float32(math.NaN()), 0, 0), at(2, 1e30, 0, math.MaxUint64)} {
		raw, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add([]byte{0x15, 0})
	f.Fuzz(func(t *testing.T, raw []byte) {
		m := new(events.PlayerPosition)
		if proto.Unmarshal(raw, m) != nil {
			return
		}
		b := pair(2, time.Second)
		var block drivers.Block
		b.take(m, &block)
		for _, r := range block.Readings {
			if v := math.Float64frombits(r.Bits); r.Index > 3 || r.Quality.IsGood() && !(math.Abs(v) <= farthest) {
				t.Fatalf("%v became %v", m, r)
			}
		}
		if len(block.Readings)%2 != 0 || len(block.Readings) > 2 {
			t.Fatalf("%d readings", len(block.Readings))
		}
	})
}
