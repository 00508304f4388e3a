//go:build hardware

package inside

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/drivers/gpio"
	"github.com/courtside-edge/courtside/sync/point"
)

// TestPulsesAreCountedExactly counts without debouncing, at several rates. There is one processor, so that the kernel looks at each edge before the
// next is made, however busy the host is.
func TestPulsesAreCountedExactly(t *testing.T) {
	oneProcessor(t)
	c := newChip(t, "gates", 4, nil)
	f := follow(t, gpio.Driver{}, device(t, "chip: gates, debounce: 0s, resync: 100ms",
		counter("line: 0"), counter("line: 1, edge: falling"), counter("line: 2, edge: both"), counter("line: 3, active_low: true")))
	drive := []func(bool){c.driver(0), c.driver(1), c.driver(2), c.driver(3)}
	for _, rate := range []struct {
		name   string
		half   time.Duration // of a pulse
		pulses uint64
	}{
		{"10 a second", 50 * time.Millisecond, 10},
		{"100 a second", 5 * time.Millisecond, 50},
		{"500 a second", time.Millisecond, 200},
		{"as fast as can be", 0, 1000},
	} {
		t.Run(rate.name, func(t *testing.T) {
			starts := []uint64{f.bits(0), f.bits(1), f.bits(2), f.bits(3)}
			begin := time.Now()
			for range rate.pulses {
				for _, level := range []bool{true, false} {
					for _, d := range drive {
						d(level)
					}
					time.Sleep(rate.half)
				}
			}
			took := time.Since(begin)
			got := f.settled(starts)
			t.Logf("%d pulses on each of 4 lines in %v, %.0f edges a second: counted %v", rate.pulses, took, float64(8*rate.pulses)/took.Seconds(), got)
			for n, want := range []uint64{rate.pulses, rate.pulses, 2 * rate.pulses, rate.pulses} {
				if got[n] != want {
					t.Errorf("line %d: counted %d of %d", n, got[n], want)
				}
			}
		})
	}
	if len(f.gaps) > 0 {
		t.Errorf("gaps are declared: %v", f.gaps)
	}
}

// TestPulsesOnTwoProcessors makes each pulse once the one before was counted.
func TestPulsesOnTwoProcessors(t *testing.T) {
	c := newChip(t, "turnstile", 1, nil)
	f := follow(t, gpio.Driver{}, device(t, "chip: turnstile, debounce: 0s", counter("line: 0")))
	start, drive := f.bits(0), c.driver(0)
	for n := range uint64(300) {
		drive(true)
		drive(false)
		f.wait("the pulse to count", func() bool { return f.last[0].Bits == start+n+1 })
	}
}

// oneProcessor switches the other one off until the test ends.
func oneProcessor(t *testing.T) {
	t.Helper()
	const online = "/sys/devices/system/cpu/cpu1/online"
	if err := os.WriteFile(online, []byte("0"), 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.WriteFile(online, []byte("1"), 0); err != nil {
			t.Error(err)
		}
	})
}

// TestBouncesAreNoPulses makes contacts bounce: no level but the last holds for the debounce time.
func TestBouncesAreNoPulses(t *testing.T) {
	const pulses, wait = 3, 400 * time.Millisecond
	c := newChip(t, "bounce", 2, nil)
	f := follow(t, gpio.Driver{}, device(t, "chip: bounce, debounce: 400ms", counter("line: 0"), contact("line: 1")))
	start, drive := f.bits(0), []func(bool){c.driver(0), c.driver(1)}
	for n := range pulses {
		for _, level := range []bool{true, false} {
			for range 8 {
				begin := time.Now()
				for _, to := range []bool{level, !level} {
					for _, d := range drive {
						d(to)
					}
				}
				if took := time.Since(begin); took > wait/2 {
					t.Skipf("a bounce took %v on this busy machine, and is none any more", took)
				}
			}
			for _, d := range drive {
				d(level)
			}
			f.wait("the level that held to count", func() bool { return f.last[1].Bits == point.BoolBits(level) })
		}
		want := start + uint64(n) + 1
		f.wait("the pulse to count", func() bool { return f.last[0].Bits == want })
	}
	if got := f.settled([]uint64{start}); got[0] != pulses {
		t.Errorf("%d pulses are counted as %d", pulses, got[0])
	}
	if changes := f.told(1); changes != 1+2*pulses {
		t.Errorf("the contact was told %d times, not %d", changes, 1+2*pulses)
	}
}

// TestAnOverrunIsDeclaredToTheLastPulse makes more edges than the kernel keeps while nobody reads them.
func TestAnOverrunIsDeclaredToTheLastPulse(t *testing.T) {
	oneProcessor(t)
	for name, lines := range map[string]string{"one line": "line: 0", "both edges": "line: 0, edge: both"} {
		t.Run(name, func(t *testing.T) {
			c := newChip(t, "overrun", 2, nil)
			f := follow(t, gpio.Driver{}, device(t, "chip: overrun, debounce: 0s, resync: 1m", counter(lines), contact("line: 1, debounce: 0s")))
			start, drive := f.bits(0), c.driver(0)
			release := f.hold()
			c.set(1, true) // somebody takes this block, and takes his time
			const pulses = 4000
			for range pulses {
				drive(true)
				drive(false)
			}
			release()
			f.wait("the overrun to be declared", func() bool { return len(f.gaps) > 0 })
			f.settled([]uint64{start})
			drive(true)
			drive(false)
			got := f.settled([]uint64{start})[0]
			lost := uint64(0)
			for _, g := range f.gaps {
				if g.Index != 0 || g.Reason != point.GapOverrun || g.First > g.Last {
					t.Errorf("gap %+v", g)
				}
				lost += g.Count
			}
			want := uint64(pulses + 1)
			if name == "both edges" {
				want *= 2
			}
			t.Logf("%d counted, %d declared lost", got, lost)
			if got+lost != want {
				t.Errorf("%d counted and %d declared lost are not %d", got, lost, want)
			}
			if got < 500 {
				t.Errorf("%d were counted; the kernel kept more", got)
			}
		})
	}
}

// TestAnEdgeIsDatedWhenItWas makes an edge while nobody reads.
func TestAnEdgeIsDatedWhenItWas(t *testing.T) {
	c := newChip(t, "dates", 2, nil)
	f := follow(t, gpio.Driver{}, device(t, "chip: dates, debounce: 0s, resync: 1m", contact("line: 0"), contact("line: 1")))
	drive := c.driver(1)
	release := f.hold()
	c.set(0, true)
	f.wait("somebody to take the block before", func() bool { return f.last[0].Bits == 1 })
	from, wallFrom := (clock{}).Mono(), time.Now().UnixNano()
	drive(true)
	to, wallTo := (clock{}).Mono(), time.Now().UnixNano()
	time.Sleep(1100 * time.Millisecond)
	release()
	f.wait("the edge", func() bool { return f.last[1].Bits == 1 })
	const slack = int64(200 * time.Millisecond) // two clocks are compared while others run
	if x := f.last[1]; x.at < from-slack || x.at > to+slack || x.deviceTime < wallFrom-slack || x.deviceTime > wallTo+slack {
		t.Errorf("the edge was between %d and %d, %d and %d; it is dated %d, %d", from, to, wallFrom, wallTo, x.at, x.deviceTime)
	}
	if late := (clock{}).Mono() - to; late < int64(time.Second) {
		t.Errorf("it was read %v after, which proves nothing", time.Duration(late))
	}
}

// TestNamesLabelsAndPaths takes lines by all that a chip and a line are called.
func TestNamesLabelsAndPaths(t *testing.T) {
	newChip(t, "first", 4, map[int]string{0: "DOOR-A"})
	c := newChip(t, "second", 4, map[int]string{1: "DOOR-B", 3: "GATE-7"})
	f := follow(t, gpio.Driver{}, device(t, "debounce: 0s",
		contact("line: DOOR-B"), contact("line: 0, chip: second"), contact("line: 2, chip: "+c.name), contact("line: GATE-7, chip: /dev/"+c.name), contact("line: DOOR-A")))
	for index, line := range []int{1, 0, 2, 3} {
		c.set(line, true)
		f.wait("the line of this name", func() bool { return f.last[uint32(index)].Bits == 1 })
	}
	if f.bits(4) != 0 {
		t.Error("a line of another chip changed")
	}
}

// TestLinesThatAreSomebodyElses are bad alone, and come once they are given back.
func TestLinesThatAreSomebodyElses(t *testing.T) {
	c := newChip(t, "shared", 4, map[int]string{0: "hog-0"})
	other, err := open(t, gpio.Driver{}, device(t, "chip: shared", contact("line: 1")))
	if err != nil {
		t.Fatal(err)
	}
	f := follow(t, gpio.Driver{}, device(t, "chip: shared, debounce: 0s, resync: 100ms", contact("line: 0"), contact("line: 1"), contact("line: 2"), contact("line: 99")))
	for index, want := range []point.Quality{point.BadResourceUnavailable, point.BadResourceUnavailable, point.Good, point.BadNodeIDUnknown} {
		if q := f.last[uint32(index)].Quality; q != want {
			t.Errorf("line %d: %v, not %v", index, q, want)
		}
	}
	c.set(2, true)
	f.wait("the line that can be had", func() bool { return f.last[2].Bits == 1 })
	c.set(1, true)
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	f.wait("the line that was given back", func() bool { return f.last[1].Quality.IsGood() && f.last[1].Bits == 1 })
}

// TestBiasReachesTheLine asks gpio-sim, which pulls as it is told.
func TestBiasReachesTheLine(t *testing.T) {
	newChip(t, "bias", 4, nil)
	f := follow(t, gpio.Driver{}, device(t, "chip: bias, debounce: 0s", contact("line: 0, bias: up"), contact("line: 1, bias: down"), contact("line: 2, bias: up, active_low: true")))
	for index, want := range []uint64{1, 0, 0} {
		if got := f.bits(uint32(index)); got != want {
			t.Errorf("line %d reads %d, not %d", index, got, want)
		}
	}
}

// TestAChipIsPulledOut: what another chip has goes on without a break; the points of the one that went are bad, and come back with it, even when
// it gets another number.
func TestAChipIsPulledOut(t *testing.T) {
	stays, goes := newChip(t, "stays", 2, nil), newChip(t, "goes", 2, map[int]string{1: "FAR-DOOR"})
	f := follow(t, gpio.Driver{}, device(t, "debounce: 0s, resync: 100ms", counter("line: 0, chip: stays"), contact("line: 0, chip: goes"), contact("line: FAR-DOOR")))
	start, drive := f.bits(0), stays.driver(0)
	pulses := uint64(0)
	pulse := func() {
		drive(true)
		drive(false)
		pulses++
		f.wait("the pulse on the chip that stays", func() bool { return f.last[0].Bits == start+pulses })
	}
	pulse()
	goes.unplug()
	f.wait("the points of the chip that went to be bad", func() bool { return f.last[1].Quality.IsBad() && f.last[2].Quality.IsBad() })
	t.Logf("they are %v", f.last[1].Quality)
	pulse()
	was := goes.name
	another := newChip(t, "between", 2, nil) // which may take its number
	pulse()
	goes.plug()
	t.Logf("it was %s, and is %s; the one between is %s", was, goes.name, another.name)
	f.wait("the chip that came back", func() bool { return f.last[1].Quality.IsGood() && f.last[2].Quality.IsGood() })
	goes.set(0, true)
	goes.set(1, true)
	f.wait("its lines", func() bool { return f.last[1].Bits == 1 && f.last[2].Bits == 1 })
	pulse()
}

// TestTheOnlyChipIsPulledOut ends the connection, and a new one finds the chip again.
func TestTheOnlyChipIsPulledOut(t *testing.T) {
	c := newChip(t, "only", 2, nil)
	d := device(t, "chip: only, debounce: 0s", contact("line: 0"))
	f := follow(t, gpio.Driver{}, d)
	c.unplug()
	select {
	case err := <-f.done:
		f.done <- err
		var known *drivers.Error
		if !errors.As(err, &known) || known.Failure != drivers.Transient {
			t.Errorf("the connection ended with %v", err)
		}
		t.Log(err)
	case <-time.After(patience):
		t.Fatal("the connection lives on without its chip")
	}
	if _, err := open(t, gpio.Driver{}, d); err == nil {
		t.Error("a chip that is not there can be opened")
	} else {
		t.Log(err)
	}
	c.plug()
	c.set(0, true)
	again := follow(t, gpio.Driver{}, d)
	if again.bits(0) != 1 {
		t.Error("the line reads low")
	}
}

// TestForbiddenLines are a person's business: permanent.
func TestForbiddenLines(t *testing.T) {
	const mark = "HARDWARE_FORBIDDEN"
	if os.Getenv(mark) == "" {
		c := newChip(t, "locked", 2, nil)
		if err := os.Chmod("/dev/"+c.name, 0o600); err != nil {
			t.Fatal(err)
		}
		again(t, "TestForbiddenLines", mark+"="+c.name)
		return
	}
	if _, err := open(t, gpio.Driver{}, device(t, "chip: "+os.Getenv(mark), contact("line: 0"))); !drivers.IsPermanent(err) {
		t.Errorf("a chip that is forbidden: %v", err)
	}
}

// TestTheLEDIsDriven switches an output on and off.
func TestTheLEDIsDriven(t *testing.T) {
	for low, levels := range map[bool][3]string{false: {"0", "1", "0"}, true: {"1", "0", "1"}} {
		c := newChip(t, "lamp", 2, map[int]string{1: "STATUS"})
		led, err := gpio.OpenLED("STATUS", low)
		if err != nil {
			t.Fatal(err)
		}
		shines := func(want string) {
			t.Helper()
			if got := c.read(filepath.Join(c.sys, "sim_gpio1", "value")); got != want {
				t.Errorf("active low %v: the line is %s, not %s", low, got, want)
			}
		}
		shines(levels[0])
		for on, want := range map[bool]string{true: levels[1], false: levels[2]} {
			if err := led.Set(on); err != nil {
				t.Error(err)
			}
			shines(want)
		}
		if _, err := gpio.OpenLED("STATUS", low); err == nil {
			t.Error("two have the same line")
		}
		if err := led.Close(); err != nil {
			t.Error(err)
		}
		c.remove()
	}
}
