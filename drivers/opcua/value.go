package opcua

import (
	"fmt"
	"math"
	"strings"

	"github.com/courtside-edge/courtside/drivers/opcua/internal/uabinary"
	"github.com/courtside-edge/courtside/sync/point"
)

// maxText is how many bytes a text may have; a longer one is reported as out of range, without its value.
const maxText = 4096

// infoBits is the part of a status code that says nothing about the quality.
const infoBits = 0xffff

// reading is a converted value.
type reading struct {
	quality point.Quality
	bits    uint64
	text    string
	source  int64  // the device's own time, Unix ns; 0 for none
	odd     string // why a value could not be taken, for one line of log a node; empty when it could
}

// convert turns what the server gave into what point t says. Bad values carry no bits.
func convert(p *point.Point, v *uabinary.DataValue) reading {
	r := reading{quality: point.Quality(v.Status &^ infoBits), source: v.Source}
	switch {
	case r.quality.IsBad():
		return r
	case v.Value.Array:
		return r.refuse(point.BadDataEncodingInvalid, "its value is an array of "+v.Value.Type.String())
	case v.Value.Type == uabinary.Null:
		return r.refuse(point.BadWaitingForInitialData, "")
	}
	switch p.Type {
	case point.Bool:
		return r.boolean(&v.Value)
	case point.Int:
		return r.integer(p, &v.Value)
	case point.Float:
		return r.float(&v.Value)
	}
	return r.words(&v.Value)
}

func (r reading) refuse(q point.Quality, odd string) reading {
	r.quality, r.bits, r.text, r.odd = q, 0, "", odd
	return r
}

func (r reading) mismatch(want string, v *uabinary.Value) reading {
	return r.refuse(point.BadDataEncodingInvalid, fmt.Sprintf("its value is a %s, the point wants %s", v.Type, want))
}

func (r reading) boolean(v *uabinary.Value) reading {
	if v.Type != uabinary.Boolean {
		return r.mismatch("Boolean", v)
	}
	r.bits = v.Bits
	return r
}

// integer takes whole numbers as they are, and a counter as the register that it is: unsigned, Point.Bits wide.
func (r reading) integer(p *point.Point, v *uabinary.Value) reading {
	width, signed := integerWidth(v.Type)
	if width == 0 {
		return r.mismatch("a whole number", v)
	}
	if p.Class != point.Counter {
		if v.Type == uabinary.UInt64 && v.Bits > math.MaxInt64 {
			return r.refuse(point.BadOutOfRange, fmt.Sprintf("%d is more than a signed 64-bit integer holds", v.Bits))
		}
		r.bits = v.Bits
		return r
	}
	r.bits = v.Bits
	if signed && width == p.Bits && width < 64 {
		r.bits &= 1<<width - 1 // a register that the server shows as signed
	}
	if p.Bits < 64 && r.bits>>p.Bits != 0 {
		return r.refuse(point.BadOutOfRange, fmt.Sprintf("%d does not fit into a counter of %d bits", int64(v.Bits), p.Bits))
	}
	return r
}

func integerWidth(t uabinary.Type) (bits uint8, signed bool) {
	switch t {
	case uabinary.SByte:
		return 8, true
	case uabinary.Byte:
		return 8, false
	case uabinary.Int16:
		return 16, true
	case uabinary.UInt16:
		return 16, false
	case uabinary.Int32:
		return 32, true
	case uabinary.UInt32:
		return 32, false
	case uabinary.Int64:
		return 64, true
	case uabinary.UInt64:
		return 64, false
	}
	return 0, false
}

// float takes floats and whole numbers. What is no number is out of range: no deadband could judge it.
func (r reading) float(v *uabinary.Value) reading {
	f := math.Float64frombits(v.Bits)
	if width, _ := integerWidth(v.Type); width > 0 {
		if f = float64(int64(v.Bits)); v.Type == uabinary.UInt64 {
			f = float64(v.Bits)
		}
	} else if v.Type != uabinary.Float && v.Type != uabinary.Double {
		return r.mismatch("a number", v)
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return r.refuse(point.BadOutOfRange, "")
	}
	r.bits = math.Float64bits(f)
	return r
}

func (r reading) words(v *uabinary.Value) reading {
	if v.Type != uabinary.String && v.Type != uabinary.LocalizedText {
		return r.mismatch("a String", v)
	}
	if len(v.Text) > maxText {
		return r.refuse(point.BadOutOfRange, fmt.Sprintf("its text has %d bytes, at most %d are taken", len(v.Text), maxText))
	}
	r.text = strings.ToValidUTF8(string(v.Text), "\uFFFD")
	return r
}

// wants returns the point type that a declared type of a node goes with.
func wants(t uabinary.Type) []point.Type {
	switch {
	case t == uabinary.Boolean:
		return []point.Type{point.Bool}
	case t == uabinary.String:
		return []point.Type{point.Text}
	case t == uabinary.Float || t == uabinary.Double:
		return []point.Type{point.Float}
	}
	return []point.Type{point.Int, point.Float}
}
