package faults

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/tools/venuesim"
	"github.com/courtside-edge/courtside/tools/venuesim/field"
)

func TestASeedIsACourseOfTheGates(t *testing.T) {
	devices := []string{"plc-gate-01", "plc-gate-02", "plc-gate-03"}
	draw := func(seed uint64) []act {
		g := Gates{Seed: seed, Length: 10 * time.Minute}
		return g.draw(devices)
	}
	if !reflect.DeepEqual(draw(1), draw(1)) {
		t.Error("one seed drew two courses")
	}
	if reflect.DeepEqual(draw(1), draw(2)) {
		t.Error("two seeds drew one course")
	}
	restarts, kills, last := 0, 0, time.Duration(0)
	for _, a := range draw(1) {
		if a.at < last || a.at > 10*time.Minute {
			t.Fatalf("something happens at %v, after %v", a.at, last)
		}
		last = a.at
		switch {
		case a.fault.Device == "":
			kills++
		case a.fault.Do == field.Restart:
			restarts++
		case !a.fault.Do.Lasts():
			t.Errorf("%s is done to %s: nobody could make up for it", a.fault.Do, a.fault.Device)
		}
	}
	if restarts < 250 || kills < 90 {
		t.Errorf("ten minutes have %d restarts and %d kills", restarts, kills)
	}
}

// TestGatesAreJudged gives the comparison what differs in each way there is.
func TestGatesAreJudged(t *testing.T) {
	gate := func(in, out, written, acknowledged uint64) venuesim.GateTruth {
		return venuesim.GateTruth{Gate: "gate-01", Passages: venuesim.Passages{In: in, Out: out}, Ring: &field.RingState{Slots: 64, Written: written, Acknowledged: acknowledged}}
	}
	for _, tc := range []struct {
		what  string
		truth venuesim.GateTruth
		have  venuesim.Passages
		lost  uint64
		want  string // "" for equal
	}{
		{"equal", gate(10, 5, 15, 15), venuesim.Passages{In: 10, Out: 5}, 0, ""},
		{"equal with a declared loss", gate(10, 5, 15, 15), venuesim.Passages{In: 8, Out: 4}, 3, ""},
		{"one is missing", gate(10, 5, 15, 15), venuesim.Passages{In: 9, Out: 5}, 0, "counts 9 and 5"},
		{"one too many is declared", gate(10, 5, 15, 15), venuesim.Passages{In: 10, Out: 5}, 1, "1 are declared"},
		{"one is counted twice, another is lost", gate(10, 5, 15, 15), venuesim.Passages{In: 11, Out: 4}, 0, "counts 11 and 4"},
		{"the device was not told", gate(10, 5, 15, 14), venuesim.Passages{In: 10, Out: 5}, 0, "14 are acknowledged"},
	} {
		got := strings.Join(gateDiffers(tc.truth, tc.have, tc.lost), "; ")
		if (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
			t.Errorf("%s: %q, want something about %q", tc.what, got, tc.want)
		}
	}
}
