package field

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/drivers/devicetest/modbusserver"
	"github.com/courtside-edge/courtside/drivers/devicetest/trackingserver"
	"github.com/courtside-edge/courtside/drivers/driverstest"
	"github.com/courtside-edge/courtside/drivers/modbus"
	"github.com/courtside-edge/courtside/drivers/opcua"
	"github.com/courtside-edge/courtside/drivers/tracking"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/tools/venuesim/arena"
	"github.com/courtside-edge/courtside/tools/venuesim/crowd"
)

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

// startRings returns a field whose gates have both, with rings of so many slots.
func startRings(t *testing.T, slots int, timetable []crowd.Event) (*Field, *crowd.Crowd) {
	t.Helper()
	plan, err := PlanOf(arena.Dallas(), PlanOptions{Gates: Both, RingSlots: slots})
	if err != nil {
		t.Fatal(err)
	}
	return startField(t, plan, timetable)
}

// watcher reads a device with the product's driver, over and over, as a worker would.
type watcher struct {
	t    *testing.T
	what string

	mu     sync.Mutex
	good   int // blocks in which every reading was good, since the last trouble
	bad    int // bad readings and ends of connections
	last   error
	events map[string]uint64 // codes of event readings, by point
	lost   uint64
	change chan struct{}
}

// watch begins to read one point, or an event ring's two, of a device.
func watch(t *testing.T, driver drivers.Driver, options, source string, points ...*point.Point) *watcher {
	t.Helper()
	d := drivers.Device{ID: "device-1", Options: driverstest.Section("options", options), Clock: driverstest.Clock{Start: time.Now()}, Log: slog.New(slog.DiscardHandler),
		Classes: []drivers.ScanClass{{Name: "fast", Period: 20 * time.Millisecond}}}
	for i, p := range points {
		d.Groups = append(d.Groups, drivers.Group{Options: driverstest.Section("source", source), Targets: []drivers.Target{{Index: uint32(i), Point: p}}})
	}
	if p := points[0]; p.Kind == point.Position { // a player is two points
		d.Groups[0].Targets = append(d.Groups[0].Targets, drivers.Target{Index: 1, Point: p})
	}
	s, err := driver.Prepare(d)
	if err != nil {
		t.Fatal(err)
	}
	w := &watcher{t: t, what: options, events: map[string]uint64{}, change: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { w.run(ctx, s, points) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	return w
}

func (w *watcher) run(ctx context.Context, s drivers.Source, points []*point.Point) {
	for ctx.Err() == nil {
		conn, err := s.Open(ctx)
		if err == nil {
			err = w.read(ctx, conn, points)
			conn.Close()
		}
		w.note(func() { w.good, w.bad, w.last = 0, w.bad+1, err })
		time.Sleep(10 * time.Millisecond) // as a worker would, between attempts
	}
}

func (w *watcher) read(ctx context.Context, conn drivers.Conn, points []*point.Point) error {
	take := func(b *drivers.Block) { w.note(func() { w.take(b, points) }) }
	if sub, ok := conn.(drivers.Subscriber); ok {
		return sub.Subscribe(ctx, take)
	}
	for {
		if err := conn.Poll(ctx, 0, take); err != nil {
			return err
		}
		time.Sleep(5 * time.Millisecond) // the scan class's period
	}
}

func (w *watcher) take(b *drivers.Block, points []*point.Point) {
	w.good++
	for _, r := range b.Readings {
		if !r.Quality.IsGood() {
			w.good, w.bad = 0, w.bad+1
		} else if p := points[min(int(r.Index), len(points)-1)]; p.Class == point.Event && r.Quality == point.Good {
			w.events[string(p.Name)]++
		}
	}
	for _, g := range b.Gaps {
		w.lost += g.Count
	}
}

func (w *watcher) note(do func()) {
	w.mu.Lock()
	do()
	w.mu.Unlock()
	select {
	case w.change <- struct{}{}:
	default:
	}
}

// until waits for a state of what was read.
func (w *watcher) until(what string, is func() bool) {
	w.t.Helper()
	deadline := time.After(patience)
	for {
		w.mu.Lock()
		ok, last := is(), w.last
		w.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-w.change:
		case <-deadline:
			w.t.Fatalf("%s: waiting for %s: it did not happen in %v; the last trouble was %v", w.what, what, patience, last)
		}
	}
}

func (w *watcher) untilGood() {
	w.t.Helper()
	w.until("good readings", func() bool { return w.good > 2 })
}

func (w *watcher) untilWorse() {
	w.t.Helper()
	w.mu.Lock()
	before := w.bad
	w.mu.Unlock()
	w.until("bad readings or the connection's end", func() bool { return w.bad > before })
}

// TestEveryDeviceSuffersAndRecovers tells each kind of device each lasting fault, and looks at it through the product's driver.
func TestEveryDeviceSuffersAndRecovers(t *testing.T) {
	f, _ := startRings(t, 64, nil)
	for n := range 11 {
		f.tracker.server.Set(int32(n), trackingserver.Position{X: 1}) // somebody is on the floor, game or not
	}
	number := &point.Point{Device: "device-1", Name: "p", Type: point.Int, Kind: point.Generic, Class: point.State, Lane: point.Telemetry}
	air := &point.Point{Device: "device-1", Name: "p", Type: point.Float, Kind: point.Generic, Class: point.State, Lane: point.Telemetry}
	axis := &point.Point{Device: "device-1", Name: "p", Type: point.Float, Kind: point.Position, Class: point.State, Lane: point.Telemetry}
	plc := func(id string) string {
		return fmt.Sprintf("address: %s\nunit: %d\ntimeout: 150ms", f.Address(id), Unit)
	}
	watchers := map[string]*watcher{
		"plc-seats-101": watch(t, modbus.Driver{}, plc("plc-seats-101"), "table: holding\naddress: 0", number),
		"plc-gates-1":   watch(t, modbus.Driver{}, plc("plc-gates-1"), "table: input\naddress: 0", number),
		"plc-gate-03":   watch(t, modbus.Driver{}, plc("plc-gate-03"), "table: holding\naddress: 0", number),
		"building":      watch(t, opcua.Driver{}, fmt.Sprintf("endpoint: opc.tcp://%s\ntimeout: 700ms\nmode: poll", f.Address("building")), "node: \"ns=1;s=building.ne.co2\"", air),
		"court":         watch(t, tracking.Driver{}, fmt.Sprintf("address: %s\ntimeout: 1s\nstale_after: 700ms\nsilence: 1500ms", f.Address("court")), "player: 1", axis),
	}
	for _, ill := range Ills() {
		if !ill.Lasts() {
			continue
		}
		t.Run(string(ill), func(t *testing.T) {
			for id, w := range watchers {
				w.untilGood()
				if err := f.Cause(Fault{Device: id, Do: ill, Delay: 2 * time.Second}); err != nil {
					t.Fatal(err)
				}
			}
			for _, w := range watchers {
				w.untilWorse()
			}
			if err := f.Refresh(2 * time.Second); err != nil { // the venue goes on meanwhile
				t.Fatal(err)
			}
			for id := range watchers {
				if err := f.Heal(id); err != nil {
					t.Fatal(err)
				}
				if id == "court" {
					f.tracker.server.Set(1, trackingserver.Position{X: 1})
				}
			}
			for _, w := range watchers {
				w.untilGood()
			}
		})
	}
}

// ringPoints are the two points of a gate's ring and their source.
func ringPoints(slots int) (source string, points []*point.Point) {
	source = fmt.Sprintf("table: holding\naddress: %d\nring:\n  count: %d\n  size: %d\n  head: {address: %d, type: uint32}\n  generation: {address: %d}\n  clock: {address: %d, type: uint32}\n"+
		"  cursor: {address: %d, type: uint32}\n  id: {offset: 0, type: uint32, first: %d}\n  time: {offset: 2, type: uint32, unit: ms, epoch: none}\n  direction: {offset: 4, in: %d, out: %d}\n",
		RingFirstSlot, slots, RingSlotSize, RingHead, RingGeneration, RingClock, RingCursor, RingFirstID, CodeIn, CodeOut)
	for name, d := range map[point.Name]point.Direction{"in": point.In, "out": point.Out} {
		points = append(points, &point.Point{Device: "device-1", Name: name, Type: point.Int, Kind: point.Gate, Class: point.Event, Lane: point.Critical, Direction: d})
	}
	return source, points
}

// TestRingsTellOfEachPassage lets people pass, over a restart, and overruns the ring: events and declared losses add up to what was written.
func TestRingsTellOfEachPassage(t *testing.T) {
	const slots = 16
	var timetable []crowd.Event
	lane := int32(arena.Dallas().Gates[0].Lanes) // the second gate's first
	for n := range 30 {
		kind := crowd.Enter
		if n%3 == 0 {
			kind = crowd.Leave
		}
		timetable = append(timetable, crowd.Event{At: time.Duration(n + 1), Kind: kind, Index: lane, Person: int32(n)})
	}
	f, c := startRings(t, slots, timetable)
	source, points := ringPoints(slots)
	w := watch(t, modbus.Driver{}, fmt.Sprintf("address: %s\ntimeout: 1s\ntickets: none", f.Address("plc-gate-02")), source, points...)
	w.untilGood()
	pass := func(to time.Duration) {
		t.Helper()
		if err := f.Apply(c.Advance(to)); err != nil {
			t.Fatal(err)
		}
		if err := f.Refresh(time.Second); err != nil {
			t.Fatal(err)
		}
	}
	tell := func(fault Fault) {
		t.Helper()
		fault.Device = "plc-gate-02"
		if err := f.Cause(fault); err != nil {
			t.Fatal(err)
		}
	}
	pass(10)
	w.until("ten events", func() bool { return w.events["in"] == 6 && w.events["out"] == 4 })
	tell(Fault{Do: Restart})
	pass(20) // while it is away
	if err := f.Heal("plc-gate-02"); err != nil {
		t.Fatal(err)
	}
	w.until("twenty events", func() bool { return w.events["in"] == 13 && w.events["out"] == 7 && w.lost == 0 })
	tell(Fault{Do: Overrun, Count: 5})
	w.until("the ghosts as declared losses", func() bool { return w.lost == slots+5 })
	tell(Fault{Do: Restart})
	pass(30)
	tell(Fault{Do: Overrun}) // nobody reads, and what passed is written over
	if err := f.Heal("plc-gate-02"); err != nil {
		t.Fatal(err)
	}
	state, some := f.Ring(1)
	if !some || state.Written != 30+state.Ghosts || state.Ghosts != 2*slots+6 || state.Slots != slots {
		t.Fatalf("the ring: %+v", state)
	}
	w.until("every event or its loss", func() bool { return w.events["in"]+w.events["out"]+w.lost == state.Written })
	if _, some := f.Ring(0); !some {
		t.Error("the first gate has no ring")
	}
}

// TestCountersWrapAndReset compares what the counters of a PLC go on by after a fault.
func TestCountersWrapAndReset(t *testing.T) {
	var timetable []crowd.Event
	for n := range 20 {
		timetable = append(timetable, crowd.Event{At: time.Duration(n + 1), Kind: crowd.Enter, Index: 0, Person: int32(n)})
	}
	f, c := startRings(t, 64, timetable)
	r, other := f.counters[0][0], f.counters[0][30] // of another PLC
	before := other.value()
	want := func(what string, v uint16) {
		t.Helper()
		if got := r.value(); got != v {
			t.Errorf("%s: the counter is at %d, want %d", what, got, v)
		}
	}
	pass := func(to time.Duration) {
		t.Helper()
		if err := f.Apply(c.Advance(to)); err != nil {
			t.Fatal(err)
		}
	}
	first := r.value()
	pass(4)
	want("four people", first+4)
	for _, step := range []struct {
		fault    Fault
		at, then uint16
		heal     bool
	}{
		{Fault{Do: Wrap}, 65_533, 1, false},
		{Fault{Do: Reset}, 0, 4, false},
		{Fault{Do: Restart}, 4, 8, true}, // its memory survives
		{Fault{Do: Restart, Forget: true}, 0, 4, true},
	} {
		step.fault.Device = "plc-gates-1"
		if err := f.Cause(step.fault); err != nil {
			t.Fatal(err)
		}
		want(string(step.fault.Do), step.at)
		pass(c.Now() + 4)
		want(string(step.fault.Do)+" and four people", step.then)
		if err := f.Heal("plc-gates-1"); err != nil {
			t.Fatal(err)
		}
	}
	if v := other.value(); v != before {
		t.Errorf("a counter of another PLC went from %d to %d", before, v)
	}
}

// TestARingThatForgetsBeginsAnew looks at the registers.
func TestARingThatForgetsBeginsAnew(t *testing.T) {
	f, c := startRings(t, 64, []crowd.Event{{At: 1, Kind: crowd.Enter, Index: 0}, {At: 2, Kind: crowd.Enter, Index: 0}})
	if err := f.Apply(c.Advance(1)); err != nil {
		t.Fatal(err)
	}
	if err := f.Cause(Fault{Device: "plc-gate-01", Do: Restart, Forget: true}); err != nil {
		t.Fatal(err)
	}
	if err := f.Heal("plc-gate-01"); err != nil {
		t.Fatal(err)
	}
	if err := f.Apply(c.Advance(2)); err != nil {
		t.Fatal(err)
	}
	_, p := f.device("plc-gate-01")
	p.bank.View(func(v *modbusserver.Values) {
		if head, generation, id := v.Holding[RingHead+1], v.Holding[RingGeneration], v.Holding[RingFirstSlot+1]; head != 1 || generation != 1 || id != RingFirstID {
			t.Errorf("head %d, generation %d, id %d of the first slot", head, generation, id)
		}
	})
}

func TestWhatADeviceCannotDoIsRefused(t *testing.T) {
	f, _ := startRings(t, 64, nil)
	for want, fault := range map[string]Fault{
		"no such device":  {Device: "plc-nowhere", Do: Delay},
		"use delay, drop": {Device: "plc-gates-1", Do: "explode"},
		"no ring":         {Device: "plc-gates-1", Do: Overrun},
		"no counters":     {Device: "building", Do: Wrap},
		"not negative":    {Device: "plc-gates-1", Do: Exception, Code: -1},
	} {
		if err := f.Cause(fault); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want an error about %q", fault, err, want)
		}
	}
	if err := f.Heal("plc-nowhere"); err == nil {
		t.Error("a device that is not there was healed")
	}
}

func TestPlansOfRingsAreChecked(t *testing.T) {
	for _, o := range []PlanOptions{{Gates: "turnstiles"}, {Gates: Rings, RingSlots: 100}, {Gates: Rings, RingSlots: 4}, {Gates: Rings, RingSlots: 16_384}} {
		if _, err := PlanOf(arena.Dallas(), o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
	for gates, want := range map[Gates]int{Counters: 0, Rings: 24, Both: 24} {
		p, err := PlanOf(arena.Dallas(), PlanOptions{Gates: gates, RingSlots: MaxRingSlots})
		if err != nil {
			t.Fatal(err)
		}
		rings, witnesses, counters := 0, 0, 0
		for _, d := range p.Devices {
			if d.Ring != nil {
				rings++
				if d.Registers() > 65_536 {
					t.Errorf("%s has %d registers", d.ID, d.Registers())
				}
			}
			for _, e := range d.Entries {
				if e.Role == PassagesIn {
					counters++
				}
				if e.Witness {
					witnesses++
				}
			}
		}
		if rings != want || (counters > 0) != (gates != Rings) || (witnesses > 0) != (gates == Both) {
			t.Errorf("%s: %d rings, %d counters, %d witnesses", gates, rings, counters, witnesses)
		}
	}
}

// TestADeviceWhosePortIsTakenComesBackLater takes the port of a device that is away.
func TestADeviceWhosePortIsTakenComesBackLater(t *testing.T) {
	f, _ := startRings(t, 64, nil)
	if err := f.Cause(Fault{Device: "plc-gates-1", Do: Restart}); err != nil {
		t.Fatal(err)
	}
	squatter, err := modbusserver.Start(f.Address("plc-gates-1"), modbusserver.NewRegisters(nil), modbusserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = f.Heal("plc-gates-1")
	if err = errors.Join(squatter.Close(), expectError(err, "plc-gates-1")); err != nil {
		t.Fatal(err)
	}
	if err := f.Heal("plc-gates-1"); err != nil {
		t.Errorf("the port is free again: %v", err)
	}
}

func expectError(err error, about string) error {
	if err == nil || !strings.Contains(err.Error(), about) {
		return fmt.Errorf("%v, want an error about %q", err, about)
	}
	return nil
}
