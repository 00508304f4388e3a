package modbus

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/sync/point"
)

// ring is one log of events of a device: where it lies, who takes its events, and how far it was read. Events are numbered by
// the gateway, in 64 bits: event n lies in slot n mod count, and the head stands at the number of the next one, modulo wrap. It outlives connections.
type ring struct {
	ringSpec
	outlets []drivers.Target // the first one names the cursor
	section drivers.Section
	class   int

	controls [controlCount]control // as the last scan read them

	known      bool   // generation and next hold
	fresh      bool   // nothing was ever read: slots that hold nothing are passed over
	generation uint64 // the device's, or counted here
	next       uint64 // number of the event to read next
	emptied    int64  // monotonic time at which everything up to the head was read last; 0 for never
	seen       int64  // monotonic time at which the ring was in order last; 0 for never
	stuck      int64  // monotonic time since when slot next cannot be read; 0 for not
	perRequest int    // slots, once the device refused more; 0 for as many as fit
	stats      ringStats
}

// ringStats counts what happened to a ring.
type ringStats struct{ events, lost, torn, restarts atomic.Uint64 }

// The numbers beside the slots.
const (
	headControl = iota
	generationControl
	clockControl
	controlCount
)

// control is a number beside the slots, as it was read last.
type control struct {
	bits    uint64
	quality point.Quality
	at      int64 // monotonic time
}

// origin is the number of event 0 of a generation: a multiple of whatever wraps, so that numbers before it exist.
func (r *ring) origin() uint64 { return max(r.wrap, r.span) }

// cursor versions: another layout gets another number.
const (
	ringCursorVersion = 1
	ringCursorSize    = 1 + 8 + 8
)

// cursorBytes returns how far the ring is read.
func (r *ring) cursorBytes() []byte {
	b := append(make([]byte, 0, ringCursorSize), ringCursorVersion)
	b = binary.LittleEndian.AppendUint64(b, r.generation)
	return binary.LittleEndian.AppendUint64(b, r.next)
}

// parseRingCursor reads what cursorBytes wrote, and nothing else.
func parseRingCursor(b []byte) (generation, next uint64, err error) {
	if len(b) != ringCursorSize || b[0] != ringCursorVersion {
		return 0, 0, fmt.Errorf("not a ring's cursor: % x", b)
	}
	return binary.LittleEndian.Uint64(b[1:]), binary.LittleEndian.Uint64(b[9:]), nil
}

// restore takes up where the durable cursor left off; without one the ring is fresh.
func (r *ring) restore(cursor []byte, some bool) error {
	if r.known {
		return nil
	}
	r.known, r.fresh, r.next = false, true, 0
	if !some {
		return nil
	}
	generation, next, err := parseRingCursor(cursor)
	if err != nil || next < r.origin() {
		return fmt.Errorf("the cursor of the ring cannot be read, every event that it holds is read again: %w", err)
	}
	r.known, r.fresh, r.generation, r.next = true, false, generation, next
	return nil
}

// readable is how many events of a ring can be trusted: all slots but the one that the device writes next.
func (r *ring) readable() uint64 { return uint64(r.count - 1) }

// ahead returns how many events lie between next and the head, as far as the head tells.
func (r *ring) ahead(head uint64) uint64 { return (head%r.wrap + r.wrap - r.next%r.wrap) % r.wrap }

// needsNewest reports whether the newest slot is needed to judge the head: nothing was ever read, or so much was missed that the
// head alone may have gone round or begun again, and ids that count further can tell.
func (r *ring) needsNewest(head, generation uint64) bool {
	return !r.known || r.span > r.wrap && (r.restartedTo(generation) || r.ahead(head) > r.readable())
}

// isNewest reports whether id is that of the event before the head.
func (r *ring) isNewest(head, id uint64) bool { return r.matches(r.origin()+head+r.wrap-1, id) }

// restartedTo reports whether generation says that the ring began anew.
func (r *ring) restartedTo(generation uint64) bool {
	return r.ringSpec.generation.given() && generation != r.generation
}

// window is what is to be read: events from ≤ n < to, after lost ones.
type window struct {
	from, to uint64
	lost     uint64
}

// begin judges the head and, when it is given, the generation. newest is the id of the newest slot when it is needed and holds one;
// empty says that it was looked at, and nothing was ever written. restarted says that the device's ring began anew: what it held before and was not read is lost, how many is not known.
func (r *ring) begin(head, generation uint64, newest *uint64, empty bool) (w window, restarted bool) {
	head %= r.wrap
	total := r.origin() + head // of a ring that began at 0 and has not gone round
	if newest != nil && r.span > r.wrap {
		total = r.origin() + (*newest+r.span-r.first%r.span)%r.span + 1
	}
	if !r.known {
		r.known, r.fresh, r.next = true, true, total
		if newest != nil {
			r.next -= r.readable()
		}
		if r.ringSpec.generation.given() {
			r.generation = generation
		}
		return window{from: r.next, to: total}, false
	}
	to, back := r.next+r.ahead(head), r.ahead(head) > r.wrap/2
	if newest != nil && r.span > r.wrap {
		d := (total%r.span + r.span - r.next%r.span) % r.span
		to, back = r.next+d, d > r.span/2
	}
	switch {
	case r.restartedTo(generation):
		r.generation = generation
	case empty && !r.ringSpec.generation.given():
		if r.next == r.origin() {
			return window{from: r.next, to: r.next}, false
		}
		r.generation++
	case back && r.ringSpec.generation.given():
		return window{from: r.next, to: r.next}, false // the head contradicts the generation; the next scan will tell
	case back:
		r.generation++
	default:
		return r.trusted(to), false
	}
	r.next, r.fresh = r.origin(), false
	r.stats.restarts.Add(1)
	return r.trusted(total), true
}

// trusted returns the window up to to, without what was overwritten.
func (r *ring) trusted(to uint64) window {
	w := window{from: r.next, to: to}
	if to-w.from > r.readable() {
		w.lost = to - w.from - r.readable()
		w.from = to - r.readable()
	}
	return w
}

// slot returns the address of event n.
func (r *ring) slot(n uint64) uint16 {
	return r.address + uint16(n%uint64(r.count))*uint16(r.size)
}

// taker returns who takes events of a direction; nil for nobody.
func (r *ring) taker(direction uint64) *drivers.Target {
	if !r.takesIn && !r.takesOut {
		return &r.outlets[0]
	}
	for i := range r.outlets {
		o := &r.outlets[i]
		if r.takesIn && o.Point.Direction == point.In && direction == r.codeIn || r.takesOut && o.Point.Direction == point.Out && direction == r.codeOut {
			return o
		}
	}
	return nil
}

// add makes a point take events of the ring, and reports what speaks against it.
func (r *ring) add(t drivers.Target, spec *ringSpec, class int) string {
	switch {
	case r.ringSpec != *spec:
		return "another point describes the ring at this address differently; describe it the same way at both"
	case r.class != class:
		return "the points of one ring have one scan class; give both the same"
	case !r.takesIn && !r.takesOut:
		return "another point takes this ring's events already; tell them apart with direction: {offset: …, in: …, out: …}"
	}
	for _, o := range r.outlets {
		if o.Point.Direction == t.Point.Direction {
			return fmt.Sprintf("another point takes this ring's events of direction %s already", t.Point.Direction)
		}
	}
	r.outlets = append(r.outlets, t)
	return ""
}

// complete reports what would become of events that no point takes.
func (r *ring) complete() string {
	for _, d := range []struct {
		direction point.Direction
		given     bool
		code      uint64
	}{{point.In, r.takesIn, r.codeIn}, {point.Out, r.takesOut, r.codeOut}} {
		if d.given && r.taker(d.code) == nil {
			return fmt.Sprintf("no point takes the events of direction %s; add one (kind: gate, direction: %s) with the same source", d.direction, d.direction)
		}
	}
	return ""
}
