package scan

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/courtside-edge/courtside/drivers"
)

// TestEverySlotIsServedOrMissed drives a schedule with scans of any length: slots are phase + n × period, each
// is served once or counted as missed, and none is served before it is due.
func TestEverySlotIsServedOrMissed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		period := int64(rapid.IntRange(1, 50).Draw(t, "period"))
		phase := int64(rapid.IntRange(0, int(period)-1).Draw(t, "phase"))
		begin := int64(rapid.IntRange(-100, 1000).Draw(t, "begin"))
		now := begin
		s := newSchedule([]drivers.ScanClass{{Period: time.Duration(period), Phase: time.Duration(phase)}}, begin)
		served, missed, last := uint64(0), uint64(0), begin-1
		for n := range rapid.IntRange(1, 50).Draw(t, "scans") {
			class, due := s.due()
			now = max(now, due)
			slot, m := s.start(class, now)
			if n > 0 && (slot-phase)%period != 0 {
				t.Fatalf("slot %d is none of period %d phase %d", slot, period, phase)
			}
			if slot <= last || slot > now || now-slot >= period {
				t.Fatalf("at %d slot %d is served, after %d", now, slot, last)
			}
			last, served, missed = slot, served+1, missed+m
			now += int64(rapid.IntRange(0, 200).Draw(t, "lasts"))
		}
		if n := slots(begin, last, period, phase); served+missed != n {
			t.Fatalf("%d served, %d missed, of %d slots from %d to %d", served, missed, n, begin, last)
		}
	})
}

// slots counts the first scan and the slots after begin, up to last.
func slots(begin, last, period, phase int64) uint64 {
	n := uint64(1)
	for at := begin + 1; at <= last; at++ {
		if (at-phase)%period == 0 {
			n++
		}
	}
	return n
}

func TestScheduleWithoutAPeriodDoesNotDivideByZero(t *testing.T) {
	s := newSchedule([]drivers.ScanClass{{}}, 5)
	if slot, missed := s.start(0, 7); slot != 7 || missed != 2 {
		t.Errorf("slot %d, missed %d", slot, missed)
	}
}
