package modbusserver

import "sync"

// RingLayout says where an EventRing lies in the holding registers of a bank. Numbers are unsigned, most significant register first.
type RingLayout struct {
	Slots, Count, Size int // address of slot 0, slots, registers of each
	Head               int // address of the head, two registers: events written so far
	Generation         int // address of the generation, one register; -1 for none
	Clock              int // address of the device's clock, two registers, seconds; -1 for none
	Cursor             int // address at which the gateway writes what is durable, two registers; -1 for none
	HeadBits           int // 32, or 16 for a head of the one register at Head
	First              uint32
}

// SlotSize is how many registers of a slot an EventRing writes: id (2), time (2), direction (1), ticket (2).
const SlotSize = 7

// RingEvent is one event in a device's ring.
type RingEvent struct {
	Time      uint32
	Direction uint16
	Ticket    uint32
}

// EventRing is a log of events in a unit's holding registers, as a gate's controller keeps it. It is safe for concurrent use.
type EventRing struct {
	bank   *Bank
	layout RingLayout

	mu      sync.Mutex
	written uint64
}

// NewEventRing returns an empty ring in bank.
func NewEventRing(bank *Bank, layout RingLayout) *EventRing {
	return &EventRing{bank: bank, layout: layout}
}

// Add writes events, each whole before the head moves past it.
func (r *EventRing) Add(events ...RingEvent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range events {
		r.bank.Update(func(v *Values) {
			r.slot(v, r.written, e)
			r.written++
			r.head(v)
		})
	}
}

// Tear writes half of the slot of the next event, as a device does that is read in the middle of it, and leaves the head.
func (r *EventRing) Tear(e RingEvent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bank.Update(func(v *Values) {
		at := r.at(r.written)
		v.Holding[at+4] = e.Direction
		put32(v.Holding, at+5, e.Ticket)
	})
}

// Jump makes the device have written n events more that nobody saw, and whose slots hold something else.
func (r *EventRing) Jump(n uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.written += n
	r.bank.Update(r.head)
}

// Spoil overwrites the id of event n, counted from 0 on.
func (r *EventRing) Spoil(n uint64, id uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bank.Update(func(v *Values) { put32(v.Holding, r.at(n), id) })
}

// Restart begins the ring anew, as after a loss of the device's memory: head and slots are 0, the generation is another one.
func (r *EventRing) Restart() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.written = 0
	r.bank.Update(func(v *Values) {
		for i := range r.layout.Count * r.layout.Size {
			v.Holding[r.layout.Slots+i] = 0
		}
		if r.layout.Generation >= 0 {
			v.Holding[r.layout.Generation]++
		}
		r.head(v)
	})
}

// SetClock sets the device's clock.
func (r *EventRing) SetClock(seconds uint32) {
	r.bank.Update(func(v *Values) { put32(v.Holding, r.layout.Clock, seconds) })
}

// Cursor returns what the gateway wrote to be durable.
func (r *EventRing) Cursor() (n uint32) {
	r.bank.View(func(v *Values) {
		n = uint32(v.Holding[r.layout.Cursor])<<16 | uint32(v.Holding[r.layout.Cursor+1])
	})
	return n
}

// Written returns how many events the ring ever held.
func (r *EventRing) Written() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.written
}

func (r *EventRing) at(n uint64) int {
	return r.layout.Slots + int(n%uint64(r.layout.Count))*r.layout.Size
}

func (r *EventRing) slot(v *Values, n uint64, e RingEvent) {
	at := r.at(n)
	put32(v.Holding, at, uint32(n)+r.layout.First)
	put32(v.Holding, at+2, e.Time)
	v.Holding[at+4] = e.Direction
	put32(v.Holding, at+5, e.Ticket)
}

func (r *EventRing) head(v *Values) {
	if r.layout.HeadBits == 16 {
		v.Holding[r.layout.Head] = uint16(r.written)
		return
	}
	put32(v.Holding, r.layout.Head, uint32(r.written))
}

func put32(registers []uint16, at int, v uint32) {
	registers[at], registers[at+1] = uint16(v>>16), uint16(v)
}
