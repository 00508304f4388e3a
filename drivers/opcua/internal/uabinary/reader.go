// Package uabinary decodes the part of OPC UA Binary (OPC 10000-6 section 5.2) that a gateway receives all
// day, values and notifications, without allocation and without trust in the bytes: no length is believed before it is
// checked against what is there, nesting is limited, and nothing panics. What is rare is left to gopcua.
//
// It imports the standard library only.
package uabinary

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// maxDepth is how deep variants, data values and diagnostics may be nested, as the specification recommends to
// limit it; what is deeper is refused.
const maxDepth = 16

// ErrMalformed is what every refusal of this package wraps.
var ErrMalformed = errors.New("malformed OPC UA message")

// Reader reads values from bytes. After the first error it returns zeros; Err tells.
type Reader struct {
	b   []byte
	pos int
	err error
}

// NewReader returns a reader of b, which it does not copy.
func NewReader(b []byte) *Reader { return &Reader{b: b} }

// Err returns the first error.
func (r *Reader) Err() error { return r.err }

// Rest returns how many bytes are left.
func (r *Reader) Rest() int { return len(r.b) - r.pos }

// Pos returns how many bytes were read.
func (r *Reader) Pos() int { return r.pos }

func (r *Reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: at byte %d %s", ErrMalformed, r.pos, fmt.Sprintf(format, args...))
		r.pos = len(r.b)
	}
}

// take returns the next n bytes, or nil after a failure.
func (r *Reader) take(n int) []byte {
	if r.err != nil {
		return nil
	}
	if n < 0 || n > r.Rest() {
		r.fail("%d bytes are wanted, %d are left", n, r.Rest())
		return nil
	}
	b := r.b[r.pos : r.pos+n : r.pos+n]
	r.pos += n
	return b
}

// U8 reads a byte.
func (r *Reader) U8() uint8 {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

// U16 reads an unsigned 16-bit integer.
func (r *Reader) U16() uint16 {
	if b := r.take(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

// U32 reads an unsigned 32-bit integer.
func (r *Reader) U32() uint32 {
	if b := r.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

// U64 reads an unsigned 64-bit integer.
func (r *Reader) U64() uint64 {
	if b := r.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// Bytes reads a ByteString or the UTF-8 of a String: it aliases the reader's bytes, nil for null.
func (r *Reader) Bytes() []byte {
	n := int32(r.U32())
	if n < 0 || r.err != nil {
		return nil
	}
	return r.take(int(n))
}

// Count reads the length of an array whose elements take at least size bytes each; 0 for null.
func (r *Reader) Count(size int) int {
	n := int32(r.U32())
	if n <= 0 || r.err != nil {
		return 0
	}
	if int64(n)*int64(size) > int64(r.Rest()) {
		r.fail("an array of %d elements does not fit into %d bytes", n, r.Rest())
		return 0
	}
	return int(n)
}

const (
	ticksPerSecond = 10_000_000
	epochTicks     = 11_644_473_600 * ticksPerSecond // 1970 since 1601
)

// Time reads a DateTime as Unix nanoseconds; 0 for none and for what nanoseconds cannot hold.
func (r *Reader) Time() int64 {
	t := int64(r.U64())
	if t <= 0 || t == math.MaxInt64 {
		return 0
	}
	t -= epochTicks
	if t > math.MaxInt64/100 || t < math.MinInt64/100 {
		return 0
	}
	return t * 100
}

// NodeID reads a NodeId. id is its number, or 0 when it has another kind of identifier.
func (r *Reader) NodeID() (ns uint16, id uint32) {
	ns, id, _ = r.nodeID()
	return ns, id
}

func (r *Reader) nodeID() (ns uint16, id uint32, mask uint8) {
	mask = r.U8()
	switch mask & 0x3f {
	case 0:
		return 0, uint32(r.U8()), mask
	case 1:
		ns = uint16(r.U8())
		return ns, uint32(r.U16()), mask
	case 2:
		ns = r.U16()
		return ns, r.U32(), mask
	case 3, 5:
		ns = r.U16()
		r.Bytes()
	case 4:
		ns = r.U16()
		r.take(16)
	default:
		r.fail("%#x is no kind of node id", mask)
	}
	return ns, 0, mask
}

func (r *Reader) expandedNodeID() {
	_, _, mask := r.nodeID()
	if mask&0x80 != 0 {
		r.Bytes()
	}
	if mask&0x40 != 0 {
		r.U32()
	}
}

// Extension reads the head of an ExtensionObject and returns its numeric type in namespace 0 and a
// reader of its body; the body is empty for none.
func (r *Reader) Extension() (typ uint32, body Reader) {
	ns, id, _ := r.nodeID()
	if ns != 0 {
		id = 0
	}
	switch mask := r.U8(); mask {
	case 0:
		return id, Reader{}
	case 1, 2:
		return id, Reader{b: r.Bytes(), err: r.err}
	default:
		r.fail("%#x is no encoding of an extension object", mask)
		return 0, Reader{err: r.err}
	}
}
