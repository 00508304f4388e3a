package tracking

import (
	"math"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/drivers/tracking/events"
	"github.com/courtside-edge/courtside/sync/point"
)

// farthest is how far from the centre spot a position can be, in metres. Beyond it the system is out of its mind.
const farthest = 100_000

type axis uint8

const (
	axisX axis = 0
	axisY axis = 1
)

// String returns the axis as configuration writes it.
func (a axis) String() string { return [...]string{"x", "y"}[a] }

// slot is the point that one axis of a player fills.
type slot struct {
	used          bool
	index         uint32
	isInt         bool
	scale, offset float64
}

// bits returns metres as the point's value.
func (s *slot) bits(metres float64) uint64 {
	if s.isInt {
		return point.IntBits(int64(math.Round((metres - s.offset) / s.scale)))
	}
	return point.FloatBits(metres)
}

// player is one player's points and what was last heard of them.
type player struct {
	slots  [2]slot
	seen   bool
	stale  bool
	heard  int64  // monotonic ns of the last position, or of the subscription's start
	newest uint64 // timestamp of the last position; 0 for none
	turn   uint64 // the block that holds it
}

// book is what the driver knows of all players. It does no I/O and asks no clock; see the package's failure table.
type book struct {
	players    map[int32]*player
	order      []*player // in the order of the configuration
	staleAfter int64     // ns
	turn       uint64    // the present block, from 1
}

func newBook(staleAfter int64) *book {
	return &book{players: make(map[int32]*player), staleAfter: staleAfter, turn: 1}
}

// add makes an axis of a player fill t, and reports whether it was free.
func (b *book) add(id int32, a axis, t drivers.Target) bool {
	p := b.players[id]
	if p == nil {
		p = &player{}
		b.players[id] = p
		b.order = append(b.order, p)
	}
	s := &p.slots[a]
	if s.used {
		return false
	}
	*s = slot{used: true, index: t.Index, isInt: t.Point.Type == point.Int, scale: t.Point.Scale, offset: t.Point.Offset}
	if s.scale == 0 {
		s.scale = 1
	}
	return true
}

// begin forgets what was heard on an earlier stream.
func (b *book) begin(mono int64) {
	for _, p := range b.order {
		p.seen, p.stale, p.heard, p.newest = false, false, mono, 0
	}
}

// verdict is what became of a message.
type verdict uint8

const (
	taken    verdict = iota
	stranger         // no point names the player
	old              // not newer than what is known
	full             // the block holds the player already: yield it first
)

// take adds a position to block.
func (b *book) take(m *events.PlayerPosition, block *drivers.Block) verdict {
	p := b.players[m.GetPlayerId()]
	switch ts := m.GetTimestampNs(); {
	case p == nil:
		return stranger
	case ts != 0 && ts <= p.newest && !p.stale:
		return old
	case p.turn == b.turn:
		return full
	default:
		p.newest = ts
	}
	p.seen, p.stale, p.heard, p.turn = true, false, block.Time, b.turn
	metres := [2]float64{float64(m.GetX()), float64(m.GetY())}
	q := point.Good
	for _, v := range metres {
		if !(math.Abs(v) <= farthest) { // a NaN too
			q = point.BadOutOfRange
		}
	}
	source := int64(0)
	if m.GetTimestampNs() <= math.MaxInt64 {
		source = int64(m.GetTimestampNs())
	}
	for a := range p.slots {
		s := &p.slots[a]
		if !s.used {
			continue
		}
		r := drivers.Reading{Index: s.index, Quality: q}
		if q.IsGood() {
			r.Bits = s.bits(metres[a])
		}
		block.Readings = append(block.Readings, r)
		block.DeviceTimes = append(block.DeviceTimes, source)
	}
	return taken
}

// yielded opens the book for the next block.
func (b *book) yielded() { b.turn++ }

// missing adds bad readings of the players who have become stale to block, each once.
func (b *book) missing(block *drivers.Block) {
	for _, p := range b.order {
		if p.stale || block.Time-p.heard < b.staleAfter {
			continue
		}
		p.stale = true
		q := point.BadTimeout
		if !p.seen {
			q = point.BadWaitingForInitialData
		}
		for a := range p.slots {
			if s := &p.slots[a]; s.used {
				block.Readings = append(block.Readings, drivers.Reading{Index: s.index, Quality: q})
			}
		}
	}
}

// quiet returns how long nobody was heard, in ns, at monotonic time mono.
func (b *book) quiet(mono int64) int64 {
	least := int64(math.MaxInt64)
	for _, p := range b.order {
		least = min(least, mono-p.heard)
	}
	return least
}
