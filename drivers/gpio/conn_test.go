package gpio

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/sync/point"
)

func TestAContactIsDebouncedAndDated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		board := newFakeBoard(4)
		f := follow(t, board, "debounce: 10ms", "line: 0", "line: 1\nactive_low: true\ndebounce: 0s")
		if got := f.take(); len(got) != 2 || got[0].bits != 0 || got[1].bits != 1 || !got[0].quality.IsGood() {
			t.Errorf("at first: %+v", got)
		}
		for range 5 { // it bounces for 10 ms, then holds
			board.set(0, true)
			time.Sleep(ms)
			board.set(0, false)
			time.Sleep(ms)
		}
		edge, wall := board.Mono(), time.Now().UnixNano()
		board.set(0, true)
		time.Sleep(9 * ms)
		if got := f.take(); len(got) != 0 {
			t.Errorf("while it bounces: %+v", got)
		}
		time.Sleep(ms)
		if got := f.take(); len(got) != 1 || got[0].bits != 1 || got[0].at != edge+int64(10*ms) || got[0].edge != wall {
			t.Errorf("once it holds: %+v, the edge was at %d, %d", got, edge, wall)
		}
		board.set(0, false)
		time.Sleep(5 * ms)
		board.set(0, true)
		time.Sleep(time.Second)
		if got := f.take(); len(got) != 0 {
			t.Errorf("a short break counts: %+v", got)
		}
		edge = board.Mono()
		board.set(1, true)
		if got := f.take(); len(got) != 1 || got[0].index != 1 || got[0].bits != 0 || got[0].at != edge {
			t.Errorf("without debounce: %+v", got)
		}
		f.end()
	})
}

func TestPulsesAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		board := newFakeBoard(4)
		f := follow(t, board, "", "count line: 0\ndebounce: 0s", "count line: 1\ndebounce: 0s\nedge: both", "count line: 2\ndebounce: 5ms\nedge: falling")
		first := f.take()
		if len(first) != 3 || first[0].bits == first[1].bits || first[0].bits < 1<<32 && first[1].bits < 1<<32 && first[2].bits < 1<<32 {
			t.Fatalf("counters begin at random: %+v", first)
		}
		for range 50 {
			board.set(0, true, true, true)
			time.Sleep(ms)
			board.set(0, false, false, false)
			time.Sleep(ms)
		}
		last := map[uint32]uint64{}
		for _, x := range f.take() {
			last[x.index] = x.bits
		}
		if got := [3]uint64{last[0] - first[0].bits, last[1] - first[1].bits, last[2]}; got != [3]uint64{50, 100, 0} {
			t.Errorf("counted %v, want 50, 100, and none of the short ones", got)
		}
		for range 3 {
			board.set(2, true)
			time.Sleep(6 * ms)
			board.set(2, false)
			time.Sleep(6 * ms)
		}
		time.Sleep(10 * ms)
		got := f.take()
		if n := len(got); n == 0 || got[n-1].index != 2 || got[n-1].bits-first[2].bits != 3 {
			t.Errorf("long pulses: %+v", got)
		}
		f.end()
	})
}

func TestAnOverrunIsDeclared(t *testing.T) {
	for source, want := range map[string]struct{ known, lost uint64 }{
		"count line: 0":                {8, 3}, // one edge a pulse: of 11 the kernel keeps the last 8
		"count line: 0\nedge: falling": {8, 2},
		"count line: 0\nedge: both":    {8, 13},
	} {
		synctest.Test(t, func(t *testing.T) {
			board := newFakeBoard(2)
			board.keeps = 8
			f := follow(t, board, "debounce: 0s", source, "line: 1")
			start := f.take()[0].bits
			board.set(0, true)
			board.set(0, false)
			was := start
			for _, x := range f.take() {
				was = x.bits
			}
			before := board.Mono()
			time.Sleep(ms)
			board.mu.Lock() // before anybody can read any of them
			for range 10 {
				board.drive(0, true)
				board.drive(0, false)
			}
			board.drive(0, true)
			board.mu.Unlock()
			got := f.take()
			if len(got) != 2 || got[0].lost == nil || got[0].lost.Count != want.lost || got[0].lost.Reason != point.GapOverrun || got[0].lost.First < before-int64(ms) || got[0].lost.First > got[0].lost.Last {
				t.Fatalf("%s: told %+v, %+v", source, got, got[0].lost)
			}
			if got[0].bits != was || got[1].bits-was != want.known {
				t.Errorf("%s: the count went on from %d to %d", source, got[0].bits-was, got[1].bits-was)
			}
			for range 9 {
				board.set(1, true)
				board.set(1, false)
			}
			board.set(1, true)
			got = f.take()
			if n := len(got); n == 0 || got[n-1].bits != 1 || got[n-1].lost != nil {
				t.Errorf("a contact: %+v", got)
			}
			f.end()
		})
	}
}

// TestOddOverruns loses odd and even numbers of edges from both levels: what is counted and what is declared are all there were.
func TestOddOverruns(t *testing.T) {
	for _, high := range []bool{false, true} {
		for extra := range 4 {
			synctest.Test(t, func(t *testing.T) {
				board := newFakeBoard(1)
				board.keeps = 8
				board.set(0, high)
				f := follow(t, board, "debounce: 0s", "count line: 0\nedge: both")
				start := f.take()[0].bits
				board.set(0, !high) // the first is what the next are numbered from
				f.take()
				board.mu.Lock()
				level := !high
				for range 8 + extra {
					level = !level
					board.drive(0, level)
				}
				board.mu.Unlock()
				declared, last := uint64(0), start
				for _, x := range f.take() {
					last = x.bits
					if x.lost != nil {
						declared += x.lost.Count
					}
				}
				if all := last - start + declared; all != uint64(9+extra) || declared != uint64(extra) {
					t.Errorf("high %v: %d counted and %d declared are not %d", high, last-start, declared, 9+extra)
				}
				f.end()
			})
		}
	}
}

// TestAStallIsNoFastCounter: pulses of a steady rate wait in the kernel while the gateway stands still, and then come all at once, in several blocks. By the
// times of the blocks the counter was never faster than it was, or it would be taken for another one.
func TestAStallIsNoFastCounter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		board := newFakeBoard(1)
		source, err := Driver{board: board}.Prepare(device(board, "debounce: 0s\nresync: 1m", "count line: 0"))
		if err != nil {
			t.Fatal(err)
		}
		conn, err := source.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		type read struct {
			time, asked int64
			bits        uint64
		}
		var reads []read
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			done <- conn.(drivers.Subscriber).Subscribe(ctx, func(b *drivers.Block) {
				r := read{b.Time, b.Asked, b.Readings[0].Bits}
				if r.asked == 0 {
					r.asked = r.time
				}
				if reads = append(reads, r); len(reads) == 2 {
					time.Sleep(time.Second)
				}
			})
		}()
		synctest.Wait()
		const pulses = 500
		for range pulses {
			time.Sleep(ms)
			board.set(0, true)
			board.set(0, false)
		}
		time.Sleep(2 * time.Second)
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if n := len(reads); n < 4 || reads[n-1].bits-reads[0].bits != pulses {
			t.Fatalf("counted %+v", reads)
		}
		for i := 1; i < len(reads); i++ {
			was, is := reads[i-1], reads[i]
			if most := uint64(is.time-was.asked)/uint64(ms) + 1; is.bits-was.bits > most || is.asked > is.time {
				t.Errorf("%d counts, of which %d can be: %+v, %+v", is.bits-was.bits, most, was, is)
			}
		}
	})
}

// TestEdgesThatTheKernelTellsAsOne come from pulses that are over before the kernel looks at the level.
func TestEdgesThatTheKernelTellsAsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		board := newFakeBoard(3)
		f := follow(t, board, "debounce: 0s", "count line: 0", "count line: 1\nedge: both", "line: 2")
		first := f.take()
		time.Sleep(100 * ms)
		board.mu.Lock()
		board.hasty = true
		for line := range uint32(3) {
			board.drive(line, true)
			board.drive(line, false)
		}
		board.mu.Unlock()
		last, changes := map[uint32]uint64{}, 0
		for _, x := range f.take() {
			last[x.index] = x.bits
			if x.index == 2 {
				changes++
			}
		}
		if last[0]-first[0].bits != 1 || last[1]-first[1].bits != 2 {
			t.Errorf("counted %d and %d, want 1 and 2", last[0]-first[0].bits, last[1]-first[1].bits)
		}
		if changes != 2 || last[2] != 0 {
			t.Errorf("the contact was told %d times, and is %d", changes, last[2])
		}
		f.end()
	})
}

// TestAnEdgeFromBeforeTheLevelWasRead does not count again: the level held it already.
func TestAnEdgeFromBeforeTheLevelWasRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		board := newFakeBoard(1)
		f := follow(t, board, "debounce: 0s\nresync: 100ms", "count line: 0\nedge: both")
		start := f.take()[0].bits
		board.mu.Lock()
		board.muted = true // the edge waits in the kernel
		board.drive(0, true)
		at := board.Mono()
		board.mu.Unlock()
		time.Sleep(250 * ms) // resync has seen it, twice
		board.mu.Lock()
		l := board.taken[0]
		l.queue = append(l.queue, edge{at: at + board.skew, rising: true, seq: 1})
		l.signal <- struct{}{}
		board.mu.Unlock()
		got := f.take()
		if n := len(got); n != 1 || got[0].bits != start+1 {
			t.Errorf("counted %+v from %d", got, start)
		}
		f.end()
	})
}

func TestAMissedEdgeIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		board := newFakeBoard(2)
		f := follow(t, board, "resync: 500ms", "line: 0", "count line: 1")
		start := f.take()[1].bits
		board.mu.Lock()
		board.muted = true
		board.mu.Unlock()
		board.set(0, true, true)
		time.Sleep(400 * ms)
		if got := f.take(); len(got) != 0 {
			t.Errorf("%+v", got)
		}
		time.Sleep(200 * ms)
		if got := f.take(); len(got) != 0 {
			t.Errorf("an edge may still come: %+v", got)
		}
		time.Sleep(500 * ms)
		got := f.take()
		if len(got) != 2 || got[0].bits != 1 || got[1].bits != start+1 {
			t.Errorf("after resync: %+v", got)
		}
		f.end()
	})
}

// TestEdgesThatWaitAreNotMissed: what resync sees meanwhile comes from edges that are only heard later, and counts once.
func TestEdgesThatWaitAreNotMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		board := newFakeBoard(1)
		f := follow(t, board, "debounce: 0s\nresync: 100ms", "count line: 0\nedge: both")
		start := f.take()[0].bits
		time.Sleep(50 * ms)
		board.mu.Lock()
		board.mute(true)
		board.mu.Unlock()
		for n := range 4 { // one between each two looks
			board.set(0, n%2 == 0)
			time.Sleep(100 * ms)
		}
		board.mu.Lock()
		board.mute(false)
		board.mu.Unlock()
		time.Sleep(time.Second)
		got := f.take()
		if n := len(got); n == 0 || got[n-1].bits != start+4 {
			t.Errorf("4 edges are %+v from %d", got, start)
		}
		f.end()
	})
}

func TestCloseEndsASubscription(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := follow(t, newFakeBoard(4), "", "line: 0")
		if err := f.conn.Close(); err != nil {
			t.Error(err)
		}
		if err := <-f.done; !errors.Is(err, errClosed) {
			t.Errorf("it ended with %v", err)
		}
		if err := f.conn.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestPollReadsWhatCounts(t *testing.T) {
	board := newFakeBoard(2)
	source, err := Driver{board: board}.Prepare(device(board, "debounce: 0s", "line: 0", "count line: 1"))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := source.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	board.set(0, true)
	if err := conn.Poll(t.Context(), 0, func(b *drivers.Block) {
		if len(b.Readings) != 2 || b.Readings[0].Bits != 1 {
			t.Errorf("%+v", b.Readings)
		}
	}); err != nil {
		t.Error(err)
	}
}
