package modbus

import (
	"encoding/binary"
	"math"
	"math/big"
	"testing"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/sync/point"
)

// bytesOf lays a value of width registers out in each order, the slow and obvious way.
func bytesOf(v uint64, width int, littleWords, littleBytes bool) []byte {
	big := make([]byte, 8)
	binary.BigEndian.PutUint64(big, v)
	big = big[8-2*width:]
	out := make([]byte, 2*width)
	for w := range width {
		from := w
		if littleWords {
			from = width - 1 - w
		}
		hi, lo := big[2*from], big[2*from+1]
		if littleBytes {
			hi, lo = lo, hi
		}
		out[2*w], out[2*w+1] = hi, lo
	}
	return out
}

// TestDecodesEveryTypeInEveryOrder is the table of docs: type, order, registers, value.
func TestDecodesEveryTypeInEveryOrder(t *testing.T) {
	const bad = point.BadOutOfRange
	cases := []struct {
		typ     string
		raw     uint64
		bits    uint64
		quality point.Quality
	}{
		{"uint16", 0, 0, point.Good},
		{"uint16", 0xFEDC, 0xFEDC, point.Good},
		{"int16", 0x7FFF, 0x7FFF, point.Good},
		{"int16", 0x8001, point.IntBits(-32767), point.Good},
		{"uint32", 0xFEDCBA98, 0xFEDCBA98, point.Good},
		{"int32", 0x12345678, 0x12345678, point.Good},
		{"int32", 0xFFFFFFFE, point.IntBits(-2), point.Good},
		{"uint64", 0x0123456789ABCDEF, 0x0123456789ABCDEF, point.Good},
		{"uint64", 1 << 63, 0, bad},
		{"int64", 0xFEDCBA9876543210, 0xFEDCBA9876543210, point.Good},
		{"float32", uint64(math.Float32bits(-12.75)), point.FloatBits(-12.75), point.Good},
		{"float32", uint64(math.Float32bits(float32(math.NaN()))), 0, bad},
		{"float32", uint64(math.Float32bits(float32(math.Inf(1)))), 0, bad},
		{"float64", math.Float64bits(math.Pi), point.FloatBits(math.Pi), point.Good},
		{"float64", math.Float64bits(math.Inf(-1)), 0, bad},
		{"bool", 0, 0, point.Good},
		{"bool", 0x0100, 1, point.Good},
	}
	for _, tc := range cases {
		typ, err := parseType(tc.typ, 0)
		if err != nil {
			t.Fatal(err)
		}
		for order := range 4 {
			s := typ.shape
			s.littleWords, s.littleBytes = order&1 != 0 && s.width > 1, order&2 != 0
			data := bytesOf(tc.raw, int(s.width), s.littleWords, s.littleBytes)
			bits, quality := s.value(data)
			if bits != tc.bits || quality != tc.quality {
				t.Errorf("%s % x, little words %v, little bytes %v: %#x %v, want %#x %v",
					tc.typ, data, s.littleWords, s.littleBytes, bits, quality, tc.bits, tc.quality)
			}
			got := run{index: 7, offset: 2, stride: 2 * uint16(s.width), count: 2, shape: s}.decode(append(append([]byte{0xEE, 0xEE}, data...), data...), nil)
			want := drivers.Reading{Quality: tc.quality, Bits: tc.bits}
			for n, r := range got {
				want.Index = 7 + uint32(n)
				if r != want {
					t.Errorf("%s as run, reading %d: %+v, want %+v", tc.typ, n, r, want)
				}
			}
		}
	}
}

// The four orders by the names that device manuals give them.
func TestOrdersByTheirUsualNames(t *testing.T) {
	for name, tc := range map[string]struct {
		data                     []byte
		littleWords, littleBytes bool
	}{
		"ABCD": {[]byte{0x12, 0x34, 0x56, 0x78}, false, false},
		"CDAB": {[]byte{0x56, 0x78, 0x12, 0x34}, true, false},
		"BADC": {[]byte{0x34, 0x12, 0x78, 0x56}, false, true},
		"DCBA": {[]byte{0x78, 0x56, 0x34, 0x12}, true, true},
	} {
		s := shape{kind: unsigned, width: 2, littleWords: tc.littleWords, littleBytes: tc.littleBytes}
		if v, _ := s.value(tc.data); v != 0x12345678 {
			t.Errorf("%s: %#x", name, v)
		}
	}
}

func TestBitsAndFlags(t *testing.T) {
	for bit := range uint8(16) {
		for _, little := range []bool{false, true} {
			s := shape{kind: bitOf, width: 1, bit: bit, littleBytes: little}
			if v, _ := s.value(bytesOf(1<<bit, 1, false, little)); v != 1 {
				t.Errorf("bit %d, little bytes %v: not set", bit, little)
			}
			if v, _ := s.value(bytesOf(^uint64(1<<bit), 1, false, little)); v != 0 {
				t.Errorf("bit %d, little bytes %v: set", bit, little)
			}
		}
	}
	data := []byte{0b1010_0101, 0b0000_0010}
	for n, r := range (run{offset: 0, stride: 1, count: 10, shape: shape{kind: flag, width: 1}}).decode(data, nil) {
		if want := uint64(data[n/8] >> (n % 8) & 1); r.Bits != want {
			t.Errorf("flag %d is %d", n, r.Bits)
		}
	}
}

// A counter's register counts to the end of its 64 bits; it has no sign to run into.
func TestRawCountersUseAllBits(t *testing.T) {
	s := shape{kind: unsigned, width: 4, raw: true}
	if v, q := s.value(bytesOf(math.MaxUint64, 4, false, false)); v != math.MaxUint64 || q != point.Good {
		t.Errorf("%#x %v", v, q)
	}
}

// FuzzDecode compares every shape with arithmetic on big numbers.
func FuzzDecode(f *testing.F) {
	f.Add([]byte{0x12, 0x34, 0x56, 0x78, 0x9A, 0xBC, 0xDE, 0xF0}, uint8(0), false, false, uint8(0))
	f.Add([]byte{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}, uint8(5), true, true, uint8(15))
	f.Add([]byte{0x80, 0, 0, 0, 0, 0, 0, 0}, uint8(4), true, false, uint8(3))
	f.Add([]byte{0x7F, 0xC0, 0, 1, 2, 3, 4, 5}, uint8(6), false, true, uint8(3))
	f.Fuzz(func(t *testing.T, data []byte, typ uint8, littleWords, littleBytes bool, bit uint8) {
		s := typeNames[int(typ)%len(typeNames)].shape
		s.littleWords, s.littleBytes, s.bit = littleWords, littleBytes, bit%16
		size := 2 * int(s.width)
		if len(data) < size {
			return
		}
		data = data[:size]
		v, q := s.value(data)
		if q != point.Good && (q != point.BadOutOfRange || v != 0) {
			t.Fatalf("quality %v with value %#x", q, v)
		}
		want := new(big.Int)
		for n := range int(s.width) { // most significant register first
			at := n
			if s.littleWords {
				at = int(s.width) - 1 - n
			}
			hi, lo := data[2*at], data[2*at+1]
			if s.littleBytes {
				hi, lo = lo, hi
			}
			want.Or(want.Lsh(want, 16), big.NewInt(int64(hi)<<8|int64(lo)))
		}
		if got := new(big.Int).SetUint64(s.load(data)); got.Cmp(want) != 0 {
			t.Fatalf("registers % x read as %x, want %x", data, got, want)
		}
		switch s.kind {
		case signed:
			if want.Bit(8*size-1) == 1 {
				want.Sub(want, new(big.Int).Lsh(big.NewInt(1), uint(8*size)))
			}
			if int64(v) != want.Int64() {
				t.Fatalf("% x is %d, want %v", data, int64(v), want)
			}
		case unsigned:
			if want.IsInt64() != (q == point.Good) || q == point.Good && v != want.Uint64() {
				t.Fatalf("% x is %d (%v), want %v", data, v, q, want)
			}
		case float:
			if n := math.Float64frombits(v); math.IsNaN(n) || math.IsInf(n, 0) {
				t.Fatalf("% x is %v and good", data, n)
			}
		default:
			if v > 1 {
				t.Fatalf("% x is a bool of %d", data, v)
			}
		}
	})
}
