package modbus_test

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/drivers/devicetest/modbusserver"
	"github.com/courtside-edge/courtside/drivers/modbus"
	"github.com/courtside-edge/courtside/sync/point"
)

// newUnits returns a serial server with several units behind it, of ten registers each. Register n of unit u holds 100·u + n.
func newUnits(t *testing.T, units int) bench {
	t.Helper()
	layout := map[uint8]modbusserver.Size{}
	for u := range units {
		layout[uint8(u+1)] = modbusserver.Size{Holding: 10}
	}
	memory := modbusserver.NewRegisters(layout)
	for u := range units {
		for n := range 10 {
			memory.Unit(uint8(u+1)).SetHolding(n, uint16(100*(u+1)+n))
		}
	}
	s, err := modbusserver.Start("127.0.0.1:0", memory, modbusserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return bench{t, s, memory}
}

// byUnit is a point of each unit, at one address.
func byUnit(units int) drivers.Group {
	return group("source", "table: holding\naddress: 3\nunit: 1\nunit_step: 1", units, state(point.Int))
}

func TestUnitsShareOneConnection(t *testing.T) {
	b := newUnits(t, 20)
	own := group("own", "table: holding\naddress: 7", 1, state(point.Int)) // of the device's unit
	own.Targets[0].Index = 20
	for _, depth := range []int{1, 8} {
		c := b.open(b.prepare(fmt.Sprintf("unit: 9\ndepth: %d", depth), byUnit(20), own))
		got, err := poll(t, c)
		if err != nil || len(got) != 21 {
			t.Fatal(len(got), err)
		}
		for i, r := range got {
			want := uint64(100*(i+1) + 3)
			if i == 20 {
				want = 907
			}
			if r.Quality != point.Good || r.Bits != want {
				t.Errorf("depth %d: point %d: %+v, want %d", depth, i, r, want)
			}
		}
		if n := b.server.Clients(); n != 1 {
			t.Errorf("%d connections", n)
		}
		c.Close()
		for deadline := time.Now().Add(10 * time.Second); b.server.Clients() > 0 && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond) // until the server has noticed
		}
	}
}

// A unit that is dead is suspended after two requests: it costs the others two timeouts, once, and comes back by itself.
func TestADeadUnitIsSuspended(t *testing.T) {
	b := newUnits(t, 5)
	s := b.prepare("timeout: 50ms", byUnit(5))
	c := b.open(s)
	if _, err := poll(t, c); err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int64
	b.server.SetFault(modbusserver.Unit(3, func(e *modbusserver.Exchange) { asked.Add(1); e.Answers = nil }))
	for n := range 10 {
		got, err := poll(t, c)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range got {
			if i == 2 != r.Quality.IsBad() {
				t.Errorf("poll %d: unit %d is %v", n, i+1, r.Quality)
			}
		}
		if len(got) != 5 {
			t.Errorf("poll %d: %d points", n, len(got))
		}
	}
	if n := asked.Load(); n != 2 {
		t.Errorf("the dead unit was asked %d times in ten polls", n)
	}
	if state := unitUp(s, 3); state != 0 || unitUp(s, 2) != 1 {
		t.Errorf("unit 3 is up: %v, unit 2: %v", state, unitUp(s, 2))
	}
	b.server.SetFault(nil)
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		got, err := poll(t, c)
		if err != nil {
			t.Fatal(err)
		}
		if r := got[2]; r.Quality == point.Good && r.Bits == 303 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the unit answers again; it is not asked")
		}
	}
	if unitUp(s, 3) != 1 {
		t.Error("the unit is up; its figure is not")
	}
}

func unitUp(s *modbus.Source, unit int) float64 {
	for _, st := range s.Stats() {
		if st.Name == "unit_up" && st.Part == fmt.Sprintf("unit %d", unit) {
			return st.Value
		}
	}
	return -1
}

// Exceptions 10 and 11 are a gateway's word for a dead unit.
func TestAUnitThatTheGatewayCannotReachIsSuspended(t *testing.T) {
	for _, code := range []modbusserver.Exception{modbusserver.PathUnavailable, modbusserver.TargetSilent} {
		b := newUnits(t, 3)
		s := b.prepare("", byUnit(3))
		c := b.open(s)
		var asked atomic.Int64
		refuse := modbusserver.Refuse(code)
		b.server.SetFault(modbusserver.Unit(1, func(e *modbusserver.Exchange) { asked.Add(1); refuse(e) }))
		for range 5 {
			got, err := poll(t, c)
			if err != nil || got[0].Quality != point.BadNotConnected || got[1].Quality != point.Good || got[2].Quality != point.Good {
				t.Fatal(got, err)
			}
		}
		if asked.Load() != 2 || unitUp(s, 1) != 0 {
			t.Errorf("exception %d: the unit was asked %d times", code, asked.Load())
		}
		// Other exceptions come from a unit that lives.
		b.server.SetFault(modbusserver.Unit(2, modbusserver.Refuse(modbusserver.DeviceBusy)))
		for range 5 {
			if _, err := poll(t, c); err != nil {
				t.Fatal(err)
			}
		}
		if unitUp(s, 2) != 1 {
			t.Error("a busy unit is suspended")
		}
	}
}

// Several units that die at once do not end the connection of those that live.
func TestManyDeadUnitsCostOthersNothingButTime(t *testing.T) {
	b := newUnits(t, 8)
	for _, depth := range []int{1, 4} {
		s := b.prepare(fmt.Sprintf("timeout: 40ms\ndepth: %d", depth), byUnit(8))
		c := b.open(s)
		if _, err := poll(t, c); err != nil {
			t.Fatal(err)
		}
		dead := func(u uint8) bool { return u >= 2 && u <= 6 }
		b.server.SetFault(func(e *modbusserver.Exchange) {
			if dead(e.Unit()) {
				e.Answers = nil
			}
		})
		for n := range 4 {
			got, err := poll(t, c)
			if err != nil {
				t.Fatalf("depth %d, poll %d: %v", depth, n, err)
			}
			for i, r := range got {
				if dead(uint8(i+1)) != r.Quality.IsBad() {
					t.Errorf("depth %d, poll %d: unit %d is %v", depth, n, i+1, r.Quality)
				}
			}
		}
		b.server.SetFault(nil)
		c.Close()
	}
}

// A line on which nobody answers is no matter of units: the connection ends, soon.
func TestALineThatIsDeadEndsTheConnection(t *testing.T) {
	b := newUnits(t, 30)
	c := b.open(b.prepare("timeout: 50ms", byUnit(30)))
	if _, err := poll(t, c); err != nil {
		t.Fatal(err)
	}
	b.server.SetFault(modbusserver.Drop())
	before := c.Stats().Timeouts
	_, err := poll(t, c)
	if err == nil || drivers.IsPermanent(err) || !strings.Contains(err.Error(), "not answered") {
		t.Errorf("%v", err)
	}
	if n := c.Stats().Timeouts - before; n > 6 {
		t.Errorf("it took %d timeouts to notice", n)
	}
}

// Dead units in front of all others, from the very start: connections end, but each learns, and soon one holds.
func TestDeadUnitsInFrontAreLearned(t *testing.T) {
	b := newUnits(t, 10)
	s := b.prepare("timeout: 30ms", byUnit(10))
	b.server.SetFault(func(e *modbusserver.Exchange) {
		if e.Unit() <= 7 {
			e.Answers = nil
		}
	})
	for attempt := range 20 {
		c := b.open(s)
		got, err := poll(t, c)
		c.Close()
		if err != nil {
			continue
		}
		for i := uint32(7); i < 10; i++ {
			if got[i].Quality != point.Good {
				t.Errorf("unit %d is %v", i+1, got[i].Quality)
			}
		}
		if attempt > 8 {
			t.Errorf("it took %d connections", attempt+1)
		}
		return
	}
	t.Error("no connection ever held")
}

func TestReadsTextsAndDecimals(t *testing.T) {
	b := newBench(t)
	b.memory.Unit(1).SetHolding(0, 0x4761, 0x7465, 0x2033, 0x2020, 0x0041) // "Gate 3  ", then NUL and a rest
	b.memory.Unit(1).SetHolding(10, 0x6147, 0x6574)                        // "Gate" with the bytes of each register swapped
	b.memory.Unit(1).SetHolding(20, 0xFFFE, 0x4142)                        // no UTF-8
	b.memory.Unit(1).SetHolding(30, 0x1234, 0x5678, 0x12A4)
	texts := func(name, source string, index uint32) drivers.Group {
		g := group(name, source, 1, state(point.Text))
		g.Targets[0].Index = index
		return g
	}
	numbers := func(name, source string, index uint32) drivers.Group {
		g := group(name, source, 1, state(point.Int))
		g.Targets[0].Index = index
		return g
	}
	c := b.open(b.prepare("",
		texts("a", "table: holding\naddress: 0\nlength: 5", 0), texts("b", "table: holding\naddress: 10\nlength: 2\nbyte_order: little", 1),
		texts("c", "table: holding\naddress: 20\nlength: 2", 2),
		numbers("d", "table: holding\naddress: 30\ntype: bcd16", 3), numbers("e", "table: holding\naddress: 30\ntype: bcd32", 4),
		numbers("f", "table: holding\naddress: 30\ntype: bcd32\nword_order: little", 5), numbers("g", "table: holding\naddress: 32\ntype: bcd16", 6)))
	for range 2 { // the second time texts are the ones of the first
		got := map[uint32]string{}
		err := c.Poll(t.Context(), 0, func(blk *drivers.Block) {
			for _, r := range blk.Readings {
				switch {
				case r.Quality.IsBad():
					got[r.Index] = r.Quality.String()
				case r.Index < 3:
					got[r.Index] = blk.Texts[r.Bits]
				default:
					got[r.Index] = fmt.Sprint(r.Bits)
				}
			}
		})
		want := "map[0:Gate 3 1:Gate 2:bad: data encoding invalid 3:1234 4:12345678 5:56781234 6:bad: out of range]"
		if err != nil || fmt.Sprint(got) != want {
			t.Errorf("%v, %v\nwant %s", got, err, want)
		}
	}
	b.memory.Unit(1).SetHolding(0, 0x476F)
	err := c.Poll(t.Context(), 0, func(blk *drivers.Block) {
		if len(blk.Texts) > 0 && !slices.Contains(blk.Texts, "Gote 3") {
			t.Errorf("a text that changed reads %q", blk.Texts)
		}
	})
	if err != nil {
		t.Error(err)
	}
}

func TestARangeRunsOverTheBitsOfRegisters(t *testing.T) {
	b := newBench(t)
	b.memory.Unit(1).SetHolding(5, 0x9000, 0x0003, 0) // bits 12 and 15 of register 5, bits 0 and 1 of register 6
	for _, tc := range []struct {
		step int
		want string
	}{{1, "1001110000"}, {3, "1100000000"}} {
		c := b.open(b.prepare("", group("bits", fmt.Sprintf("table: holding\naddress: 5\ntype: bit\nbit: 12\nbit_step: %d", tc.step), 10, state(point.Bool))))
		got, err := poll(t, c)
		if err != nil {
			t.Fatal(err)
		}
		s := ""
		for i := range uint32(10) {
			s += fmt.Sprint(got[i].Bits)
		}
		if s != tc.want {
			t.Errorf("step %d: %s, want %s", tc.step, s, tc.want)
		}
		if n := c.Stats().Requests; n != 1 {
			t.Errorf("step %d: %d requests", tc.step, n)
		}
		c.Close()
	}
}
