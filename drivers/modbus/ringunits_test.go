package modbus_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/drivers/devicetest/modbusserver"
	"github.com/courtside-edge/courtside/sync/point"
)

// gates are units with a ring each on one RTU line.
type gates struct {
	memory *modbusserver.Registers
	rings  []*modbusserver.EventRing
}

func newGates(n, count, headBits int) gates {
	layout := map[uint8]modbusserver.Size{}
	for u := range n {
		layout[uint8(u+1)] = modbusserver.Size{Holding: ringSlots + count*ringSize}
	}
	g := gates{memory: modbusserver.NewRegisters(layout)}
	for u := range n {
		g.rings = append(g.rings, modbusserver.NewEventRing(g.memory.Unit(uint8(u+1)), modbusserver.RingLayout{Head: ringHead, Slots: ringSlots, Count: count, Size: ringSize,
			HeadBits: headBits, Generation: ringGeneration, Clock: -1, Cursor: ringCursor}))
	}
	return g
}

// Three gates on one serial line, a ring each: read, and told what is durable, one unit after the other.
func TestRingsOfSeveralUnitsOnALine(t *testing.T) {
	for _, bits := range []int{16, 32} {
		g := newGates(3, 32, bits)
		line, err := modbusserver.StartPTY(g.memory)
		if err != nil {
			t.Fatal(err)
		}
		defer line.Close()
		source := fmt.Sprintf("table: holding\naddress: %d\nunit: 1\nunit_step: 1\nring: {count: 32, size: %d, head: {address: %d, type: uint%d}, generation: {address: %d}, cursor: {address: %d, type: uint%d}, id: {offset: 0, type: uint32}}",
			ringSlots, ringSize, ringHead, bits, ringGeneration, ringCursor, bits)
		group := group("gates", source, 3, nil)
		for n := range group.Targets {
			group.Targets[n].Point = passage(fmt.Sprintf("gate/%d", n+1), point.In)
		}
		s, err := prepare(fmt.Sprintf("serial: {port: %s, baud: 115200}\ntimeout: 200ms", line.Addr()), group)
		if err != nil {
			t.Fatal(err)
		}
		c, err := s.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		events, cursors := make([]int, 3), make([]point.Cursor, 3)
		poll := func() {
			t.Helper()
			err := c.Poll(t.Context(), 0, func(b *drivers.Block) {
				for _, e := range b.Events {
					events[b.Readings[e.Position].Index]++
				}
				for _, cur := range b.Cursors {
					cursors[cur.Name[len(cur.Name)-1]-'1'] = cur
				}
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		poll()
		for n, r := range g.rings {
			for range 10 * (n + 1) {
				r.Add(modbusserver.RingEvent{Direction: 1})
			}
		}
		poll()
		if !slices.Equal(events, []int{10, 20, 30}) {
			t.Fatalf("head of %d bits: events %v", bits, events)
		}
		for n, cur := range cursors {
			if err := c.(drivers.Acknowledger).Acknowledge(t.Context(), cur); err != nil {
				t.Fatal(err)
			}
			told := g.rings[n].Cursor()
			if bits == 16 {
				told >>= 16
			}
			if told != uint32(10*(n+1)) {
				t.Errorf("head of %d bits: gate %d was told %d", bits, n+1, told)
			}
		}
		if plan := s.Plan().String(); !strings.Contains(plan, "ring gate/2: 32 slots of 7 registers at holding 10 of unit 2, up to 17 a request, durable up to holding 5") ||
			!strings.Contains(plan, "unit 3: holding") {
			t.Errorf("the plan is\n%s", plan)
		}
		plan := s.PollPlan()
		if p := plan.Classes[0]; p.Requests != 3 || p.Predicted < 3*5*time.Millisecond+3*25*10*time.Second/115200/10 || p.Measured == 0 {
			t.Errorf("%+v", p)
		}
		events = make([]int, 3)
		g.rings[1].Add(modbusserver.RingEvent{})
		line.SetFault(modbusserver.Unit(1, modbusserver.Drop())) // the others' events come all the same
		poll()
		if !slices.Equal(events, []int{0, 1, 0}) {
			t.Errorf("with unit 1 dead: events %v", events)
		}
	}
}
