package gpio

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/drivers/driverstest"
	"github.com/courtside-edge/courtside/sync/point"
)

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
