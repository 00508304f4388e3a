package wire

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/point"
)

const arenaSeats = 19200

// seatTable returns the table of an arena's pressure seats on 16 devices.
func seatTable() []point.Point {
	table := make([]point.Point, arenaSeats)
	for i := range table {
		section, row, seat := 101+i/600, i/30%20, i%30+1
		table[i] = point.Point{
			Device: point.ID(fmt.Sprintf("plc-seats-%d", i/1200+1)), Name: point.Name(fmt.Sprintf("seat/%d/%c/%d", section, 'a'+row, seat)),
			Type: point.Int, Unit: "kg", Kind: point.Seat, Lane: point.Telemetry, Class: point.State, Place: fmt.Sprintf("%d/%c/%d", section, 'a'+row, seat),
			Scale: 0.1, Deadband: 2, OccupiedAbove: 20, OccupiedBelow: 15, MaxSilence: 10 * time.Minute,
		}
	}
	return table
}

// seatBatch returns n samples of such a table as a gateway would gather them: 16 devices answer in blocks of 120 seats, in
// changing order and a fraction of a millisecond apart; in each answer a share of the seats left its deadband.
func seatBatch(n int, share float64) *Batch {
	r := rand.New(rand.NewPCG(1, 2))
	weight, taken := make([]float64, arenaSeats), make([]bool, arenaSeats)
	for i := range weight {
		weight[i], taken[i] = 450+r.NormFloat64()*60+float64(r.IntN(450)), r.Float64() < 0.7
	}
	b := &Batch{Venue: "dal-001", Gateway: "gw-north", Trace: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		Map: clock.Map{Boot: clock.BootID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, From: 5e9, Offset: 1763000000e9,
			Uncertainty: 900 * time.Microsecond, Source: clock.NTP}}
	now := int64(3600e9)
	for block := 0; ; block = (block + 1) % 10 {
		for _, device := range r.Perm(16) {
			now += 200_000 + int64(r.ExpFloat64()*400_000)
			for k := range 120 {
				i := device*1200 + block*120 + k
				if r.Float64() >= share {
					continue
				}
				if r.Float64() < 0.02 {
					taken[i] = !taken[i]
				}
				v := int64(r.IntN(16))
				if taken[i] {
					v = max(0, int64(weight[i]+r.NormFloat64()*25))
				}
				b.Samples = append(b.Samples, point.Sample{Index: uint32(i), Time: now, Bits: point.IntBits(v)})
				if len(b.Samples) == n {
					return b
				}
			}
		}
	}
}

// sealed encodes and seals b.
func sealed(t testing.TB, table []point.Point, b *Batch) []byte {
	t.Helper()
	e, err := NewEncoder(Limits{})
	if err != nil {
		t.Fatal(err)
	}
	frame, err := e.Encode(nil, point.Telemetry, table, b)
	if err != nil {
		t.Fatal(err)
	}
	Seal(frame, point.Epoch{7}, 42)
	return frame
}
