package field

import (
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/courtside-edge/courtside/drivers/devicetest/modbusserver"
	"github.com/courtside-edge/courtside/tools/venuesim/arena"
	"github.com/courtside-edge/courtside/tools/venuesim/crowd"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// startField returns a field and the crowd that it shows.
func startField(t *testing.T, plan *Plan, timetable []crowd.Event) (*Field, *crowd.Crowd) {
	t.Helper()
	c := crowd.New(plan.Arena, timetable)
	f, err := Start(plan, c, Options{Seed: 9})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f, c
}

// value returns a register as the device holds it.
func (r register) value() (v uint16) {
	r.plc.bank.View(func(values *modbusserver.Values) {
		table := values.Holding
		if tableOf(r.plc.device) == modbusserver.Input {
			table = values.Input
		}
		v = table[r.address]
	})
	return v
}

// TestCountersWrap lets a whole event pass and compares 16-bit differences with the passages.
func TestCountersWrap(t *testing.T) {
	events, err := crowd.Timetable(arena.Dallas(), crowd.Options{Seed: 9, Length: 2 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	f, c := startField(t, NewPlan(arena.Dallas()), events)
	var first, last [2][]uint16
	for direction := range 2 {
		for _, r := range f.counters[direction] {
			first[direction] = append(first[direction], r.value())
		}
		last[direction] = append(last[direction], first[direction]...)
	}
	wraps := 0
	for at := time.Duration(0); at <= 2*time.Hour; at += 10 * time.Minute {
		if err := f.Apply(c.Advance(at)); err != nil {
			t.Fatal(err)
		}
		for direction := range 2 {
			for lane, r := range f.counters[direction] {
				in, out := c.Passed(lane)
				now, passed := r.value(), [2]uint32{in, out}[direction]
				if uint32(now-first[direction][lane]) != passed {
					t.Fatalf("lane %d direction %d: from %d to %d, but %d people passed", lane, direction, first[direction][lane], now, passed)
				}
				if now < last[direction][lane] {
					wraps++
				}
				last[direction][lane] = now
			}
		}
	}
	if wraps < 20 {
		t.Errorf("%d counters wrapped, want at least 20", wraps)
	}
}

func TestSeatsAndPanelsShowTheCrowd(t *testing.T) {
	f, c := startField(t, NewPlan(arena.Dallas()), []crowd.Event{
		{At: 1, Kind: crowd.Sit, Index: 17, Value: 800},
		{At: 2, Kind: crowd.Show, Index: 3, Person: -1, Value: 0x0207},
		{At: 3, Kind: crowd.Rise, Index: 17},
	})
	check := func(taken bool, word uint16) {
		t.Helper()
		if v := f.seats[17].value(); taken != (v >= occupiedAbove) || taken == (v < occupiedBelow) {
			t.Errorf("the seat reads %d, taken %v", v, taken)
		}
		if v := f.seats[18].value(); v > 50 {
			t.Errorf("the neighbour's seat reads %d", v)
		}
		if v := f.words[3].value(); v != word {
			t.Errorf("the panel shows %#04x, want %#04x", v, word)
		}
	}
	check(false, crowd.PanelIdle)
	if err := f.Apply(c.Advance(1)); err != nil {
		t.Fatal(err)
	}
	check(true, crowd.PanelIdle)
	if err := f.Apply(c.Advance(2)); err != nil {
		t.Fatal(err)
	}
	check(true, 0x0207)
	for range 100 { // noise is drawn anew and keeps who sits where
		if err := f.Refresh(NoisePeriod / 7); err != nil {
			t.Fatal(err)
		}
		check(true, 0x0207)
	}
	if err := f.Apply(c.Advance(3)); err != nil {
		t.Fatal(err)
	}
	check(false, 0x0207)
}

func TestRefreshDrawsEverySeatOncePerPeriod(t *testing.T) {
	f, _ := startField(t, NewPlan(arena.Dallas()), nil)
	for _, elapsed := range []time.Duration{NoisePeriod / 50, NoisePeriod} {
		before := append([]uint64(nil), f.draws...)
		for passed := time.Duration(0); passed < 10*NoisePeriod; passed += elapsed {
			if err := f.Refresh(elapsed); err != nil {
				t.Fatal(err)
			}
		}
		for i, p := range f.plcs {
			if p.device.Entries[0].Role != SeatPressure {
				continue
			}
			if n := f.draws[i] - before[i]; n < 9 || n > 11 {
				t.Errorf("steps of %s: %s drew noise %d times in 10 periods", elapsed, p.device.ID, n)
			}
		}
	}
}

func TestAirFollowsThePeople(t *testing.T) {
	var events []crowd.Event
	a := arena.Dallas()
	for i, s := range a.Seats {
		if quadrant(s.At) == 0 {
			events = append(events, crowd.Event{Kind: crowd.Sit, Index: int32(i), Value: 700})
		}
	}
	f, c := startField(t, NewPlan(arena.Dallas()), events)
	co2 := func(q int) float64 {
		v, _ := f.building.air(Entry{Role: CO2, First: q})
		return v
	}
	before := co2(0)
	for minute := range time.Duration(60) {
		if err := f.Apply(c.Advance(minute * time.Minute)); err != nil {
			t.Fatal(err)
		}
		if err := f.Refresh(airPeriod); err != nil {
			t.Fatal(err)
		}
	}
	if full, empty := co2(0), co2(2); full < before+500 || empty > before+50 {
		t.Errorf("CO2 of the full quadrant went from %g to %g, of an empty one to %g", before, full, empty)
	}
}

// TestDevicesAnswer asks each Modbus device for its last register over TCP, and for one beyond it.
func TestDevicesAnswer(t *testing.T) {
	f, _ := startField(t, NewPlan(arena.Dallas()), nil)
	for _, d := range f.plan.Devices {
		addr := f.Address(d.ID)
		if addr == "" || strings.HasSuffix(addr, ":0") {
			t.Fatalf("%s listens on %q", d.ID, addr)
		}
		if d.Protocol != Modbus {
			continue
		}
		function := byte(3)
		if d.Entries[0].Table == Input {
			function = 4
		}
		if pdu := ask(t, addr, function, d.Registers()-1); pdu[0] != function || pdu[1] != 2 {
			t.Errorf("%s answers % x", d.ID, pdu)
		}
		if pdu := ask(t, addr, function, d.Registers()); pdu[0] != function|0x80 || pdu[1] != 2 {
			t.Errorf("%s answers % x beyond its end, want exception 2", d.ID, pdu)
		}
	}
	if addr := f.Address("plc-nowhere"); addr != "" {
		t.Errorf("an unknown device listens on %q", addr)
	}
}

// ask reads one register and returns the answer's PDU.
func ask(t *testing.T, addr string, function byte, address int) []byte {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte{0, 1, 0, 0, 0, 6, Unit, function, byte(address >> 8), byte(address), 0, 1}); err != nil {
		t.Fatal(err)
	}
	header := make([]byte, 7)
	if _, err := io.ReadFull(c, header); err != nil {
		t.Fatal(err)
	}
	pdu := make([]byte, binary.BigEndian.Uint16(header[4:])-1)
	if _, err := io.ReadFull(c, pdu); err != nil {
		t.Fatal(err)
	}
	return pdu
}

func TestPollsAreTheLeastOfAllDevices(t *testing.T) {
	f, _ := startField(t, NewPlan(arena.Dallas()), nil)
	if f.Polls(true) != 0 || f.Polls(false) != 0 {
		t.Fatal("polls before anybody polled")
	}
	for _, p := range f.plcs {
		if p.device.Entries[0].Table == Input {
			p.polls.read(0, p.device.Registers())
		}
	}
	if counters, all := f.Polls(true), f.Polls(false); counters != 1 || all != 0 {
		t.Fatalf("%d polls of counters and %d of all, want 1 and 0", counters, all)
	}
	for _, p := range f.plcs {
		p.polls.read(0, p.device.Registers())
	}
	if counters, all := f.Polls(true), f.Polls(false); counters != 2 || all != 1 {
		t.Fatalf("%d polls of counters and %d of all, want 2 and 1", counters, all)
	}
	if f.RestartPolls(); f.Polls(true) != 0 {
		t.Fatal("polls after a restart")
	}
}

// TestRefusedValueIsAnError takes a node away, so that the panel cannot show the truth any more.
func TestRefusedValueIsAnError(t *testing.T) {
	f, c := startField(t, NewPlan(arena.Dallas()), []crowd.Event{{Kind: crowd.Show, Index: 0, Person: -1, Value: 0x0103}})
	f.building.server.Remove("ns=1;s=panel.score-n.status")
	if err := f.Apply(c.Advance(0)); err == nil || !strings.Contains(err.Error(), "panel-score-n") {
		t.Errorf("error %v does not name the panel", err)
	}
}

func TestNoiseOverwritesWhatAClientWrote(t *testing.T) {
	f, _ := startField(t, NewPlan(arena.Dallas()), nil)
	f.seats[0].set(9999)
	if err := f.Refresh(NoisePeriod); err != nil {
		t.Fatal(err)
	}
	if v := f.seats[0].value(); v > 50 {
		t.Errorf("the empty seat still reads %d", v)
	}
}

func TestTakenPortNamesTheDevice(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	plan := NewPlan(arena.Dallas())
	f, err := Start(plan, crowd.New(plan.Arena, nil), Options{OPCUAPort: l.Addr().(*net.TCPAddr).Port})
	if err == nil {
		f.Close()
		t.Fatal("started on a port that is taken")
	}
	if !strings.Contains(err.Error(), "building") {
		t.Errorf("error %q does not name the device", err)
	}
}

func TestAddressesFollowTheFirstPort(t *testing.T) {
	plan := NewPlan(arena.Dallas())
	addresses := Addresses(plan, Options{Host: "10.0.0.1", ModbusPort: 5020, OPCUAPort: 4840, TrackingPort: 50051})
	if addresses[0] != "10.0.0.1:5020" || addresses[1] != "10.0.0.1:5021" || addresses[len(addresses)-2] != "10.0.0.1:4840" || addresses[len(addresses)-1] != "10.0.0.1:50051" {
		t.Errorf("addresses %v", addresses)
	}
	for i, a := range Addresses(plan, Options{}) {
		if a != "127.0.0.1:0" {
			t.Errorf("device %d listens on %s, want any free port", i, a)
		}
	}
}
