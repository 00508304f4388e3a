package ingest

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/sync/point"
)

func gatewayNo(i int) Gateway { return Gateway{"v", point.ID(fmt.Sprintf("gw-%d", i))} }

func TestCreditIsSharedAmongThoseWhoReplay(t *testing.T) {
	var c credits
	now := time.Unix(1_700_000_000, 0)
	a, b, quiet := gatewayNo(1), gatewayNo(2), gatewayNo(3)
	if got := c.share(a); got != 0 {
		t.Errorf("nobody replays, and the limit is %d", got)
	}
	c.replayed(a, 1000, now)
	if got := c.share(a); got != 0 {
		t.Errorf("the only one that replays is held to %d", got)
	}
	if got := c.share(b); got != firstRate/2 {
		t.Errorf("one that might begin gets %d, want half of %d", got, firstRate)
	}
	c.replayed(b, 1000, now)
	if a, b, q := c.share(a), c.share(b), c.share(quiet); a != firstRate/2 || b != a || q != firstRate/3 {
		t.Errorf("shares are %d, %d and %d", a, b, q)
	}
	later := now.Add(replayEnds + time.Second)
	c.replayed(b, 1000, later)
	c.look(10, 10, time.Time{}, later)
	if got := c.share(b); got != 0 {
		t.Errorf("the other one is done, and the limit is %d", got)
	}
}

func TestWhatIsAppliedLateSlowsBacklogs(t *testing.T) {
	var c credits
	now := time.Unix(1_700_000_000, 0)
	c.replayed(gatewayNo(1), 1, now)
	for range 4 * 60 { // nothing is applied for a minute
		now = now.Add(lookEvery)
		c.replayed(gatewayNo(1), 1, now)
		c.look(1000, 999, time.Time{}, now)
	}
	if rate, _ := c.state(); rate != leastRate {
		t.Fatalf("the rate is %.0f", rate)
	}
	if got := c.share(gatewayNo(1)); got != leastRate {
		t.Errorf("the only one gets %d", got)
	}
	for range 100 { // applied again, but what is granted is not used
		now = now.Add(lookEvery)
		c.replayed(gatewayNo(1), 1, now)
		c.look(2000, 2000, time.Time{}, now)
	}
	if rate, _ := c.state(); rate != leastRate {
		t.Errorf("a rate that nobody uses grew to %.0f", rate)
	}
	for range 10_000 {
		now = now.Add(lookEvery)
		c.replayed(gatewayNo(1), math.MaxInt32, now)
		c.look(3000, 3000, time.Time{}, now)
	}
	if rate, _ := c.state(); rate != mostRate {
		t.Errorf("the rate is %.0f, want %d", rate, mostRate)
	}
}

func TestCreditStandsAClockThatGoesBack(t *testing.T) {
	var c credits
	now := time.Unix(1_700_000_000, 0)
	c.replayed(gatewayNo(1), 1, now)
	c.look(10, 0, time.Time{}, now)
	c.look(10, 0, time.Time{}, now.Add(-time.Hour))
	c.look(10, 10, time.Time{}, now.Add(-time.Hour+time.Second))
	if rate, _ := c.state(); rate != firstRate {
		t.Errorf("the rate is %.0f", rate)
	}
}

// TestHalfAThousandReturnAtOnce plays gateways that send as much as they may to an aggregator that applies 10 MB a second.
func TestHalfAThousandReturnAtOnce(t *testing.T) {
	for _, n := range []int{2, 50, 500} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			const step, capacity, record = 20 * time.Millisecond, 10 << 20, 64 << 10
			var c credits
			now := time.Unix(1_700_000_000, 0)
			owed := make([]float64, n)
			for i := range owed {
				owed[i] = -record * float64(i) / float64(n) // they do not return in the same instant
			}
			var next, reached uint64 // in records
			var room, done float64
			var received []time.Time
			var worst time.Duration
			for tick := range 3000 {
				now = now.Add(step)
				for i := range owed {
					rate := float64(c.share(gatewayNo(i)))
					if rate == 0 {
						rate = 4 << 20 // its own link
					}
					for owed[i] += rate * step.Seconds(); owed[i] > 0; owed[i] -= record {
						c.replayed(gatewayNo(i), record, now)
						received = append(received, now)
						next++
					}
				}
				room += capacity * step.Seconds()
				for room >= record && reached < next {
					room -= record
					reached++
					done += record
				}
				room = min(room, record)
				c.look(next, reached, time.Time{}, now)
				if tick > 1500 && reached < next {
					worst = max(worst, now.Sub(received[reached]))
				}
			}
			if worst > 5*time.Second {
				t.Errorf("half a minute on, records wait %v", worst)
			}
			if share := done / (capacity * 60); share < 0.8 {
				t.Errorf("only %.0f %% of what the aggregator can take was used", 100*share)
			}
			t.Logf("records wait %v at most; %.0f %% of the capacity was used", worst, 100*done/(capacity*60))
		})
	}
}
