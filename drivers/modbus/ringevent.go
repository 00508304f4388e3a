package modbus

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"strconv"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/sync/point"
)

// event adds one event of the ring to the block. One of a direction that no point takes becomes a declared loss.
func (c *Conn) event(r *ring, slot []byte, id uint64) {
	e := drivers.Event{Position: uint32(len(c.block.Readings)), Generation: r.generation, ID: id, From: r.emptied}
	if r.direction.given() {
		e.Direction, _ = r.direction.numberOf(slot)
	}
	taker := r.taker(e.Direction)
	if taker == nil {
		c.declare(r, drivers.Gap{Count: 1, Reason: point.GapCorrupt})
		r.stats.lost.Add(1)
		return
	}
	deviceTime := int64(0)
	if r.time.given() {
		if t, q := r.time.numberOf(slot); !q.IsBad() {
			e.Time = t
			e.At = r.when(t)
			deviceTime = r.dated(t)
		}
	}
	var shown string
	if r.ticket.given() {
		e.Ticket, shown = c.source.tickets.of(r.ticket, slot)
	}
	reading := drivers.Reading{Index: taker.Index, Bits: 1}
	switch {
	case taker.Point.Type == point.Text:
		reading.Bits = uint64(len(c.block.Texts))
		c.block.Texts = append(c.block.Texts, shown)
	case r.value.given():
		reading.Bits, reading.Quality = r.value.numberOf(slot)
		if reading.Quality.IsBad() { // it occurred all the same
			reading.Bits, reading.Quality = 1, point.Uncertain
		}
	case r.direction.given():
		reading.Bits = e.Direction
	}
	c.block.Readings = append(c.block.Readings, reading)
	c.block.DeviceTimes = append(c.block.DeviceTimes, deviceTime)
	c.block.Events = append(c.block.Events, e)
	r.stats.events.Add(1)
}

// when returns when the device's time t was, on the gateway's clock, by the clock beside the slots; 0 when there is none.
func (r *ring) when(t uint64) int64 {
	if !r.clock.given() {
		return 0
	}
	clock := &r.controls[clockControl]
	end := r.time.shape.end()
	age := (clock.bits%end + end - t%end) % end
	if age > end/2 { // the slot was written after the clock was read
		return clock.at
	}
	if age > uint64(math.MaxInt64)/uint64(r.tick) {
		return 1
	}
	return max(clock.at-int64(age)*int64(r.tick), 1)
}

// dated returns the device's time t as Unix ns; 0 when it says nothing of the kind.
func (r *ring) dated(t uint64) int64 {
	if !r.wall || t == 0 || t > uint64(math.MaxInt64-max(r.base, 0))/uint64(r.tick) {
		return 0
	}
	return r.base + int64(t)*int64(r.tick)
}

// declare adds a loss of the ring to the block, from when it was in order last. Losses of one kind that a block has already are one gap.
func (c *Conn) declare(r *ring, g drivers.Gap) {
	g.Index, g.First, g.Last = r.outlets[0].Index, r.seen, max(c.block.Time, r.seen)
	if n := len(c.block.Gaps); n > 0 {
		if last := &c.block.Gaps[n-1]; last.Index == g.Index && last.Reason == g.Reason && last.Count > 0 && g.Count > 0 {
			last.Count += g.Count
			return
		}
	}
	c.block.Gaps = append(c.block.Gaps, g)
}

// mark adds how far the ring is read to the block.
func (c *Conn) mark(r *ring) {
	c.block.Cursors = append(c.block.Cursors, point.Cursor{Device: c.source.device.ID, Name: r.outlets[0].Point.Name, Bytes: r.cursorBytes()})
}

// tickets says what may leave the gateway of a ticket.
type tickets struct {
	mode string // ticketsHashed, ticketsPlain or ticketsNone
	key  []byte
}

// What becomes of tickets.
const (
	ticketsHashed = "hash" // HMAC-SHA-256
	ticketsPlain  = "plain"
	ticketsNone   = "none"
)

// of returns what of a slot's ticket goes into the event's key, and what people may see of it. No ticket is nothing.
func (t *tickets) of(f field, slot []byte) (ticket []byte, shown string) {
	raw := slot[2*f.offset:][:2*int(f.shape.width)]
	var plain string
	if f.shape.kind == text {
		ticket = append([]byte(nil), f.shape.trimmed(raw, make([]byte, len(raw)))...)
		plain = string(ticket)
	} else if n := f.shape.load(raw); n != 0 {
		ticket = binary.BigEndian.AppendUint64(nil, n)
		plain = strconv.FormatUint(n, 10)
	}
	switch {
	case len(ticket) == 0 || t.mode == ticketsNone:
		return nil, ""
	case t.mode == ticketsPlain:
		return ticket, plain
	}
	mac := hmac.New(sha256.New, t.key)
	mac.Write(ticket)
	ticket = mac.Sum(nil)
	return ticket, hex.EncodeToString(ticket)
}
