package main

import (
	"context"
	"fmt"
	"time"

	"github.com/courtside-edge/courtside/tools/venuesim"
)

// settlePatience is how long the cloud may take to hold what the gateways read last.
const settlePatience = 60 * time.Second

// judge compares the cloud with the ground truth once the crowd stands still and everything was polled twice. The last
// reports are on their way then, so it asks until they agree or patience ends.
func (s *site) judge(ctx context.Context, screen *screen) error {
	screen.end("the crowd stands still; comparing the cloud with the ground truth")
	truth := s.sim.Truth()
	deadline := time.Now().Add(settlePatience)
	for {
		v, err := s.compare(truth)
		switch {
		case err == nil && v.equal():
			v.print("equal: every passage and every seat")
			return nil
		case time.Now().After(deadline) && err != nil:
			return err
		case time.Now().After(deadline):
			v.print("DIFFERENT")
			return errDiffers
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-s.failed:
			return err
		case <-time.After(250 * time.Millisecond):
		}
	}
}

// verdict holds both sides.
type verdict struct {
	truth                  venuesim.Truth
	in, out                uint64
	occupied               int
	wrongGates, wrongSeats int
	unknown                int
	firstGate, firstSeat   string
	pending, setAside      uint64
	gaps                   int
}

func (v *verdict) equal() bool {
	return v.truth.Passages.In == v.in && v.truth.Passages.Out == v.out && v.wrongGates == 0 && v.wrongSeats == 0 && v.truth.Seats.Occupied == v.occupied && v.setAside == 0
}

func (s *site) compare(truth venuesim.Truth) (verdict, error) {
	v := verdict{truth: truth}
	var sum summary
	var g gates
	var all seats
	for path, into := range map[string]any{"/v1/venues/dal-001": &sum, "/v1/venues/dal-001/gates": &g, "/v1/venues/dal-001/seats": &all} {
		if err := s.get(path, into); err != nil {
			return v, err
		}
	}
	v.in, v.out, v.occupied, v.unknown = g.In, g.Out, sum.Occupied, sum.Unknown
	v.pending, v.setAside, v.gaps = sum.Completeness.PendingBatches, sum.Completeness.SetAside, sum.Completeness.Gaps
	have := map[string][2]uint64{}
	for _, gate := range g.Gates {
		have[gate.Gate] = [2]uint64{gate.In, gate.Out}
	}
	for _, gate := range truth.Gates {
		if have[gate.Gate] != [2]uint64{gate.In, gate.Out} {
			v.wrongGates++
			v.firstGate = fmt.Sprintf("%s: %d in, %d out; the cloud has %v", gate.Gate, gate.In, gate.Out, have[gate.Gate])
		}
	}
	seen := 0
	for _, seat := range all.Seats {
		taken, known := truth.Seats.States[seat.Place]
		want := "free"
		if taken {
			want = "occupied"
		}
		if known {
			seen++
		}
		if !known || seat.State != want {
			v.wrongSeats++
			v.firstSeat = fmt.Sprintf("%s is %s; the cloud says %s", seat.Place, want, seat.State)
		}
	}
	v.wrongSeats += truth.Seats.Total - seen
	return v, nil
}

func (v *verdict) print(word string) {
	fmt.Printf("\n  %-22s %10s %10s\n", "", "truth", "cloud")
	fmt.Printf("  %-22s %10d %10d\n", "passages in", v.truth.Passages.In, v.in)
	fmt.Printf("  %-22s %10d %10d\n", "passages out", v.truth.Passages.Out, v.out)
	fmt.Printf("  %-22s %10d %10d\n", "seats occupied", v.truth.Seats.Occupied, v.occupied)
	fmt.Printf("  %-22s %10d %10d\n", "seats", v.truth.Seats.Total, v.truth.Seats.Total-v.wrongSeats)
	fmt.Printf("  %-22s %10d %10d\n", "gates", len(v.truth.Gates), len(v.truth.Gates)-v.wrongGates)
	fmt.Printf("  unknown seats %d, gaps %d, pending %d, set aside %d\n", v.unknown, v.gaps, v.pending, v.setAside)
	if v.firstGate != "" {
		fmt.Printf("  e.g. %s\n", v.firstGate)
	}
	if v.firstSeat != "" {
		fmt.Printf("  e.g. seat %s\n", v.firstSeat)
	}
	fmt.Printf("\n  verdict: %s\n", word)
}
