package gpio

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/drivers/driverstest"
	"github.com/courtside-edge/courtside/sync/point"
)

// told is one reading, or one gap, as a block brought it.
type told struct {
	at      int64
	index   uint32
	quality point.Quality
	bits    uint64
	lost    *drivers.Gap
	edge    int64 // device time
}

// follower subscribes in a bubble and keeps what it is told.
type follower struct {
	t    *testing.T
	conn drivers.Conn
	stop context.CancelFunc
	done chan error

	mu  sync.Mutex
	all []told
}

// device is lines of board: a contact on line 0 and 1, a counter on 2, by their sources.
func device(board *fakeBoard, options string, sources ...string) drivers.Device {
	d := drivers.Device{ID: "board", Options: driverstest.Section("options", "chip: gpiochip0\n"+options), Log: slog.New(slog.DiscardHandler), Clock: board}
	for n, s := range sources {
		p := &point.Point{Name: "p", Type: point.Bool, Class: point.State}
		if counts, is := strings.CutPrefix(s, "count "); is {
			p.Type, p.Class, p.Bits, s = point.Int, point.Counter, 64, counts
		}
		d.Groups = append(d.Groups, drivers.Group{Options: driverstest.Section(fmt.Sprintf("source-%d", n), s), Targets: []drivers.Target{{Index: uint32(n), Point: p}}})
	}
	return d
}

func follow(t *testing.T, board *fakeBoard, options string, sources ...string) *follower {
	t.Helper()
	return followOn(t, board, board, options, sources...)
}

// followOn follows lines of any board; clock is the one that dates them.
func followOn(t *testing.T, from board, clock *fakeBoard, options string, sources ...string) *follower {
	t.Helper()
	source, err := Driver{board: from}.Prepare(device(clock, options, sources...))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := source.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	f := &follower{t: t, conn: conn, stop: stop, done: make(chan error, 1)}
	go func() {
		f.done <- conn.(drivers.Subscriber).Subscribe(ctx, func(b *drivers.Block) {
			f.mu.Lock()
			defer f.mu.Unlock()
			for i, r := range b.Readings {
				x := told{at: b.Time, index: r.Index, quality: r.Quality, bits: r.Bits}
				if i < len(b.DeviceTimes) {
					x.edge = b.DeviceTimes[i]
				}
				if i < len(b.Gaps) {
					gap := b.Gaps[i]
					x.lost = &gap
				}
				f.all = append(f.all, x)
			}
		})
	}()
	synctest.Wait()
	return f
}

// take returns what was told since the last take.
func (f *follower) take() []told {
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	all := f.all
	f.all = nil
	return all
}

func (f *follower) end() {
	f.t.Helper()
	f.stop()
	if err := <-f.done; err != nil {
		f.t.Errorf("the context ended; subscribing says %v", err)
	}
	if err := f.conn.Close(); err != nil {
		f.t.Error(err)
	}
}

const ms = time.Millisecond

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

func TestLinesThatCannotBeHad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		board := newFakeBoard(4)
		board.used[1] = true
		f := follow(t, board, "", "line: 0", "line: 1", "line: 9", "line: GPIO17")
		got := f.take()
		for i, want := range []point.Quality{point.Good, point.BadResourceUnavailable, point.BadNodeIDUnknown, point.BadNodeIDUnknown} {
			if got[i].quality != want {
				t.Errorf("line %d is %v, want %v", i, got[i].quality, want)
			}
		}
		board.set(0, true)
		time.Sleep(10 * ms)
		if got := f.take(); len(got) != 1 {
			t.Errorf("the others feel it: %+v", got)
		}
		f.end()
	})
}

func TestAChipThatIsPulledOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		board := newFakeBoard(4)
		f := follow(t, board, "", "line: 0")
		board.pull(true)
		if err := <-f.done; err == nil || drivers.IsPermanent(err) || !strings.Contains(err.Error(), "no such device") {
			t.Errorf("it ended with %v", err)
		}
		f.conn.Close()
	})
}

// TestOneOfTwoChipsIsPulledOut: its points are bad, and good again when it is back; the other chip's do not notice.
func TestOneOfTwoChipsIsPulledOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stays, goes := newFakeBoard(2), newFakeBoard(2)
		goes.start, goes.skew = stays.start, stays.skew
		f := followOn(t, rack{"gpiochip0": stays, "far": goes}, stays, "debounce: 0s\nresync: 100ms", "count line: 0", "chip: far\nline: 0", "count chip: far\nline: 1")
		first := f.take()
		goes.pull(true)
		got := f.take()
		if len(got) != 2 || got[0].index+got[1].index != 3 || got[0].quality != point.BadNotConnected || got[1].quality != point.BadNotConnected {
			t.Errorf("without the chip: %+v", got)
		}
		stays.set(0, true)
		if got := f.take(); len(got) != 1 || got[0].bits != first[0].bits+1 {
			t.Errorf("the chip that stays: %+v", got)
		}
		time.Sleep(time.Second)
		if got := f.take(); len(got) != 2 || got[0].quality != point.BadNodeIDUnknown {
			t.Errorf("once it was sought: %+v", got)
		}
		goes.set(0, true)
		goes.pull(false)
		time.Sleep(200 * ms)
		if got := f.take(); len(got) != 2 || got[0].bits != 1 || !got[0].quality.IsGood() || got[1].bits-first[2].bits < 1<<20 {
			t.Errorf("back again, a count that begins anew: %+v", got)
		}
		goes.set(0, false)
		if got := f.take(); len(got) != 1 || got[0].index != 1 || got[0].bits != 0 {
			t.Errorf("an edge of the chip that came back: %+v", got)
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

// TestALineThatIsGivenBack is taken then.
func TestALineThatIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		board := newFakeBoard(4)
		board.used[1] = true
		f := follow(t, board, "resync: 1s", "line: 0", "line: 1")
		f.take()
		board.set(1, true)
		time.Sleep(3 * time.Second)
		if got := f.take(); len(got) != 0 {
			t.Errorf("nothing has changed: %+v", got)
		}
		board.mu.Lock()
		board.used[1] = false
		board.mu.Unlock()
		time.Sleep(1100 * ms)
		if got := f.take(); len(got) != 1 || got[0].index != 1 || got[0].bits != 1 || !got[0].quality.IsGood() {
			t.Errorf("once it is free: %+v", got)
		}
		f.end()
	})
}

// TestARaceForALine: between looking and taking somebody else may take it.
func TestARaceForALine(t *testing.T) {
	board := newFakeBoard(4)
	board.raced = true
	source, err := Driver{board: board}.Prepare(device(board, "", "line: 0"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := source.Open(t.Context()); !errors.Is(err, errInUse) || drivers.IsPermanent(err) {
		t.Errorf("%v", err)
	}
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

func TestWithoutLinesThereIsNoConnection(t *testing.T) {
	board := newFakeBoard(2)
	open := func() error {
		source, err := Driver{board: board}.Prepare(device(board, "", "line: 0"))
		if err != nil {
			t.Fatal(err)
		}
		conn, err := source.Open(t.Context())
		if err == nil {
			conn.Close()
		}
		return err
	}
	board.gone = true
	if err := open(); err == nil || drivers.IsPermanent(err) || !errors.Is(err, errNoLine) {
		t.Errorf("no chip: %v", err)
	}
	board.denied = true
	if err := open(); !drivers.IsPermanent(err) {
		t.Errorf("no permission: %v", err)
	}
}

// TestThisMachine reads the real board, which on a machine without lines has none.
func TestThisMachine(t *testing.T) {
	source, err := Driver{}.Prepare(drivers.Device{Options: driverstest.Section("options", "chip: no-such-chip"), Clock: newFakeBoard(0),
		Groups: []drivers.Group{{Options: driverstest.Section("source", "line: 3"), Targets: []drivers.Target{{Point: &point.Point{Type: point.Bool, Class: point.State}}}}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := source.Open(t.Context()); !errors.Is(err, errNoLine) || drivers.IsPermanent(err) {
		t.Errorf("a chip that no board has: %v", err)
	}
	if _, err := (machine{}).request("/dev/no-such-chip", []wish{{line: 1}}); err == nil {
		t.Error("lines of a chip that is not there")
	}
	if err := (machine{}).free(place{"/dev/null", 1}); err == nil {
		t.Error("/dev/null has a line")
	}
	if _, err := OpenLED("no-such-line", false); err == nil || !strings.Contains(err.Error(), "no-such-line") {
		t.Errorf("an LED on no line: %v", err)
	}
}

// lamp is an output that remembers.
type lamp struct {
	on, given bool
	fail      error
}

func (l *lamp) set(on bool) error { l.on = on; return l.fail }
func (l *lamp) close() error      { l.given = true; return nil }

func TestLED(t *testing.T) {
	l := &lamp{}
	led := &LED{"GPIO16", l}
	if err := led.Set(true); err != nil || !l.on {
		t.Errorf("on: %v, %v", l.on, err)
	}
	if err := led.Close(); err != nil || l.on || !l.given {
		t.Errorf("closed: %+v, %v", l, err)
	}
	l.fail = errInUse
	if err := led.Set(true); !errors.Is(err, errInUse) || !strings.Contains(err.Error(), "GPIO16") {
		t.Error(err)
	}
}

// TestLinesAreFound by the names, labels and paths of chips, and by numbers and names of lines.
func TestLinesAreFound(t *testing.T) {
	names := func(all ...string) func(uint32) (string, error) {
		return func(n uint32) (string, error) { return all[n], nil }
	}
	chips := []chip{
		{"/dev/gpiochip0", "gpiochip0", "pinctrl", 3, names("A", "", "B")},
		{"/dev/gpiochip1", "gpiochip1", "expander", 2, names("C", "A")},
		{"/dev/gpiochip2", "gpiochip2", "expander", 9, func(uint32) (string, error) { return "", errors.New("pulled out") }},
	}
	for _, x := range []struct {
		chip, line string
		want       place
		says       string
	}{
		{"", "A", place{"/dev/gpiochip0", 0}, ""},
		{"expander", "A", place{"/dev/gpiochip1", 1}, ""},
		{"gpiochip0", "2", place{"/dev/gpiochip0", 2}, ""},
		{"/dev/gpiochip1", "1", place{"/dev/gpiochip1", 1}, ""},
		{"pinctrl", "3", place{}, "gpiochip0 has lines 0 to 2, not 3"},
		{"pinctrl", "C", place{}, "the board's chips are gpiochip0 (pinctrl, 3 lines), gpiochip1 (expander, 2 lines)"},
		{"", "D", place{}, "pulled out"},
		{"nobody", "0", place{}, "line 0 of nobody"},
	} {
		got, err := findIn(chips, x.chip, x.line)
		if x.says == "" && (err != nil || got != x.want) || x.says != "" && (!errors.Is(err, errNoLine) || !strings.Contains(err.Error(), x.says)) {
			t.Errorf("%q %q: %v, %v", x.chip, x.line, got, err)
		}
	}
	if _, err := findIn(nil, "", "A"); err == nil || !strings.Contains(err.Error(), "chips are none") {
		t.Errorf("no chips: %v", err)
	}
}

func TestPrepareRefuses(t *testing.T) {
	board := newFakeBoard(1)
	change := func(d drivers.Device, f func(p *point.Point)) drivers.Device {
		f(d.Groups[0].Targets[0].Point)
		return d
	}
	anyChip := device(board, "", "line: 3")
	anyChip.Options = driverstest.Section("options", "")
	ranged := device(board, "", "line: GPIO1")
	ranged.Groups[0].Targets = append(ranged.Groups[0].Targets, ranged.Groups[0].Targets[0])
	for says, d := range map[string]drivers.Device{
		"debounce 11s is out of range":      device(board, "debounce: 11s"),
		"resync 1ms is out of range":        device(board, "resync: 1ms"),
		"line is missing":                   device(board, "", "bias: up"),
		"debounce -1s is out":               device(board, "", "line: 1\ndebounce: -1s"),
		"\"left\" is not a bias":            device(board, "", "line: 1\nbias: left"),
		"\"up\" is not an edge":             device(board, "", "count line: 1\nedge: up"),
		"edge is for counters":              device(board, "", "line: 1\nedge: rising"),
		"lines 5000 to 5000 are":            device(board, "", "line: 5000"),
		"step 0":                            device(board, "", "line: 1\nstep: 0"),
		"line 1 of gpiochip0 already fills": device(board, "", "line: 1", "count line: 1"),
		"line 3 of which chip":              anyChip,
		"which a range cannot count on":     ranged,
		"a line has no log of events":       change(device(board, "", "line: 1"), func(p *point.Point) { p.Class = point.Event }),
		"cannot fill a point of type float": change(device(board, "", "line: 1"), func(p *point.Point) { p.Type = point.Float }),
		"make the point's bits 64":          change(device(board, "", "count line: 1"), func(p *point.Point) { p.Bits = 16 }),
	} {
		_, err := Driver{board: board}.Prepare(d)
		if says == "step 0" {
			says = "are out of range"
		}
		if err == nil || !strings.Contains(err.Error(), says) || len(driverstest.Faults(err)) == 0 {
			t.Errorf("want %q, got %v", says, err)
		}
	}
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
