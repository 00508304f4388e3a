package filter_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/drivers/devicetest/modbusserver"
	"github.com/courtside-edge/courtside/drivers/driverstest"
	"github.com/courtside-edge/courtside/drivers/modbus"
	"github.com/courtside-edge/courtside/firmware/filter"
	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/point"
)

type sinceStart struct{ start time.Time }

func (c sinceStart) Mono() int64 { return int64(time.Since(c.start)) + int64(time.Hour) }

// gatewayOf is a driver and a filter that start from what is durable, and what they reported.
type gatewayOf struct {
	t      *testing.T
	conn   drivers.Conn
	filter *filter.Filter
	boot   clock.BootID
	keys   map[[16]byte]int
	lost   uint64
	cursor []byte
}

func (g *gatewayOf) start(addr string, boot byte) {
	g.t.Helper()
	table := []point.Point{{Device: "plc", Name: "gate/1", Type: point.Int, Kind: point.Gate, Class: point.Event, Lane: point.Critical, Direction: point.In}}
	durable := g.cursor
	source, err := modbus.Driver{}.Prepare(drivers.Device{
		ID: "plc", Options: driverstest.Section("options", "address: "+addr), Classes: []drivers.ScanClass{{Name: "fast", Period: 100 * time.Millisecond}},
		Groups: []drivers.Group{{Targets: []drivers.Target{{Index: 0, Point: &table[0]}}, Options: driverstest.Section("source",
			"table: holding\naddress: 10\nring: {count: 32, size: 7, head: {address: 0, type: uint32}, id: {offset: 0, type: uint32}, time: {offset: 2, type: uint32}}")}},
		Clock: sinceStart{time.Now()}, Cursor: func(point.Name) ([]byte, bool) { return durable, durable != nil },
	})
	if err != nil {
		g.t.Fatal(err)
	}
	if g.conn != nil {
		g.conn.Close()
	}
	if g.conn, err = source.Open(g.t.Context()); err != nil {
		g.t.Fatal(err)
	}
	g.filter, g.boot = filter.New(table, []uint32{0}, nil), clock.BootID{boot}
}

// poll scans once. What it reports is durable, or lost with the gateway's memory.
func (g *gatewayOf) poll(durable bool) {
	g.t.Helper()
	err := g.conn.Poll(g.t.Context(), 0, func(b *drivers.Block) {
		_, critical := g.filter.Apply(b, clock.Map{Boot: g.boot, Source: clock.NTP})
		if critical == nil || !durable {
			return
		}
		for _, e := range critical.Events {
			g.keys[e.Key]++
		}
		for _, gap := range critical.Gaps {
			g.lost += gap.Count
		}
		for _, c := range critical.Cursors {
			g.cursor = slices.Clone(c.Bytes)
		}
	})
	if err != nil {
		g.t.Fatal(err)
	}
}

// From the device's registers to the report: each passage has one key, however often the gateway starts on another boot, reads again what it had not
// made durable, or finds the ring overrun; what is missing is declared, to the last one.
func TestPassagesOfARingAreCountedOnce(t *testing.T) {
	memory := modbusserver.NewRegisters(map[uint8]modbusserver.Size{1: {Holding: 10 + 32*7}})
	ring := modbusserver.NewEventRing(memory.Unit(1), modbusserver.RingLayout{Slots: 10, Count: 32, Size: 7, HeadBits: 32, Generation: -1, Clock: -1, Cursor: -1})
	server, err := modbusserver.Start("127.0.0.1:0", memory, modbusserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	g := &gatewayOf{t: t, keys: map[[16]byte]int{}}
	defer func() { g.conn.Close() }()
	g.start(server.Addr(), 1)
	g.poll(true)
	add := func(n int) {
		for range n {
			ring.Add(modbusserver.RingEvent{Time: 1_700_000_000, Direction: 1}) // all alike but for their numbers
		}
	}
	for step, do := range []func(){
		func() { add(20); g.poll(true) },
		func() { add(5); g.poll(false) }, // read, handed on, and gone with the power
		func() { g.start(server.Addr(), 2); g.poll(true) },
		func() { add(40); g.poll(true) }, // overrun by 9
		func() { add(3); g.start(server.Addr(), 3); g.poll(true) },
	} {
		do()
		if step == 1 {
			continue
		}
		if counted := uint64(len(g.keys)) + g.lost; counted != ring.Written() {
			t.Fatalf("step %d: %d passages and %d lost, there were %d", step, len(g.keys), g.lost, ring.Written())
		}
	}
	if g.lost != 9 {
		t.Errorf("%d declared lost, want 9", g.lost)
	}
	for key, n := range g.keys {
		if n != 1 {
			t.Errorf("key %s came %d times", fmt.Sprintf("%x", key), n)
		}
	}
}
