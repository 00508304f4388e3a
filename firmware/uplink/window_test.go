package uplink

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/courtside-edge/courtside/sync/point"
)

func half(d time.Duration) time.Duration { return d / 2 }

func batchNo(n uint64) point.BatchID {
	return point.BatchID{Epoch: point.Epoch{1}, Lane: point.Telemetry, Seq: n}
}

func TestWindowGrowsWithAcksAndHalvesOnce(t *testing.T) {
	now := time.Unix(1000, 0)
	w := newWindow(now, 1<<20, false, half)
	if g := w.grant(now); g != leastWindow {
		t.Fatalf("before any ack %d", g)
	}
	n := uint64(0)
	ack := func(rtt time.Duration) {
		w.sent(batchNo(n), flight{at: now, size: 100_000})
		now = now.Add(rtt)
		w.acked(now, []point.BatchID{batchNo(n)})
		n++
	}
	ack(100 * time.Millisecond)
	if g := w.grant(now); g != firstWindow {
		t.Fatalf("after the first ack %d", g)
	}
	for range 20 {
		ack(100 * time.Millisecond)
	}
	if g := w.grant(now); g != 1<<20 {
		t.Fatalf("after twenty %d, want the most", g)
	}
	if w.timeout != minTimeout {
		t.Fatalf("timeout %v", w.timeout)
	}
	for i := range uint64(5) {
		w.sent(batchNo(100+i), flight{at: now, size: 1000})
	}
	if ids, fell := w.late(now.Add(minTimeout - 1)); len(ids) > 0 || fell {
		t.Fatal("late too early")
	}
	now = now.Add(minTimeout)
	if ids, fell := w.late(now); len(ids) != 5 || fell || w.grant(now) != 1<<19 || w.timeout != 2*minTimeout {
		t.Fatalf("%d late, fell %v, window %d, timeout %v", len(ids), fell, w.grant(now), w.timeout)
	}
	size := w.size
	w.sent(batchNo(200), flight{at: now, size: 100_000})
	w.acked(now.Add(time.Millisecond), []point.BatchID{batchNo(200)})
	if w.size-size > growth || w.size == size {
		t.Fatalf("after a late ack it grew by %d at once", w.size-size)
	}
}

func TestThreeSilentTimeoutsAndTheProbes(t *testing.T) {
	now := time.Unix(1000, 0)
	w := newWindow(now, 1<<20, false, half)
	w.sent(batchNo(1), flight{at: now, size: 1000})
	w.sent(batchNo(2), flight{at: now, size: 1000})
	now = now.Add(silences * firstTimeout)
	if ids, fell := w.late(now); !fell || len(ids) != 2 || w.grant(now) != 0 {
		t.Fatalf("fell %v with %v, window %d", fell, ids, w.grant(now))
	}
	var pauses []time.Duration
	for i := range uint64(8) {
		wait := w.next(now).Sub(now)
		pauses = append(pauses, wait)
		now = now.Add(wait)
		if w.grant(now) != 1 {
			t.Fatalf("probe %d may not go after %v", i, wait)
		}
		w.sent(batchNo(10+i), flight{at: now, size: 1000})
		if w.grant(now) != 0 {
			t.Fatal("two probes at once")
		}
		now = w.next(now)
		w.late(now)
	}
	if pauses[0] != probeBase/2 || pauses[7] != probeMax/2 {
		t.Fatalf("pauses %v", pauses)
	}
	if !w.acked(now, nil) || w.down || w.grant(now) != firstWindow {
		t.Fatal("an ack does not bring it up")
	}
	if w := newWindow(now, 1<<20, true, half); w.grant(now) != 1 {
		t.Fatal("a session after a silent one does not begin with a probe")
	}
}

// Batches that are late and sent again do not hide that no ack comes.
func TestSilenceIsNotHiddenByResending(t *testing.T) {
	now := time.Unix(1000, 0)
	w := newWindow(now, 1<<20, false, half)
	w.sent(batchNo(1), flight{at: now, size: 1000})
	w.acked(now.Add(time.Millisecond), []point.BatchID{batchNo(1)}) // the timeout is the least now
	begin := now.Add(time.Hour)
	for now = begin; !w.down; now = w.next(now) {
		if ids, _ := w.late(now); (len(ids) > 0 || now.Equal(begin)) && !w.down {
			w.sent(batchNo(2), flight{at: now, size: 1000})
		}
		if w.down {
			break
		}
	}
	if took := now.Sub(begin); took != silences*minTimeout {
		t.Fatalf("down after %v, want %v", took, silences*minTimeout)
	}
}

func TestSmallBatchesAreBoundedByNumber(t *testing.T) {
	now := time.Unix(1000, 0)
	w := newWindow(now, 1<<30, false, half)
	n := uint64(0)
	for ; w.grant(now) > 0 && n < 10_000; n++ {
		w.sent(batchNo(n), flight{at: now, size: 80})
	}
	if n != mostBatches {
		t.Fatalf("%d batches are in flight", n)
	}
	w.acked(now, []point.BatchID{batchNo(5)})
	if w.grant(now) == 0 {
		t.Fatal("an ack makes no room")
	}
}

// Late batches measure nothing: whether the first or the second copy was acknowledged is unknown.
func TestLateBatchesMeasureNothing(t *testing.T) {
	now := time.Unix(1000, 0)
	w := newWindow(now, 1<<20, false, half)
	w.sent(batchNo(1), flight{at: now, size: 1000})
	now = now.Add(firstTimeout)
	w.late(now)
	w.sent(batchNo(1), flight{at: now, size: 1000})
	w.acked(now.Add(time.Millisecond), []point.BatchID{batchNo(1)})
	if w.measured || w.timeout != 2*firstTimeout {
		t.Fatalf("measured %v, timeout %v", w.measured, w.timeout)
	}
}

// Whatever happens: the window stays within its bounds, time alone always leads on, and a link that is down has one batch in flight.
func TestWindowProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(1000, 0)
		most := int64(rapid.IntRange(1000, 4<<20).Draw(t, "most"))
		w := newWindow(now, most, rapid.Bool().Draw(t, "down"), half)
		next := uint64(0)
		inFlight := func() (sum int64) {
			for _, f := range w.flights {
				sum += int64(f.size)
			}
			return sum
		}
		t.Repeat(map[string]func(*rapid.T){
			"send": func(t *rapid.T) {
				if g := w.grant(now); g > 0 && (inFlight() < g || len(w.flights) == 0) {
					w.sent(batchNo(next), flight{at: now, size: rapid.IntRange(80, 256<<10).Draw(t, "size")})
					next++
				}
			},
			"ack": func(t *rapid.T) {
				if next > 0 {
					w.acked(now, []point.BatchID{batchNo(rapid.Uint64Range(0, next-1).Draw(t, "id"))})
				}
			},
			"time": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.Int64Range(1, int64(40*time.Second)).Draw(t, "ns")))
				w.late(now)
			},
			"due": func(*rapid.T) {
				if at := w.next(now); at.After(now) {
					now = at
				}
				w.late(now)
			},
			"": func(t *rapid.T) {
				if w.size > most || w.size < min(leastWindow, most) || w.timeout > maxTimeout || w.timeout < minTimeout {
					t.Fatalf("window %d of %d, timeout %v", w.size, most, w.timeout)
				}
				if w.down && len(w.flights) > 1 {
					t.Fatalf("%d probes", len(w.flights))
				}
				if len(w.flights) > 0 && w.next(now).IsZero() {
					t.Fatal("batches are in flight and nothing will ever be due")
				}
				if len(w.flights) > 0 && w.since.IsZero() {
					t.Fatal("an ack is due and nobody knows since when")
				}
				if w.down && len(w.flights) == 0 && w.grant(now) == 0 && !w.next(now).After(now) {
					t.Fatal("no probe will ever go")
				}
			},
		})
	})
}
