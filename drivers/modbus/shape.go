package modbus

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/sync/point"
)

// kind is what a value is in the device.
type kind uint8

const (
	flag     kind = iota // one address of a bit table
	truth                // a register that is not zero
	bitOf                // one bit of a register
	unsigned             // 1, 2 or 4 registers
	signed               // 1, 2 or 4 registers, two's complement
	float                // 2 or 4 registers, IEEE 754
	bcd                  // 1 or 2 registers, four decimal digits each
	text                 // 1 to 125 registers, two characters each
)

// shape is how a value lies in the device.
type shape struct {
	kind        kind
	width       uint8 // registers, or 1 for a flag
	littleWords bool  // the first register is the least significant
	littleBytes bool  // the first byte of a register is the least significant
	bit         uint8 // for bitOf, 0 for the least significant
	raw         bool  // a counter's: all 64 bits count, none is a sign
	control     bool  // a number of a ring, no point
}

// A typeName is a shape by the name that configuration uses.
type typeName struct {
	name  string
	shape shape
	point point.Type
}

// typeNames lists what a register can hold. It is not changed.
var typeNames = [...]typeName{
	{"uint16", shape{kind: unsigned, width: 1}, point.Int},
	{"int16", shape{kind: signed, width: 1}, point.Int},
	{"uint32", shape{kind: unsigned, width: 2}, point.Int},
	{"int32", shape{kind: signed, width: 2}, point.Int},
	{"uint64", shape{kind: unsigned, width: 4}, point.Int},
	{"int64", shape{kind: signed, width: 4}, point.Int},
	{"float32", shape{kind: float, width: 2}, point.Float},
	{"float64", shape{kind: float, width: 4}, point.Float},
	{"bool", shape{kind: truth, width: 1}, point.Bool},
	{"bit", shape{kind: bitOf, width: 1}, point.Bool},
	{"bcd16", shape{kind: bcd, width: 1}, point.Int},
	{"bcd32", shape{kind: bcd, width: 2}, point.Int},
	{"string", shape{kind: text}, point.Text},
}

// parseType returns the type that configuration names; an empty name stands for the
// usual one of the point's own type.
func parseType(s string, of point.Type) (typeName, error) {
	if s == "" {
		s = map[point.Type]string{point.Int: "uint16", point.Float: "float32", point.Bool: "bool", point.Text: "string"}[of]
	}
	for _, t := range typeNames {
		if t.name == s {
			return t, nil
		}
	}
	return typeName{}, fmt.Errorf("%q is not a type of this driver; use uint16, int16, uint32, int32, uint64, int64, float32, float64, bcd16, bcd32, bool, bit or string", s)
}

// load returns the value's registers as one number, most significant first. It reads 2 × width bytes of b.
func (s shape) load(b []byte) uint64 {
	switch s.width {
	case 1:
		v := binary.BigEndian.Uint16(b)
		if s.littleBytes {
			v = bits.ReverseBytes16(v)
		}
		return uint64(v)
	case 2:
		v := binary.BigEndian.Uint32(b)
		if s.littleBytes {
			v = v&0x00FF00FF<<8 | v>>8&0x00FF00FF
		}
		if s.littleWords {
			v = bits.RotateLeft32(v, 16)
		}
		return uint64(v)
	}
	v := binary.BigEndian.Uint64(b)
	if s.littleBytes {
		v = v&0x00FF00FF00FF00FF<<8 | v>>8&0x00FF00FF00FF00FF
	}
	if s.littleWords {
		v = bits.RotateLeft64(v, 32)
		v = v&0x0000FFFF0000FFFF<<16 | v>>16&0x0000FFFF0000FFFF
	}
	return v
}

// value returns what the registers of b say, as point.Sample.Bits, and how good it is.
func (s shape) value(b []byte) (uint64, point.Quality) {
	v := s.load(b)
	switch s.kind {
	case truth:
		return point.BoolBits(v != 0), point.Good
	case bitOf:
		return v >> s.bit & 1, point.Good
	case signed:
		shift := 64 - 16*int(s.width)
		return point.IntBits(int64(v<<shift) >> shift), point.Good
	case float:
		f := math.Float64frombits(v)
		if s.width == 2 {
			f = float64(math.Float32frombits(uint32(v)))
		}
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return 0, point.BadOutOfRange
		}
		return point.FloatBits(f), point.Good
	case bcd:
		return decimal(v)
	}
	if v > math.MaxInt64 && !s.raw {
		return 0, point.BadOutOfRange
	}
	return v, point.Good
}

// decimal returns the number whose decimal digits are the hexadecimal ones of v.
func decimal(v uint64) (n uint64, q point.Quality) {
	for shift := 60; shift >= 0; shift -= 4 {
		digit := v >> shift & 0xF
		if digit > 9 {
			return 0, point.BadOutOfRange
		}
		n = 10*n + digit
	}
	return n, point.Good
}

// end returns the number at which a counter of this shape begins again at 0. Nothing counts 64 bits to their end.
func (s shape) end() uint64 {
	switch {
	case s.kind == bcd && s.width == 1:
		return 1e4
	case s.kind == bcd:
		return 1e8
	case s.width == 4:
		return 1 << 62
	}
	return 1 << (16 * s.width)
}

// store writes v as load and value read it. It writes 2 × width bytes of b.
func (s shape) store(b []byte, v uint64) {
	if s.kind == bcd {
		digits := uint64(0)
		for shift := 0; shift < 64; shift += 4 {
			digits |= v % 10 << shift
			v /= 10
		}
		v = digits
	}
	for n := range int(s.width) { // least significant register first
		at := 2 * n
		if !s.littleWords {
			at = 2 * (int(s.width) - 1 - n)
		}
		word := uint16(v >> (16 * n))
		if s.littleBytes {
			word = bits.ReverseBytes16(word)
		}
		binary.BigEndian.PutUint16(b[at:], word)
	}
}

// trimmed returns the characters of a text without what fills it up: from the first NUL on, and blanks at its end. It may use
// scratch, which is as long as b.
func (s shape) trimmed(b, scratch []byte) []byte {
	if s.littleBytes {
		for n := 0; n+1 < len(b); n += 2 {
			scratch[n], scratch[n+1] = b[n+1], b[n]
		}
		b = scratch[:len(b)]
	}
	if n := bytes.IndexByte(b, 0); n >= 0 {
		b = b[:n]
	}
	return bytes.TrimRight(b, " ")
}

// run is neighbouring points of one shape whose indices follow one another.
type run struct {
	index  uint32 // of the first; the n-th is n more
	offset uint16 // of the first in an answer's data: bytes, or bits for flags
	stride uint16 // from one to the next, likewise
	count  uint16
	shape  shape
}

// decode appends the run's readings in data, which holds all of them.
func (r run) decode(data []byte, into []drivers.Reading) []drivers.Reading {
	at := int(r.offset)
	switch {
	case r.shape.kind == flag:
		for n := range uint32(r.count) {
			into = append(into, drivers.Reading{Index: r.index + n, Bits: uint64(data[at>>3] >> (at & 7) & 1)})
			at += int(r.stride)
		}
	case r.shape.kind == unsigned && r.shape.width == 1 && !r.shape.littleBytes: // most of what there is
		for n := range uint32(r.count) {
			into = append(into, drivers.Reading{Index: r.index + n, Bits: uint64(binary.BigEndian.Uint16(data[at:]))})
			at += int(r.stride)
		}
	default:
		for n := range uint32(r.count) {
			v, q := r.shape.value(data[at:])
			into = append(into, drivers.Reading{Index: r.index + n, Quality: q, Bits: v})
			at += int(r.stride)
		}
	}
	return into
}
