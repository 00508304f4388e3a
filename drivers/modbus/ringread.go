package modbus

import (
	"context"
	"errors"
	"os"
	"time"

	goburrow "github.com/goburrow/modbus"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/sync/point"
)

const (
	// maxRingRequests is how many requests one ring may take of a scan; the rest waits for the next.
	maxRingRequests = 16
	// ringAttempts is how often a scan looks again at a head that the slots do not fit.
	ringAttempts = 3
	// ringPatience is how long a slot may hold something else than the head says, until it is given up as lost.
	ringPatience = 10 * time.Second
)

// piece is neighbouring slots that one request reads.
type piece struct {
	first   uint64 // event
	slots   int
	request request // without items; unit, table, address and quantity only
	frame   []byte
	outcome answer // data is a copy
	arrived int64
}

// readRings reads the rings of a class, after the scan has read the numbers beside their slots.
func (c *Conn) readRings(ctx context.Context, class int, yield func(*drivers.Block)) error {
	for _, r := range c.source.rings {
		if r.class != class {
			continue
		}
		if err := c.readRing(ctx, r, yield); err != nil {
			return err
		}
	}
	return nil
}

// readRing yields what the ring holds behind the last event read.
func (c *Conn) readRing(ctx context.Context, r *ring, yield func(*drivers.Block)) error {
	if q := r.controlQuality(); q.IsBad() {
		c.ringBad(r, q, yield)
		return nil
	}
	for range ringAttempts {
		q, err := c.readWindow(ctx, r, yield)
		switch {
		case err != nil:
			return err
		case q == point.BadWaitingForInitialData: // the slots did not fit the head: look at it again
			if q, err = c.readHead(ctx, r); err != nil {
				return err
			}
		case !q.IsBad():
			r.stuck = 0
			return nil
		}
		if q.IsBad() && q != point.BadWaitingForInitialData {
			c.ringBad(r, q, yield)
			return nil
		}
	}
	c.ringStuck(r, yield)
	return nil
}

// controlQuality returns how good the numbers beside the slots are.
func (r *ring) controlQuality() point.Quality {
	for n, given := range [controlCount]bool{true, r.ringSpec.generation.given(), r.clock.given()} {
		if given && r.controls[n].quality.IsBad() {
			return r.controls[n].quality
		}
	}
	return point.Good
}

// ringBad says that the ring cannot be read.
func (c *Conn) ringBad(r *ring, q point.Quality, yield func(*drivers.Block)) {
	c.state(r, q)
	yield(&c.block)
}

// state fills the block with the quality of the ring's points.
func (c *Conn) state(r *ring, q point.Quality) {
	c.block.Reset(c.source.device.Clock.Mono())
	for _, o := range r.outlets {
		c.block.Readings = append(c.block.Readings, drivers.Reading{Index: o.Index, Quality: q})
	}
}

// ringStuck gives up a slot that never holds what it should, once that has lasted long enough; without it the ring would never go on.
func (c *Conn) ringStuck(r *ring, yield func(*drivers.Block)) {
	now := c.source.device.Clock.Mono()
	if r.stuck == 0 {
		r.stuck = now
	}
	if now-r.stuck < int64(ringPatience) || !r.known {
		c.ringBad(r, point.BadDataEncodingInvalid, yield)
		return
	}
	c.source.log.Error("a slot of an event ring never held its event; it is declared lost", "ring", r.outlets[0].Point.Name, "slot", r.slot(r.next))
	r.stuck = 0
	c.block.Reset(now)
	c.declare(r, drivers.Gap{Count: 1, Reason: point.GapCorrupt})
	r.next++
	r.stats.lost.Add(1)
	c.mark(r)
	yield(&c.block)
}

// readWindow reads what lies between the last event read and the head, and yields it. The quality is good when all is well,
// BadWaitingForInitialData when the slots do not fit the head, and another bad one when the device does not answer.
func (c *Conn) readWindow(ctx context.Context, r *ring, yield func(*drivers.Block)) (point.Quality, error) {
	head, generation := r.controls[headControl].bits, r.controls[generationControl].bits
	var newest *uint64
	empty := false
	if r.needsNewest(head, generation) {
		id, q, err := c.readNewest(ctx, r, head)
		switch {
		case err != nil || q.IsBad():
			return q, err
		case head%r.wrap == 0 && id == 0:
			if empty, q, err = c.isBlank(ctx, r); err != nil || q.IsBad() {
				return q, err
			}
		}
		switch {
		case empty:
		case r.isNewest(head, id):
			newest = &id
		case r.known || head%r.wrap != 0:
			r.stats.torn.Add(1)
			return point.BadWaitingForInitialData, nil
		}
	}
	at := r.controls[headControl].at
	w, restarted := r.begin(head, generation, newest, empty)
	if restarted {
		c.source.log.Warn("an event ring began anew; what it held and was not read is lost", "ring", r.outlets[0].Point.Name, "generation", r.generation)
		c.block.Reset(at)
		c.declare(r, drivers.Gap{Reason: point.GapReset})
		c.mark(r)
		yield(&c.block)
	}
	if w.from == w.to {
		c.inOrder(r, at, yield)
		return point.Good, nil
	}
	pieces, err := c.pieces(r, w)
	if err == nil {
		err = c.fetch(ctx, pieces)
	}
	if err != nil {
		return point.Good, err
	}
	if q, err := c.recheck(ctx, r, &w, head); err != nil || q.IsBad() {
		return q, err
	}
	return c.deliver(r, w, at, pieces, yield), nil
}

// inOrder says that everything up to the head is read. The first time it says how far that is: without a cursor, a gateway that ends before
// the first event would take what it missed for what was there before it ever looked.
func (c *Conn) inOrder(r *ring, at int64, yield func(*drivers.Block)) {
	first := r.fresh
	r.fresh, r.emptied, r.seen = false, at, at
	c.state(r, point.GoodNoData)
	if first {
		c.mark(r)
	}
	yield(&c.block)
}

// pieces divides a window into requests, as few as there can be.
func (c *Conn) pieces(r *ring, w window) ([]piece, error) {
	most := max(c.source.options.MaxRegisters/r.size, 1)
	if r.perRequest > 0 {
		most = min(most, r.perRequest)
	}
	var pieces []piece
	for n := w.from; n < w.to && len(pieces) < maxRingRequests; {
		k := min(int(w.to-n), most, r.count-int(n%uint64(r.count)))
		p := piece{first: n, slots: k, request: request{unit: r.place.unit, table: r.table, address: r.slot(n), quantity: uint16(k * r.size)}}
		var err error
		if p.frame, err = c.source.packer.read(p.request.unit, p.request.table, p.request.address, p.request.quantity); err != nil {
			return nil, err
		}
		pieces = append(pieces, p)
		n += uint64(k)
	}
	return pieces, nil
}

// fetch reads pieces, as many at once as the depth allows. When the unit falls silent, those that are left are not asked for.
func (c *Conn) fetch(ctx context.Context, pieces []piece) error {
	for n := range pieces {
		pieces[n].outcome = answer{outcome: silent}
	}
	for sent, open := 0, 0; sent < len(pieces) || open > 0; {
		for ; sent < len(pieces) && open < c.source.options.Depth && c.asks(&pieces[sent].request); sent++ {
			if err := c.pause(ctx); err != nil {
				return err
			}
			if err := c.wire.send(pieces[sent].frame, sent); err != nil {
				return err
			}
			open++
		}
		if open == 0 {
			break
		}
		a, err := c.wire.receive()
		if err != nil {
			return err
		}
		open--
		c.last = time.Now()
		p := &pieces[a.tag]
		c.judge(&p.request, a)
		p.outcome, p.arrived = a, c.line.arrived
		p.outcome.data = append([]byte(nil), a.data...)
	}
	if c.line.misses >= maxMisses {
		return c.alive()
	}
	return nil
}

// asks reports whether the unit of r is still to be asked.
func (c *Conn) asks(r *request) bool {
	return c.line.misses < maxMisses && !c.source.units[r.unit].isSuspended()
}

// recheck looks at the head once more when w reaches far back: what the device wrote meanwhile may have been written over, or half.
func (c *Conn) recheck(ctx context.Context, r *ring, w *window, head uint64) (point.Quality, error) {
	if w.to-w.from <= uint64(r.count/2) {
		return point.Good, nil
	}
	q, err := c.readHead(ctx, r)
	if err != nil || q.IsBad() {
		return q, err
	}
	now := w.to + (r.controls[headControl].bits%r.wrap+r.wrap-head%r.wrap)%r.wrap
	if now-w.from > r.readable() {
		first := min(now-r.readable(), w.to)
		if !r.fresh {
			w.lost += first - w.from
		}
		w.from = first
	}
	if w.from == w.to {
		return point.BadWaitingForInitialData, nil
	}
	return point.Good, nil
}

// deliver yields the events of pieces, a block each, as far as each slot holds its event.
func (c *Conn) deliver(r *ring, w window, at int64, pieces []piece, yield func(*drivers.Block)) point.Quality {
	n := w.from
	for i := range pieces {
		p := &pieces[i]
		if p.first+uint64(p.slots) <= n {
			continue
		}
		if q := c.pieceQuality(r, p); q.IsBad() {
			return q
		}
		c.block.Reset(p.arrived)
		began := n
		for n = max(n, p.first); n < p.first+uint64(p.slots); n++ {
			slot := p.outcome.data[2*r.size*int(n-p.first):][:2*r.size]
			id, q := r.id.numberOf(slot)
			if !q.IsBad() && r.matches(n, id) {
				if w.lost > 0 {
					c.declare(r, drivers.Gap{Count: w.lost, Reason: point.GapOverrun})
					r.stats.lost.Add(w.lost)
					c.source.log.Warn("an event ring was overrun", "ring", r.outlets[0].Point.Name, "lost", w.lost)
					w.lost = 0
				}
				r.fresh = false
				c.event(r, slot, id)
			} else if !r.fresh {
				break
			}
		}
		whole := n == p.first+uint64(p.slots)
		if n > began && w.lost == 0 {
			r.next = n
			c.mark(r)
			r.seen = p.arrived
			yield(&c.block)
		}
		if !whole {
			r.stats.torn.Add(1)
			return point.BadWaitingForInitialData
		}
	}
	if n == w.to {
		r.fresh, r.emptied = false, at
	}
	return point.Good
}

// pieceQuality returns what the points are when a piece was not answered. A device that takes no request of its size is asked for less.
func (c *Conn) pieceQuality(r *ring, p *piece) point.Quality {
	switch p.outcome.outcome {
	case answered:
		return point.Good
	case silent:
		return point.BadTimeout
	case malformed:
		return point.BadDataEncodingInvalid
	}
	if code := p.outcome.code; p.slots > 1 && (code == goburrow.ExceptionCodeIllegalDataAddress || code == goburrow.ExceptionCodeIllegalDataValue) {
		r.perRequest = p.slots / 2
		return point.BadWaitingForInitialData
	}
	return exceptionQuality(p.outcome.code)
}

// readNewest reads the id in the slot before the head.
func (c *Conn) readNewest(ctx context.Context, r *ring, head uint64) (uint64, point.Quality, error) {
	return c.readID(ctx, r, r.origin()+head%r.wrap+r.wrap-1)
}

// readID reads the id in the slot of event n.
func (c *Conn) readID(ctx context.Context, r *ring, n uint64) (uint64, point.Quality, error) {
	data, q, err := c.readWords(ctx, r, r.slot(n)+uint16(r.id.offset), uint16(r.id.shape.width))
	if err != nil || q.IsBad() {
		return 0, q, err
	}
	id, q := r.id.shape.value(data)
	return id, q, nil
}

// isBlank reports whether a ring whose head and newest id are 0 was never written. Where ids begin at 1, a blank slot looks like that of
// event -1; the slot before it tells them apart.
func (c *Conn) isBlank(ctx context.Context, r *ring) (bool, point.Quality, error) {
	n := r.origin() + r.wrap - 2
	before, q, err := c.readID(ctx, r, n)
	return !q.IsBad() && (before == 0 || !r.matches(n, before)), q, err
}

// readHead reads the head again.
func (c *Conn) readHead(ctx context.Context, r *ring) (point.Quality, error) {
	data, q, err := c.readWords(ctx, r, r.head.address, uint16(r.head.shape.width))
	if err != nil || q.IsBad() {
		return q, err
	}
	h := &r.controls[headControl]
	h.bits, h.quality = r.head.shape.value(data)
	h.at = c.line.arrived
	return h.quality, nil
}

// readWords reads some registers of the ring's table, outside of the plan.
func (c *Conn) readWords(ctx context.Context, r *ring, address, quantity uint16) ([]byte, point.Quality, error) {
	if err := c.pause(ctx); err != nil {
		return nil, point.Good, err
	}
	client := c.client(r.place.unit)
	read := client.ReadHoldingRegisters
	if r.table == Input {
		read = client.ReadInputRegisters
	}
	data, err := read(address, quantity)
	c.last = time.Now()
	var refusal *goburrow.ModbusError
	switch {
	case err == nil && len(data) == 2*int(quantity):
		return data, point.Good, nil
	case err == nil, errors.Is(err, errMalformed):
		return nil, point.BadDataEncodingInvalid, nil
	case errors.As(err, &refusal):
		return nil, exceptionQuality(refusal.ExceptionCode), nil
	case errors.Is(err, os.ErrDeadlineExceeded) && c.line.misses < maxMisses:
		return nil, point.BadTimeout, nil
	}
	return nil, point.Good, err
}
