package opcua

import (
	"math"
	"testing"
	"unicode/utf8"

	"github.com/courtside-edge/courtside/drivers/opcua/internal/uabinary"
	"github.com/courtside-edge/courtside/sync/point"
)

// Whatever a server sends, a reading is within what its point can hold, and a bad one holds nothing.
func FuzzConvert(f *testing.F) {
	f.Add([]byte{1, 6, 1, 0, 0, 0}, uint8(2), uint8(1), uint8(0))
	f.Add([]byte{1, 11, 0, 0, 0, 0, 0, 0, 0xf8, 0x7f}, uint8(3), uint8(1), uint8(0))
	f.Add([]byte{1, 12, 2, 0, 0, 0, 'a', 0xff}, uint8(4), uint8(1), uint8(0))
	f.Add([]byte{1, 5, 0xff, 0xff}, uint8(2), uint8(2), uint8(16))
	f.Add([]byte{3, 0x86, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0x40}, uint8(2), uint8(1), uint8(0))
	f.Fuzz(func(t *testing.T, b []byte, typ, class, bits uint8) {
		p := &point.Point{Type: point.Type(typ%4 + 1), Class: point.State}
		if class%2 == 0 && p.Type == point.Int {
			p.Class, p.Bits = point.Counter, []uint8{16, 32, 64}[bits%3]
		}
		r := uabinary.NewReader(b)
		var v uabinary.DataValue
		if r.DataValue(&v); r.Err() != nil {
			return
		}
		got := convert(p, &v)
		switch {
		case got.quality&infoBits != 0:
			t.Errorf("quality %#x has informational bits", uint32(got.quality))
		case got.quality.IsBad() && (got.bits != 0 || got.text != ""):
			t.Errorf("a bad reading holds %d %q", got.bits, got.text)
		case p.Type == point.Bool && got.bits > 1:
			t.Errorf("a bool is %d", got.bits)
		case p.Type == point.Float && !got.quality.IsBad() && math.IsNaN(math.Float64frombits(got.bits)):
			t.Error("a float is no number")
		case p.Class == point.Counter && p.Bits < 64 && got.bits>>p.Bits != 0:
			t.Errorf("a counter of %d bits is %d", p.Bits, got.bits)
		case !utf8.ValidString(got.text) || len(got.text) > 3*maxText:
			t.Errorf("a text of %d bytes", len(got.text))
		}
	})
}

func TestLongTextIsOutOfRange(t *testing.T) {
	v := uabinary.DataValue{Value: uabinary.Value{Type: uabinary.String, Text: make([]byte, maxText+1)}}
	if r := convert(&point.Point{Type: point.Text}, &v); r.quality != point.BadOutOfRange || r.text != "" {
		t.Errorf("a text of %d bytes is %v", maxText+1, r.quality)
	}
}
