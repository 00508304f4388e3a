package modbus_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/drivers/devicetest/modbusserver"
	"github.com/courtside-edge/courtside/drivers/driverstest"
	"github.com/courtside-edge/courtside/drivers/modbus"
	"github.com/courtside-edge/courtside/sync/point"
)

const (
	ringHead, ringGeneration, ringClock, ringCursor, ringSlots = 0, 2, 3, 5, 10
	ringSize                                                   = modbusserver.SlotSize
)

// ringRig is a gate whose passages lie in a ring, and a gateway that reads them.
type ringRig struct {
	t      rapidT
	server *modbusserver.Server
	memory *modbusserver.Registers
	ring   *modbusserver.EventRing
	layout modbusserver.RingLayout
	clock  *handClock
	source *modbus.Source
	conn   drivers.Conn

	durable map[point.Name][]byte // what a gateway that starts anew finds
	latest  map[point.Name][]byte
	events  []drivers.Event
	points  []uint32 // of events
	bits    []uint64
	texts   []string
	times   []int64
	gaps    []drivers.Gap
	last    []drivers.Reading // of the last poll
}

// rapidT is what tests and properties have in common.
type rapidT interface {
	Helper()
	Fatalf(string, ...any)
	Errorf(string, ...any)
	Fatal(...any)
}

// handClock stands until it is moved.
type handClock struct{ at atomic.Int64 }

func (c *handClock) Mono() int64             { return c.at.Load() }
func (c *handClock) advance(d time.Duration) { c.at.Add(int64(d)) }

func newRingRig(t *testing.T, layout modbusserver.RingLayout) *ringRig {
	t.Helper()
	layout.Head, layout.Slots, layout.Size = ringHead, ringSlots, ringSize
	r := &ringRig{t: t, layout: layout, clock: &handClock{}, durable: map[point.Name][]byte{}, latest: map[point.Name][]byte{}}
	r.clock.advance(time.Hour)
	r.memory = modbusserver.NewRegisters(map[uint8]modbusserver.Size{1: {Holding: ringSlots + layout.Count*ringSize}})
	r.ring = modbusserver.NewEventRing(r.memory.Unit(1), layout)
	var err error
	if r.server, err = modbusserver.Start("127.0.0.1:0", r.memory, modbusserver.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.disconnect(); r.server.Close() })
	return r
}

// description is the ring's source section.
func (r *ringRig) description(more string) string {
	s := fmt.Sprintf("table: holding\naddress: %d\nring:\n  count: %d\n  size: %d\n  id: {offset: 0, type: uint32, first: %d}\n  head: {address: %d, type: uint%d}\n",
		ringSlots, r.layout.Count, ringSize, r.layout.First, ringHead, max(r.layout.HeadBits, 16))
	if r.layout.HeadBits == 0 {
		s = strings.Replace(s, "type: uint16}", "type: uint32}", 1)
	}
	if r.layout.Generation >= 0 {
		s += fmt.Sprintf("  generation: {address: %d}\n", r.layout.Generation)
	}
	if r.layout.Clock >= 0 {
		s += fmt.Sprintf("  clock: {address: %d, type: uint32}\n", r.layout.Clock)
	}
	if r.layout.Cursor >= 0 {
		s += fmt.Sprintf("  cursor: {address: %d, type: uint32}\n", r.layout.Cursor)
	}
	return s + more
}

const wholeSlot = "  time: {offset: 2, type: uint32}\n  direction: {offset: 4}\n"

func passage(n string, d point.Direction) *point.Point {
	return &point.Point{Device: "plc", Name: point.Name(n), Type: point.Int, Kind: point.Gate, Class: point.Event, Lane: point.Critical, Direction: d}
}

// start makes a gateway that knows what is durable, and connects it.
func (r *ringRig) start(options string, groups ...drivers.Group) {
	r.t.Helper()
	r.disconnect()
	for i := range groups {
		for n := range groups[i].Targets {
			groups[i].Targets[n].Index = uint32(i)
		}
	}
	s, err := modbus.Driver{}.Prepare(drivers.Device{ID: "plc", Options: driverstest.Section("options", "address: "+r.server.Addr()+"\n"+options),
		Classes: []drivers.ScanClass{{Name: "fast", Period: 100 * time.Millisecond}}, Groups: groups, Clock: r.clock,
		Cursor: func(n point.Name) ([]byte, bool) { b, ok := r.durable[n]; return b, ok }})
	if err != nil {
		r.t.Fatal(err)
	}
	r.source = s.(*modbus.Source)
	r.connect()
}

func (r *ringRig) connect() {
	r.t.Helper()
	r.disconnect()
	var err error
	if r.conn, err = r.source.Open(timeless); err != nil {
		r.t.Fatal(err)
	}
}

func (r *ringRig) disconnect() {
	if r.conn != nil {
		r.conn.Close()
		r.conn = nil
	}
}

// poll reads once and keeps what comes.
func (r *ringRig) poll() {
	r.t.Helper()
	r.clock.advance(100 * time.Millisecond)
	r.last = r.last[:0]
	err := r.conn.Poll(timeless, 0, func(b *drivers.Block) {
		r.last = append(r.last, b.Readings...)
		for _, e := range b.Events {
			reading := b.Readings[e.Position]
			e.Ticket = slices.Clone(e.Ticket)
			r.events, r.points, r.bits = append(r.events, e), append(r.points, reading.Index), append(r.bits, reading.Bits)
			if len(b.Texts) > 0 {
				r.texts = append(r.texts, b.Texts[reading.Bits])
			}
			if len(b.DeviceTimes) > 0 {
				r.times = append(r.times, b.DeviceTimes[e.Position])
			}
		}
		r.gaps = append(r.gaps, b.Gaps...)
		for _, c := range b.Cursors {
			r.latest[c.Name] = c.Bytes
		}
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

// lost returns how many events were declared lost, and how often more may be.
func (r *ringRig) lost() (n uint64, open int) {
	for _, g := range r.gaps {
		n += g.Count
		if g.Count == 0 {
			open++
		}
	}
	return n, open
}

// ids returns the ids read, and fails the test when one came twice or out of order.
func (r *ringRig) ids() (ids []uint64) {
	r.t.Helper()
	for i, e := range r.events {
		if i > 0 && e.Generation == r.events[i-1].Generation && e.ID <= r.events[i-1].ID {
			r.t.Fatalf("event %d follows event %d", e.ID, r.events[i-1].ID)
		}
		ids = append(ids, e.ID)
	}
	return ids
}

func (r *ringRig) add(n int) {
	for range n {
		at := r.ring.Written()
		r.ring.Add(modbusserver.RingEvent{Time: 1_700_000_000 + uint32(at), Direction: 1, Ticket: 5000 + uint32(at)})
	}
}

func upTo(first, n int) (ids []uint64) {
	for i := range n {
		ids = append(ids, uint64(first+i))
	}
	return ids
}

func plain(count int) modbusserver.RingLayout {
	return modbusserver.RingLayout{Count: count, HeadBits: 32, Generation: -1, Clock: -1, Cursor: -1}
}

func TestRingIsReadUpToItsHead(t *testing.T) {
	r := newRingRig(t, plain(64))
	r.start("", group("in", r.description(wholeSlot), 1, passage("gate/1", point.In)))
	r.poll()
	if len(r.events) != 0 || len(r.last) != 1 || r.last[0].Quality != point.GoodNoData {
		t.Fatalf("an empty ring gives %v", r.last)
	}
	for _, n := range []int{1, 2, 17, 40, 5, 63, 0, 50} { // round the ring several times
		r.add(n)
		before := len(r.events)
		r.poll()
		if len(r.events)-before != n {
			t.Fatalf("%d of %d new events were read", len(r.events)-before, n)
		}
	}
	if ids := r.ids(); !slices.Equal(ids, upTo(0, 178)) || len(r.gaps) != 0 {
		t.Errorf("events %v, gaps %v", ids, r.gaps)
	}
	for i, e := range r.events {
		if e.Direction != 1 || e.Time != 1_700_000_000+uint64(i) || r.times[i] != int64(e.Time)*1e9 || e.Ticket != nil || r.bits[i] != 1 {
			t.Fatalf("event %d: %+v, %d, bits %d", i, e, r.times[i], r.bits[i])
		}
	}
}

// The slots of a backlog are read in as few requests as they fit.
func TestRingTakesFewRequests(t *testing.T) {
	r := newRingRig(t, plain(256))
	r.start("", group("in", r.description(wholeSlot), 1, passage("gate/1", point.In)))
	r.poll()
	requests := func() uint64 { return r.conn.(*modbus.Conn).Stats().Requests }
	before := requests()
	r.poll()
	if n := requests() - before; n != 1 {
		t.Errorf("an unmoved head takes %d requests", n)
	}
	r.add(90)
	before = requests()
	r.poll()
	if n := requests() - before; n != 1+6 { // 17 slots of 7 registers fit 125
		t.Errorf("90 slots take %d requests and the head's", n-1)
	}
	r.add(100)
	r.poll()
	r.add(100) // over the end of the ring: slots 190 to 255, and 0 to 33
	before = requests()
	r.poll()
	if n := requests() - before; n != 1+4+2 || len(r.ids()) != 290 {
		t.Errorf("100 slots over the end take %d requests and the head's; %d events", n-1, len(r.events))
	}
}

// A head of 16 bits goes round; nothing is lost, and nothing comes twice.
func TestRingsHeadGoesRound(t *testing.T) {
	layout := plain(32)
	layout.HeadBits, layout.First = 16, 1
	r := newRingRig(t, layout)
	r.ring.Jump(65536 - 40)
	r.add(31)
	r.start("", group("in", r.description(wholeSlot), 1, passage("gate/1", point.In)))
	for range 10 {
		r.poll()
		r.add(25)
	}
	r.poll()
	want := upTo(65536-40+1, 31+250)
	if ids := r.ids(); !slices.Equal(ids, want) || len(r.gaps) != 0 {
		t.Errorf("%d events from %d on, want %d from %d on; gaps %v", len(ids), ids[0], len(want), want[0], r.gaps)
	}
}

// What a ring lost is declared to the last event, however far its head went.
func TestRingOverrunIsDeclaredExactly(t *testing.T) {
	for _, bits := range []int{16, 32} {
		layout := plain(64)
		layout.HeadBits = bits
		r := newRingRig(t, layout)
		r.start("", group("in", r.description(wholeSlot), 1, passage("gate/1", point.In)))
		r.add(10)
		r.poll()
		far := 200_000 // beyond a head of 16 bits: ids tell
		r.ring.Jump(uint64(far))
		r.add(64)
		r.poll()
		lost, open := r.lost()
		if len(r.events) != 10+63 || lost != uint64(far+1) || open != 0 || len(r.gaps) != 1 || r.gaps[0].Reason != point.GapOverrun {
			t.Errorf("head of %d bits: %d events, gaps %+v; want 73 and %d lost", bits, len(r.events), r.gaps, far+1)
		}
		if g := r.gaps[0]; g.First == 0 || g.Last <= g.First || g.Index != 0 {
			t.Errorf("the gap %+v does not say when", g)
		}
		r.add(3)
		r.poll()
		if len(r.events) != 76 || len(r.gaps) != 1 {
			t.Errorf("afterwards %d events, %d gaps", len(r.events), len(r.gaps))
		}
	}
}

// A device that was off is no overrun, and one that lost its memory is told from one whose head went on.
func TestRingRestarts(t *testing.T) {
	for name, generation := range map[string]int{"with a generation": ringGeneration, "by the head alone": -1} {
		layout := plain(64)
		layout.Generation = generation
		r := newRingRig(t, layout)
		in := func() drivers.Group {
			return group("in", r.description(wholeSlot), 1, passage("gate/1", point.In))
		}
		r.start("", in())
		r.add(100)
		r.poll()
		r.add(20)
		r.poll()
		first := r.events[len(r.events)-1].Generation
		r.ring.Restart()
		r.add(5)
		r.poll()
		last := r.events[len(r.events)-1]
		if _, open := r.lost(); open != 1 || len(r.gaps) != 1 || r.gaps[0].Reason != point.GapReset {
			t.Errorf("%s: gaps %+v", name, r.gaps)
		}
		if last.Generation == first || last.ID != 4 || len(r.events) != 63+20+5 {
			t.Errorf("%s: %d events, the last is %+v", name, len(r.events), last)
		}
		// A gateway that starts later goes on in the new generation.
		r.durable["gate/1"] = r.latest["gate/1"]
		r.add(2)
		r.start("", in())
		r.poll()
		if e := r.events[len(r.events)-1]; e.Generation != last.Generation || e.ID != 6 || len(r.gaps) != 1 {
			t.Errorf("%s: after a start %+v, gaps %+v", name, e, r.gaps)
		}
	}
}

// A gateway that starts reads on from what is durable: no event is left out, and those that come again have what makes the same key.
func TestRingGoesOnFromTheDurableCursor(t *testing.T) {
	r := newRingRig(t, plain(64))
	in := func() drivers.Group {
		return group("in", r.description(wholeSlot), 1, passage("gate/1", point.In))
	}
	r.start("", in())
	r.add(20)
	r.poll()
	r.durable["gate/1"] = r.latest["gate/1"]
	r.add(5)
	r.poll() // read, but not durable
	r.add(7)
	r.start("", in())
	r.poll()
	if n := len(r.events); n != 25+12 || len(r.gaps) != 0 {
		t.Fatalf("%d events, gaps %v", n, r.gaps)
	}
	for i := range 5 {
		if a, b := r.events[20+i], r.events[25+i]; fmt.Sprint(a.Generation, a.ID, a.Time, a.Direction) != fmt.Sprint(b.Generation, b.ID, b.Time, b.Direction) {
			t.Errorf("event %+v came again as %+v", a, b)
		}
	}
	// A connection that ends is another thing: what was handed over is not read again.
	r.add(3)
	r.connect()
	r.poll()
	if n := len(r.events); n != 37+3 {
		t.Errorf("%d events after a new connection, want 40", n)
	}
	r.durable["gate/1"] = []byte("nonsense")
	r.start("", in())
	r.poll()
	if n := len(r.events); n != 40+35 {
		t.Errorf("a cursor that cannot be read: %d events, want every one of the ring again", n-40)
	}
}

// A slot that is half written is not taken for an event, and costs none.
func TestRingTornSlots(t *testing.T) {
	r := newRingRig(t, plain(16))
	r.start("", group("in", r.description(wholeSlot), 1, passage("gate/1", point.In)))
	r.add(16)
	r.poll()
	r.add(3)
	r.ring.Spoil(17, 1) // still the lap before
	r.poll()
	if ids := r.ids(); ids[len(ids)-1] != 16 || !r.last[len(r.last)-1].Quality.IsBad() {
		t.Fatalf("read up to %d, %v", ids[len(ids)-1], r.last)
	}
	r.ring.Spoil(17, 17)
	r.poll()
	if ids := r.ids(); !slices.Equal(ids, upTo(1, 18)) || len(r.gaps) != 0 {
		t.Fatalf("events %v, gaps %v", ids, r.gaps)
	}
	// One that never holds its event is given up, once, and declared.
	r.add(5)
	r.ring.Spoil(20, 4)
	for range 120 {
		r.poll()
	}
	if ids := r.ids(); !slices.Equal(ids, append(upTo(1, 19), 21, 22, 23)) || len(r.gaps) != 1 || r.gaps[0].Count != 1 || r.gaps[0].Reason != point.GapCorrupt {
		t.Errorf("events %v, gaps %v", ids, r.gaps)
	}
}

// The slot that the device writes next is not trusted, even where its id is still right: it may be half another event's.
func TestRingsOldestSlotIsNotTrusted(t *testing.T) {
	r := newRingRig(t, plain(16))
	r.start("", group("in", r.description(wholeSlot), 1, passage("gate/1", point.In)))
	r.poll()
	r.add(16)
	r.ring.Tear(modbusserver.RingEvent{Direction: 77, Ticket: 7}) // event 16, into the slot of event 0
	r.poll()
	lost, _ := r.lost()
	if ids := r.ids(); !slices.Equal(ids, upTo(1, 15)) || lost != 1 {
		t.Errorf("events %v, %d lost", ids, lost)
	}
	for _, e := range r.events {
		if e.Direction == 77 {
			t.Error("half an event was read")
		}
	}
}

// A ring that was never written holds zeros. They are nobody, wherever ids begin and whatever counts further, and how far the ring
// is read is known from the first look: a gateway that ends before the first event misses none.
func TestARingWithoutEventsHoldsNobody(t *testing.T) {
	for _, first := range []uint32{0, 1, 7} {
		for n, bits := range []int{16, 32, 16, 32} {
			t.Run(fmt.Sprintf("first %d, head of %d bits, %d", first, bits, n), func(t *testing.T) {
				layout := plain(16)
				layout.First, layout.HeadBits = first, bits
				if n < 2 {
					layout.Generation = 8
				}
				r := newRingRig(t, layout)
				in := func() drivers.Group {
					return group("in", r.description(wholeSlot), 1, passage("gate/1", point.In))
				}
				r.start("", in())
				r.poll()
				r.poll()
				if len(r.events) != 0 || len(r.gaps) != 0 || r.latest["gate/1"] == nil {
					t.Fatalf("an empty ring: events %v, gaps %+v, cursor % x", r.ids(), r.gaps, r.latest["gate/1"])
				}
				r.durable["gate/1"] = r.latest["gate/1"]
				r.add(50_040) // while the gateway is away
				r.start("", in())
				r.poll()
				if lost, open := r.lost(); len(r.events) != 15 || lost != 50_025 || open != 0 {
					t.Fatalf("%d events and %d lost (%d of unknown count) of 50,040", len(r.events), lost, open)
				}
				r.ring.Restart() // empty again
				r.poll()
				r.poll()
				if lost, open := r.lost(); len(r.events) != 15 || lost != 50_025 || open != 1 {
					t.Errorf("after a restart: %d events, %d lost, %d of unknown count", len(r.events), lost, open)
				}
			})
		}
	}
}

// A device that writes on while its slots are read: the head is looked at once more, and what went meanwhile is declared.
func TestRingIsOverrunWhileItIsRead(t *testing.T) {
	r := newRingRig(t, plain(64))
	r.start("", group("in", r.description(wholeSlot), 1, passage("gate/1", point.In)))
	r.poll()
	r.add(60)
	r.server.SetFault(modbusserver.Addresses(ringSlots, 10_000, modbusserver.First(2, func(*modbusserver.Exchange) { r.add(20) })))
	r.poll()
	r.server.SetFault(nil)
	r.poll()
	lost, _ := r.lost()
	written := r.ring.Written()
	if uint64(len(r.events))+lost != written || lost == 0 {
		t.Errorf("%d events and %d lost, %d were written", len(r.events), lost, written)
	}
	r.ids()
}

// Whatever the device and the gateway do, each event is read once or declared lost, as long as the device keeps its memory.
func TestEveryEventIsReadOrDeclared(t *testing.T) {
	r := newRingRig(t, plain(32))
	rapid.Check(t, func(rt *rapid.T) {
		r.t = rt
		r.ring.Restart()
		clear(r.durable)
		clear(r.latest)
		r.events, r.points, r.bits, r.times, r.gaps = nil, nil, nil, nil, nil
		in := func() drivers.Group {
			return group("in", r.description(wholeSlot), 1, passage("gate/1", point.In))
		}
		r.start(fmt.Sprintf("depth: %d", rapid.SampledFrom([]int{1, 4}).Draw(rt, "depth")), in())
		seen := map[uint64]bool{}
		taken := 0
		take := func() {
			for ; taken < len(r.events); taken++ {
				seen[r.events[taken].ID] = true
			}
		}
		r.poll()
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			switch rapid.IntRange(0, 4).Draw(rt, "step") {
			case 0:
				r.add(rapid.IntRange(1, 20).Draw(rt, "few"))
			case 1:
				r.add(rapid.IntRange(30, 120).Draw(rt, "many"))
			case 2:
				r.poll()
				take()
			case 3:
				r.connect()
			case 4: // everything so far is durable, gaps too; then the gateway starts anew
				if b, ok := r.latest["gate/1"]; ok {
					r.durable["gate/1"] = b
					r.start("", in())
				}
			}
		}
		r.poll()
		take()
		lost, open := r.lost()
		if uint64(len(seen))+lost != r.ring.Written() || len(seen) != len(r.events) || open != 0 {
			rt.Fatalf("%d events, %d of them different, %d lost, %d open; %d were written", len(r.events), len(seen), lost, open, r.ring.Written())
		}
	})
}

// One ring, both directions: each point gets its own, and a direction that nobody knows is declared, not dropped.
func TestRingOfTwoDirections(t *testing.T) {
	r := newRingRig(t, plain(64))
	both := r.description("  time: {offset: 2, type: uint32}\n  direction: {offset: 4, in: 1, out: 2}\n")
	r.start("", group("in", both, 1, passage("gate/1/in", point.In)), group("out", both, 1, passage("gate/1/out", point.Out)))
	for n, d := range []uint16{1, 2, 2, 9, 1, 2} {
		r.ring.Add(modbusserver.RingEvent{Time: uint32(n), Direction: d})
	}
	r.poll()
	if fmt.Sprint(r.points) != "[0 1 1 0 1]" || len(r.gaps) != 1 || r.gaps[0].Count != 1 || r.gaps[0].Reason != point.GapCorrupt {
		t.Errorf("points %v, gaps %+v", r.points, r.gaps)
	}
	if len(r.latest) != 1 || r.latest["gate/1/in"] == nil {
		t.Errorf("cursors of %v", r.latest)
	}
}

// Many in a row whom nobody takes are one declared loss of so many, not one each.
func TestLossesOfOneKindAreOneGap(t *testing.T) {
	r := newRingRig(t, plain(64))
	both := r.description("  direction: {offset: 4, in: 1, out: 2}\n")
	r.start("", group("in", both, 1, passage("gate/1/in", point.In)), group("out", both, 1, passage("gate/1/out", point.Out)))
	r.poll()
	for _, d := range []uint16{9, 9, 1, 9, 9, 9} {
		r.ring.Add(modbusserver.RingEvent{Direction: d})
	}
	r.poll()
	if len(r.events) != 1 || len(r.gaps) != 1 || r.gaps[0].Count != 5 || r.gaps[0].Reason != point.GapCorrupt {
		t.Errorf("%d events, gaps %+v", len(r.events), r.gaps)
	}
}

// A ticket leaves as a keyed hash, the same at every gate, or not at all.
func TestTicketsAreHashed(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key")
	secret := "0123456789abcdef0123456789abcdef"
	if err := os.WriteFile(key, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte{0, 0, 0, 0, 0, 0, 0x13, 0x88}) // ticket 5000
	hashed := mac.Sum(nil)
	text := passage("gate/1", point.In)
	text.Type = point.Text
	for _, tc := range []struct {
		options string
		p       *point.Point
		ticket  []byte
		shown   string
	}{
		{"ticket_key_file: " + key, passage("gate/1", point.In), hashed, ""},
		{"ticket_key_file: " + key, text, hashed, hex.EncodeToString(hashed)},
		{"tickets: plain", text, []byte{0, 0, 0, 0, 0, 0, 0x13, 0x88}, "5000"},
		{"tickets: none", text, nil, ""},
	} {
		r := newRingRig(t, plain(16))
		r.start(tc.options, group("in", r.description(wholeSlot+"  ticket: {offset: 5, type: uint32}\n"), 1, tc.p))
		r.add(1)
		r.poll()
		if string(r.events[0].Ticket) != string(tc.ticket) {
			t.Errorf("%s: ticket % x", tc.options, r.events[0].Ticket)
		}
		if tc.p.Type == point.Text && r.texts[0] != tc.shown {
			t.Errorf("%s: shown as %q", tc.options, r.texts[0])
		}
	}
	for name, content := range map[string]string{"short": "tooshort", "absent": ""} {
		path := filepath.Join(t.TempDir(), name)
		if content != "" {
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		r := newRingRig(t, plain(16))
		s, err := prepare("address: "+r.server.Addr()+"\nticket_key_file: "+path, group("in", r.description(wholeSlot+"  ticket: {offset: 5, type: uint32}\n"), 1, passage("gate/1", point.In)))
		if err != nil {
			t.Fatal(err)
		}
		if c, err := s.Open(t.Context()); !drivers.IsPermanent(err) {
			t.Errorf("a key file that is %s: %v, %v", name, c, err)
		}
	}
}

// The device is told what is durable, counted as it counts itself, and nothing else.
func TestRingIsToldWhatIsDurable(t *testing.T) {
	layout := plain(64)
	layout.Cursor = ringCursor
	r := newRingRig(t, layout)
	in := func() drivers.Group {
		return group("in", r.description(wholeSlot), 1, passage("gate/1", point.In))
	}
	r.start("", in())
	r.add(20)
	r.poll()
	if r.ring.Cursor() != 0 {
		t.Fatalf("the device was told %d before anything was durable", r.ring.Cursor())
	}
	told := func(bytes []byte) error {
		return r.conn.(drivers.Acknowledger).Acknowledge(timeless, point.Cursor{Device: "plc", Name: "gate/1", Bytes: bytes})
	}
	first := r.latest["gate/1"]
	if err := told(first); err != nil || r.ring.Cursor() != 20 {
		t.Errorf("told %d, %v; want 20", r.ring.Cursor(), err)
	}
	if err := r.conn.(drivers.Acknowledger).Acknowledge(timeless, point.Cursor{Device: "plc", Name: "a/counter", Bytes: first}); err != nil {
		t.Errorf("a counter's cursor: %v", err)
	}
	// A device that does not answer is told at the next poll.
	r.add(5)
	r.poll()
	r.server.SetFault(modbusserver.First(1, modbusserver.Late(700*time.Millisecond)))
	if err := told(r.latest["gate/1"]); err != nil {
		t.Error(err)
	}
	r.memory.Unit(1).SetHolding(ringCursor, 0, 0)
	r.poll()
	if r.ring.Cursor() != 25 {
		t.Errorf("told %d, want 25", r.ring.Cursor())
	}
	// One that refuses goes on being read.
	r.server.SetFault(modbusserver.Addresses(ringCursor, ringCursor+1, modbusserver.Refuse(modbusserver.IllegalFunction)))
	if err := told(r.latest["gate/1"]); err != nil {
		t.Error(err)
	}
	r.server.SetFault(nil)
	// The ring that the cursor was of is no more.
	before := r.latest["gate/1"]
	r.ring.Restart()
	r.add(1)
	r.poll()
	r.memory.Unit(1).SetHolding(ringCursor, 0, 0)
	if err := told(before); err != nil || r.ring.Cursor() != 0 {
		t.Errorf("the new ring was told %d, %v", r.ring.Cursor(), err)
	}
	for options, want := range map[string]bool{"": true, "shared: true": false, "shared: true\nacknowledges: true": true, "acknowledges: false": false} {
		r.start(options, in())
		if _, ok := r.conn.(drivers.Acknowledger); ok != want {
			t.Errorf("%q: the device is told: %v", options, ok)
		}
	}
}

// Events of a backlog are dated by the clock beside the slots.
func TestRingEventsAreDatedByTheDevicesClock(t *testing.T) {
	layout := plain(64)
	layout.Clock = ringClock
	r := newRingRig(t, layout)
	r.start("", group("in", r.description("  time: {offset: 2, type: uint32, epoch: none}\n"), 1, passage("gate/1", point.In)))
	r.poll()
	emptied := r.clock.Mono()
	r.ring.SetClock(90)
	for _, at := range []uint32{30, 60, 89, 95} { // the last one after the clock was read
		r.ring.Add(modbusserver.RingEvent{Time: at})
	}
	r.poll()
	for i, age := range []int64{60, 30, 1, 0} {
		if e := r.events[i]; e.At != r.clock.Mono()-age*int64(time.Second) || e.From != emptied || r.times[i] != 0 {
			t.Errorf("event %d: at %v, from %v, device time %d", i, time.Duration(r.clock.Mono()-e.At), time.Duration(e.From), r.times[i])
		}
	}
}

// A device that takes fewer registers a request than the protocol allows, and one that is silent in between.
func TestRingOnAFragileDevice(t *testing.T) {
	r := newRingRig(t, plain(64))
	r.start("timeout: 50ms", group("in", r.description(wholeSlot), 1, passage("gate/1", point.In)))
	r.server.SetFault(modbusserver.MoreThan(40, modbusserver.Refuse(modbusserver.IllegalValue)))
	r.add(60)
	for range 4 {
		r.poll()
	}
	if ids := r.ids(); !slices.Equal(ids, upTo(0, 60)) {
		t.Fatalf("events %v", ids)
	}
	r.add(20)
	r.server.SetFault(modbusserver.Addresses(ringSlots, 10_000, modbusserver.First(2, modbusserver.Drop())))
	r.poll()
	if q := r.last[len(r.last)-1].Quality; q != point.BadTimeout {
		t.Errorf("a silent slot is %v", q)
	}
	r.server.SetFault(modbusserver.Addresses(ringHead, ringHead, modbusserver.Refuse(modbusserver.DeviceBusy)))
	r.poll()
	if q := r.last[len(r.last)-1].Quality; q != point.BadResourceUnavailable {
		t.Errorf("a busy head is %v", q)
	}
	r.server.SetFault(nil)
	r.poll()
	if ids := r.ids(); !slices.Equal(ids, upTo(0, 80)) || len(r.gaps) != 0 {
		t.Errorf("events %v, gaps %v", ids, r.gaps)
	}
}

func TestRefusesWrongRings(t *testing.T) {
	const base = "table: holding\naddress: 10\nring: {count: 16, size: 4, head: {address: 0, type: uint16}, id: {offset: 0, type: uint16}"
	in := passage("gate/1", point.In)
	number := passage("gate/1", point.In)
	number.Class = point.State
	float := passage("gate/1", point.In)
	float.Type = point.Float
	text := passage("gate/1", point.In)
	text.Type = point.Text
	for _, tc := range []struct {
		source, key, says string
		p                 *point.Point
	}{
		{"table: holding\naddress: 10\nring: {count: 16, size: 4}", "ring", "head is missing", in},
		{"table: holding\naddress: 10\nring: {count: 16, size: 4, head: {address: 0}}", "ring", "id is missing", in},
		{"table: coil\naddress: 10\nring: {count: 16, size: 4, head: {address: 0}, id: {offset: 0}}", "table", "registers", in},
		{strings.Replace(base, "count: 16", "count: 1", 1) + "}", "ring.count", "2 to 32768", in},
		{strings.Replace(base, "count: 16", "count: 100", 1) + "}", "ring.count", "divides it", in},
		{strings.Replace(base, "count: 16", "count: 100", 1) + ", wrap: 150}", "ring.count", "divides it", in},
		{strings.Replace(base, "count: 16", "count: 100", 1) + ", wrap: 100}", "ring.count", "twice as many", in},
		{base + ", wrap: 70000}", "ring.wrap", "65536", in},
		{strings.Replace(base, "size: 4", "size: 0", 1) + "}", "ring.size", "1 to 125", in},
		{strings.Replace(base, "size: 4", "size: 126", 1) + "}", "ring.size", "1 to 125", in},
		{strings.Replace(base, "{address: 0, type: uint16}", "{type: uint16}", 1) + "}", "ring.head", "address", in},
		{strings.Replace(base, "{address: 0, type: uint16}", "{address: 0, type: int16}", 1) + "}", "ring.head", "uint16", in},
		{strings.Replace(base, "{offset: 0, type: uint16}", "{type: uint16}", 1) + "}", "ring.id", "offset is missing", in},
		{strings.Replace(base, "{offset: 0, type: uint16}", "{offset: 3, type: uint32}", 1) + "}", "ring.id", "a slot has 4", in},
		{strings.Replace(base, "{offset: 0, type: uint16}", "{offset: 0, type: bcd16}", 1) + "}", "ring.id", "multiple", in},
		{base + ", time: {offset: 1, unit: h}}", "ring.time", "s, ms", in},
		{base + ", time: {offset: 1, epoch: 1904}}", "ring.time", "2000", in},
		{base + ", clock: {address: 3}}", "ring.clock", "time", in},
		{base + ", direction: {offset: 1, in: 1, out: 1}}", "ring.direction", "same code", in},
		{base + ", direction: {offset: 1, in: -1}}", "ring.direction", "negative", in},
		{base + ", direction: {offset: 1, in: 1, out: 2}}", "ring.direction", "no point takes the events of direction out", in},
		{base + ", ticket: {offset: 1, type: string}}", "ring.ticket", "length", in},
		{base + ", colour: red}", "", "colour", in},
		{base + "}\ntype: uint16", "type", "its own fields", in},
		{base + "}", "ring", "class event", number},
		{base + "}", "ring", "int", float},
		{base + "}", "ring", "describe ticket", text},
		{"table: holding\naddress: 65500\nring: {count: 16, size: 4, head: {address: 0}, id: {offset: 0}}", "address", "beyond address", in},
	} {
		_, err := prepare(goodOptions, group("source", tc.source, 1, tc.p))
		expectFault(t, tc.source, err, "source", tc.key, tc.says)
	}
	_, err := prepare(goodOptions, group("source", base+", ticket: {offset: 1}}", 1, in))
	expectFault(t, "a ticket without a key", err, "options", "ticket_key_file", "keyed hash")
	_, err = prepare(goodOptions, group("source", base+"}", 1, in), group("other", base+"}", 1, passage("gate/2", point.In)))
	expectFault(t, "one ring, two points", err, "other", "ring", "direction")
	_, err = prepare(goodOptions, group("source", base+"}", 1, in), group("other", strings.Replace(base, "size: 4", "size: 5", 1)+"}", 1, passage("gate/2", point.In)))
	expectFault(t, "one ring, two descriptions", err, "other", "ring", "differently")
}

func nothing(*drivers.Block) {}

var timeless = context.Background()
