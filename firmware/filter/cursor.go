package filter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/point"
)

// cursorVersion is the first byte of a counter's cursor. Another layout gets another number.
const cursorVersion = 1

// cursorSize is the length of a counter's cursor: version, boot id, monotonic time, wall time, dated, raw, run, total, bits, reason.
const cursorSize = 1 + 16 + 8 + 8 + 1 + 8 + 8 + 8 + 1 + 1

// maxAbsence is the longest span between two boots that wall times are believed for.
const maxAbsence = 366 * 24 * time.Hour

// errCursor is what every refused cursor wraps.
var errCursor = errors.New("not a counter's cursor")

// cursor is how far a counter was read: what a restart needs to go on.
type cursor struct {
	boot   clock.BootID
	mono   int64 // of the read, on that boot
	wall   int64 // Unix ns of the read, as far as known then
	dated  bool  // whether wall rests on anything
	raw    uint64
	run    uint64
	total  uint64
	bits   uint8
	reason point.RunReason
}

// append adds c's bytes to dst.
func (c cursor) append(dst []byte) []byte {
	le := binary.LittleEndian
	dst = append(dst, cursorVersion)
	dst = append(dst, c.boot[:]...)
	dst = le.AppendUint64(dst, uint64(c.mono))
	dst = le.AppendUint64(dst, uint64(c.wall))
	dst = append(dst, byte(point.BoolBits(c.dated)))
	dst = le.AppendUint64(dst, c.raw)
	dst = le.AppendUint64(dst, c.run)
	dst = le.AppendUint64(dst, c.total)
	return append(dst, c.bits, byte(c.reason))
}

// parseCursor reads what append wrote, and nothing else.
func parseCursor(b []byte) (cursor, error) {
	if len(b) != cursorSize {
		return cursor{}, fmt.Errorf("%w: %d bytes, %d are wanted", errCursor, len(b), cursorSize)
	}
	if b[0] != cursorVersion {
		return cursor{}, fmt.Errorf("%w: version %d, %d is known", errCursor, b[0], cursorVersion)
	}
	le := binary.LittleEndian
	var c cursor
	copy(c.boot[:], b[1:17])
	c.mono, c.wall = int64(le.Uint64(b[17:])), int64(le.Uint64(b[25:]))
	c.dated = b[33] == 1
	c.raw, c.run, c.total = le.Uint64(b[34:]), le.Uint64(b[42:]), le.Uint64(b[50:])
	c.bits, c.reason = b[58], point.RunReason(b[59])
	switch {
	case b[33] > 1, c.run == 0, c.mono < 0,
		c.bits != 16 && c.bits != 32 && c.bits != 64,
		c.raw&^mask(c.bits) != 0,
		c.reason < point.RunFirst || c.reason > point.RunDevice:
		return cursor{}, fmt.Errorf("%w: a field is out of range", errCursor)
	}
	return c, nil
}

// since returns the time from c's read to monotonic time mono of the boot that now maps, if it can be known.
func (c *cursor) since(mono int64, now clock.Map) (time.Duration, bool) {
	if c.boot == now.Boot && c.boot != (clock.BootID{}) {
		return time.Duration(mono - c.mono), mono >= c.mono
	}
	if !c.dated || now.Source == clock.Unknown {
		return 0, false
	}
	span := time.Duration(now.Wall(mono) - c.wall)
	return span, span >= 0 && span <= maxAbsence
}

// mask has the low bits set.
func mask(bits uint8) uint64 {
	if bits >= 64 {
		return ^uint64(0)
	}
	return 1<<bits - 1
}
