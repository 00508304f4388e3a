package field

import (
	"testing"

	"pgregory.net/rapid"
)

// The hysteresis that gateways are configured with, in tenths of a kilogram.
const (
	occupiedAbove = 200
	occupiedBelow = 150
	deadband      = 40
)

// TestNoiseStaysBelowDeadbandAndHysteresis is what lets the cloud's seats equal the truth exactly.
func TestNoiseStaysBelowDeadbandAndHysteresis(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := sensors{rapid.Uint64().Draw(t, "seed")}
		seat := rapid.IntRange(0, 19_199).Draw(t, "seat")
		weight := uint16(rapid.IntRange(360, 1040).Draw(t, "weight"))
		first := rapid.Uint64Range(0, 1<<30).Draw(t, "draw")
		reported := s.register(seat, weight, first)
		for draw := first; draw < first+50; draw++ {
			free, taken := s.register(seat, 0, draw), s.register(seat, weight, draw)
			if free > 50 || free >= occupiedBelow {
				t.Fatalf("draw %d: free seat %d reads %d", draw, seat, free)
			}
			if taken < 300 || taken > 1100 || taken < occupiedAbove {
				t.Fatalf("draw %d: seat %d under %d reads %d", draw, seat, weight, taken)
			}
			if d := int(taken) - int(reported); d >= deadband || d <= -deadband {
				t.Fatalf("draw %d: noise moves seat %d by %d, which is reported", draw, seat, d)
			}
		}
	})
}

func TestNoiseIsNoise(t *testing.T) {
	s := sensors{1}
	seen := map[int]int{}
	sum := 0
	const draws = 10_000
	for draw := range uint64(draws) {
		n := s.noise(4711, draw)
		seen[n]++
		sum += n
	}
	if len(seen) != 2*NoisePeak+1 || sum > draws/2 || sum < -draws/2 {
		t.Fatalf("%d values, mean %g; want all of %d around 0", len(seen), float64(sum)/draws, 2*NoisePeak+1)
	}
}

func TestManyCountersStartCloseToTheirWrap(t *testing.T) {
	for seed := range uint64(5) {
		s := sensors{seed}
		soon, anywhere := 0, map[uint16]bool{}
		for lane := range 96 {
			for direction := range 2 {
				start := s.counterStart(lane, direction)
				if start >= 1<<16-100 {
					soon++
				}
				anywhere[start>>12] = true
			}
		}
		if soon < 50 || soon > 80 || len(anywhere) < 12 {
			t.Errorf("seed %d: %d of 192 counters wrap soon, first values fall into %d of 16 parts", seed, soon, len(anywhere))
		}
	}
}
