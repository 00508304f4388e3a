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

	"periph.io/x/conn/v3/gpio"

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
	t     *testing.T
	board *fakeBoard
	conn  drivers.Conn
	stop  context.CancelFunc
	done  chan error

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
	source, err := Driver{board: board}.Prepare(device(board, options, sources...))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := source.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	f := &follower{t: t, board: board, conn: conn, stop: stop, done: make(chan error, 1)}
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
	synctest.Test(t, func(t *testing.T) {
		board := newFakeBoard(2)
		board.keeps = 8
		f := follow(t, board, "debounce: 0s", "count line: 0", "line: 1")
		start := f.take()[0].bits
		board.set(0, true)
		board.set(0, false)
		f.take()
		before := board.Mono()
		time.Sleep(ms)
		board.pulse(0, 10) // 20 edges at once: the kernel keeps the last 8
		got := f.take()
		if len(got) != 2 || got[0].lost == nil || got[0].lost.Count != 6 || got[0].lost.Reason != point.GapOverrun || got[0].lost.First < before || got[0].lost.First > got[0].lost.Last {
			t.Fatalf("told %+v, %+v", got, got[0].lost)
		}
		if got[0].bits-start != 1 || got[1].bits-start != 5 {
			t.Errorf("the count went on from %d to %d; 1 and 4 more are known", got[0].bits-start, got[1].bits-start)
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

// pin is an output that remembers its level; whatever else is asked of it panics, as it would switch a real one.
type pin struct {
	gpio.PinOut
	level gpio.Level
	fail  error
}

func (p *pin) Out(l gpio.Level) error { p.level = l; return p.fail }
func (p *pin) Name() string           { return "GPIO16" }
func (p *pin) Halt() error            { return nil }

func TestLED(t *testing.T) {
	if _, err := openLED(&pin{fail: errInUse}, false); !errors.Is(err, errInUse) || !strings.Contains(err.Error(), "GPIO16") {
		t.Error(err)
	}
	for _, low := range []bool{false, true} {
		pin := &pin{level: gpio.High}
		led, err := openLED(pin, low)
		if err != nil || bool(pin.level) != low {
			t.Errorf("an LED is off at first: level %v, %v", pin.level, err)
		}
		if err := led.Set(true); err != nil || bool(pin.level) == low {
			t.Errorf("on: level %v, %v", pin.level, err)
		}
		if err := led.Close(); err != nil || bool(pin.level) != low {
			t.Errorf("closed: level %v, %v", pin.level, err)
		}
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
