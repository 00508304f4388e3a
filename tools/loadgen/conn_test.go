package loadgen

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/drivers/driverstest"
	"github.com/courtside-edge/courtside/sync/point"
)

type sinceStart struct{ start time.Time }

func (c sinceStart) Mono() int64 { return int64(time.Since(c.start)) }

// open returns a connection to a device of so many seats, then a wall probe and a total, each of a scan class of its own.
func open(tb testing.TB, c *Control, options string, seats int, probes ...string) *conn {
	tb.Helper()
	d := drivers.Device{ID: "gen", Options: driverstest.Section("options", options), Clock: sinceStart{time.Now()}}
	index := uint32(0)
	for class, from := range append([]string{"pattern: seat"}, probes...) {
		n := 1
		if class == 0 {
			n = seats
		}
		g := drivers.Group{Options: driverstest.Section("source", from), Class: class}
		for range n {
			g.Targets = append(g.Targets, drivers.Target{Index: index, Point: &point.Point{Type: point.Int}})
			index++
		}
		d.Groups, d.Classes = append(d.Groups, g), append(d.Classes, drivers.ScanClass{Period: time.Second})
	}
	source, err := Driver{c}.Prepare(d)
	if err != nil {
		tb.Fatal(err)
	}
	opened, err := source.Open(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	return opened.(*conn)
}

func TestSeatsChangeAtEveryReadingAndInTurn(t *testing.T) {
	const seats, blocks = 70, 400
	ctl := NewControl(0)
	c := open(t, ctl, "{rate: max, block: 30, seed: 3}", seats)
	last, next := map[uint32]uint64{}, uint32(0)
	taken := 0
	for range blocks {
		c.one(func(b *drivers.Block) {
			if len(b.Readings) != 30 {
				t.Fatalf("a block of %d readings, want 30", len(b.Readings))
			}
			for _, r := range b.Readings {
				if r.Index != next {
					t.Fatalf("seat %d, want %d: seats come in turn", r.Index, next)
				}
				next = (next + 1) % seats
				if before, read := last[r.Index]; read && before == r.Bits {
					t.Fatalf("seat %d reads %d twice in a row: the filter would drop it", r.Index, r.Bits)
				}
				if r.Bits > 0xffff || r.Quality != point.Good {
					t.Fatalf("seat %d reads %d of quality %v; a 16-bit register is wanted", r.Index, r.Bits, r.Quality)
				}
				if last[r.Index] = r.Bits; r.Bits >= 200 {
					taken++
				}
			}
		})
	}
	if share := float64(taken) / (30 * blocks); share < 0.5 || share > 0.9 {
		t.Errorf("%.2f of the readings are of taken seats; 0.7 is meant", share)
	}
	if n, skipped := ctl.Produced(); n != 30*blocks || skipped != 0 {
		t.Errorf("%d readings counted, %d skipped; %d were yielded", n, skipped, 30*blocks)
	}
}

func TestSameSeedSameCrowd(t *testing.T) {
	a, b, other := newCrowd(50, 7), newCrowd(50, 7), newCrowd(50, 8)
	differ := false
	for i := range 5000 {
		v := a.next(i % 50)
		if w := b.next(i % 50); w != v {
			t.Fatalf("reading %d is %d and %d", i, v, w)
		}
		differ = differ || other.next(i%50) != v
	}
	if !differ {
		t.Error("another seed is the same crowd")
	}
}

func TestAReadingAllocatesNothing(t *testing.T) {
	c := open(t, NewControl(0), "{rate: max, block: 500}", 1000, "pattern: wall", "{pattern: total, every: 5ms}")
	yield := func(*drivers.Block) {}
	if n := testing.AllocsPerRun(100, func() { c.one(yield) }); n != 0 {
		t.Errorf("a block of 500 allocates %g times", n)
	}
}

func TestPollReadsEachPointOfItsClassOnce(t *testing.T) {
	c := open(t, NewControl(0), "{rate: max}", 5, "pattern: wall", "{pattern: total, every: 1h}")
	for class, want := range [][]uint32{{0, 1, 2, 3, 4}, {5}, {6}} {
		for range 2 {
			var got []uint32
			if err := c.Poll(t.Context(), class, func(b *drivers.Block) {
				for _, r := range b.Readings {
					got = append(got, r.Index)
				}
			}); err != nil {
				t.Fatal(err)
			}
			if len(got) != len(want) || got[0] != want[0] {
				t.Fatalf("class %d brought %v, want %v", class, got, want)
			}
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.Poll(t.Context(), 0, func(*drivers.Block) { t.Error("a closed connection yields") }); !errors.Is(err, errClosed) {
		t.Errorf("Poll after Close: %v", err)
	}
}

func TestPacedYieldsItsRateAndItsProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctl := NewControl(1)
		ctl.SetHeld(1 << 30) // a paced generator does not care
		c := open(t, ctl, `{rate: "120000"}`, 1000, "pattern: wall", "{pattern: total, every: 5ms}")
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second-time.Microsecond)
		defer cancel()
		counts := map[string]int{}
		err := c.Subscribe(ctx, func(b *drivers.Block) {
			for _, r := range b.Readings {
				switch {
				case r.Index < 1000:
					counts["seat"]++
				case r.Index == 1000:
					counts["wall"]++
				default:
					counts["total"]++
				}
				if r.Index >= 1000 && int64(r.Bits) != time.Now().UnixNano() {
					t.Fatalf("a probe holds %d at %d", r.Bits, time.Now().UnixNano())
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		for what, want := range map[string]int{"seat": 1000 + 1_200_000, "wall": 1 + 10_000, "total": 2000} {
			if got := counts[what]; got < want-1 || got > want+1 { // the first report of all, then the rate
				t.Errorf("%d readings of pattern %s in 10 s, want %d", got, what, want)
			}
		}
		if ctl.Base() == 0 || ctl.Closed() {
			t.Errorf("totals count from %d, a generator at max: %v", ctl.Base(), ctl.Closed())
		}
	})
}

func TestPacedCatchesUpOnASecondAndSkipsTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctl := NewControl(0)
		c := open(t, ctl, `{rate: "1000", block: 10}`, 100)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second-time.Microsecond)
		defer cancel()
		blocks := 0
		if err := c.Subscribe(ctx, func(*drivers.Block) {
			if blocks++; blocks == 100 { // about 1 s has passed
				time.Sleep(5 * time.Second) // the process is not scheduled
			}
		}); err != nil {
			t.Fatal(err)
		}
		n, skipped := ctl.Produced()
		if n+skipped < 10_000+80 || n+skipped > 10_000+120 { // the first report holds 100
			t.Errorf("%d readings and %d skipped in 10 s; 10,000 are due", n, skipped)
		}
		if skipped < 3900 || skipped > 4100 {
			t.Errorf("%d were skipped; it was away for 5 s and may catch up on 1 s", skipped)
		}
	})
}

func TestMaxWaitsWhileTheSpoolIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctl := NewControl(1000)
		c := open(t, ctl, "{rate: max, block: 100}", 100)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		blocks, done := 0, make(chan error, 1)
		go func() {
			done <- c.Subscribe(ctx, func(*drivers.Block) {
				if blocks++; blocks%10 == 0 {
					ctl.SetHeld(1000)
				}
			})
		}()
		for round := 1; round <= 3; round++ {
			time.Sleep(time.Minute)
			synctest.Wait()
			if blocks != 10*round {
				t.Fatalf("%d blocks in round %d; it has to stop where the spool is full", blocks, round)
			}
			ctl.SetHeld(999)
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the end that was asked for: %v", err)
		}
		if !ctl.Closed() || ctl.Waited() < 2*time.Minute {
			t.Errorf("closed loop %v, waited %v", ctl.Closed(), ctl.Waited())
		}
	})
}

func TestCloseEndsASubscription(t *testing.T) {
	for _, options := range []string{"{rate: max}", `{rate: "0.001", block: 1}`} {
		ctl := NewControl(1)
		ctl.SetHeld(1)
		c := open(t, ctl, options, 10)
		begun, done := make(chan struct{}), make(chan error, 1)
		go func() { done <- c.Subscribe(t.Context(), func(*drivers.Block) { begun <- struct{}{} }) }()
		<-begun
		go func() { // a paced one yields its first block at once
			for range begun {
			}
		}()
		for range 2 {
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if err := <-done; !errors.Is(err, errClosed) || drivers.IsPermanent(err) {
			t.Errorf("%s: Subscribe ended with %v", options, err)
		}
		close(begun)
	}
}

func TestOpenWithAnEndedContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := &source{control: NewControl(0)}
	if _, err := s.Open(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Open: %v", err)
	}
}

func FuzzParseRate(f *testing.F) {
	for _, s := range []string{"max", "120000", "0", "-1", "1e9", "1e10", "NaN", "Inf", "", "0x10"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		rate, err := parseRate(s)
		if err == nil && s != "max" && !(rate > 0 && rate <= MaxRate) {
			t.Errorf("rate %q was read as %g", s, rate)
		}
	})
}
