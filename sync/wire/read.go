package wire

import (
	"fmt"
	"math"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/point"
)

// field is one field of a protobuf message as it lies in the bytes.
type field struct {
	num   protowire.Number
	typ   protowire.Type
	raw   []byte // the value's encoding
	bytes []byte // content of a BytesType
	value uint64 // of a VarintType or Fixed64Type
}

// eachField calls do for every field of the message m, in the order of the bytes, or returns an error that wraps
// ErrMalformed. As protobuf has it, a field of an unexpected type is to be taken for an unknown one.
func eachField(m []byte, do func(field) error) error {
	for len(m) > 0 {
		num, typ, n := protowire.ConsumeTag(m)
		if n < 0 {
			return fmt.Errorf("%w: %v", ErrMalformed, protowire.ParseError(n))
		}
		f := field{num: num, typ: typ}
		m = m[n:]
		switch typ {
		case protowire.BytesType:
			f.bytes, n = protowire.ConsumeBytes(m)
		case protowire.VarintType:
			f.value, n = protowire.ConsumeVarint(m)
		case protowire.Fixed64Type:
			f.value, n = protowire.ConsumeFixed64(m)
		default:
			n = protowire.ConsumeFieldValue(num, typ, m)
		}
		if n < 0 {
			return fmt.Errorf("%w: field %d: %v", ErrMalformed, num, protowire.ParseError(n))
		}
		f.raw, m = m[:n], m[n:]
		if err := do(f); err != nil {
			return err
		}
	}
	return nil
}

// uintOf returns the value of a varint field that has to be at most most.
func uintOf(f field, what string, most uint64) (uint64, error) {
	if f.value > most {
		return 0, fmt.Errorf("%w: %s %d", ErrInvalid, what, f.value)
	}
	return f.value, nil
}

// array16 copies a bytes field that has to hold 16 bytes or none.
func array16(f field, what string, into *[16]byte) error {
	if len(f.bytes) != 16 && len(f.bytes) != 0 {
		return fmt.Errorf("%w: %s of %d bytes, 16 are wanted", ErrInvalid, what, len(f.bytes))
	}
	*into = [16]byte{}
	copy(into[:], f.bytes)
	return nil
}

func zigzag(f field) int64 { return protowire.DecodeZigZag(f.value) }

func isVarint(f field) bool  { return f.typ == protowire.VarintType }
func isFixed64(f field) bool { return f.typ == protowire.Fixed64Type }
func isBytes(f field) bool   { return f.typ == protowire.BytesType }

// readMap reads a TimeMap over what into holds: protobuf merges a message that comes in pieces.
func readMap(m []byte, into *clock.Map) error {
	return eachField(m, func(f field) (err error) {
		v := uint64(0)
		switch {
		case f.num == 1 && isBytes(f):
			err = array16(f, "boot id", (*[16]byte)(&into.Boot))
		case f.num == 2 && isVarint(f):
			into.From = zigzag(f)
		case f.num == 3 && isVarint(f):
			into.Offset = time.Duration(zigzag(f))
		case f.num == 4 && isVarint(f):
			v, err = uintOf(f, "uncertainty", math.MaxInt64)
			into.Uncertainty = time.Duration(v)
		case f.num == 5 && isVarint(f):
			v, err = uintOf(f, "time source", math.MaxUint8)
			into.Source = clock.Source(v)
		}
		return err
	})
}

func readRun(m []byte) (r point.CounterRun, err error) {
	err = eachField(m, func(f field) (err error) {
		v := uint64(0)
		switch {
		case f.num == 1 && isVarint(f):
			v, err = uintOf(f, "point", math.MaxUint32)
			r.Index = uint32(v)
		case f.num == 2 && isFixed64(f):
			r.Run = f.value
		case f.num == 3 && isVarint(f):
			r.First = f.value
		case f.num == 4 && isVarint(f):
			v, err = uintOf(f, "register width", math.MaxUint8)
			r.Bits = uint8(v)
		case f.num == 5 && isVarint(f):
			v, err = uintOf(f, "run reason", math.MaxUint8)
			r.Reason = point.RunReason(v)
		case f.num == 6 && isVarint(f):
			r.Start = zigzag(f)
		}
		return err
	})
	return r, err
}

func readGap(m []byte) (g point.Gap, err error) {
	err = eachField(m, func(f field) (err error) {
		v := uint64(0)
		switch {
		case f.num == 1 && isBytes(f):
			err = array16(f, "epoch", (*[16]byte)(&g.Epoch))
		case f.num == 2 && isVarint(f):
			v, err = uintOf(f, "lane", math.MaxUint8)
			g.Lane = point.Lane(v)
		case f.num == 3 && isVarint(f):
			g.From = f.value
		case f.num == 4 && isVarint(f):
			g.To = f.value
		case f.num == 5 && isVarint(f):
			g.First = zigzag(f)
		case f.num == 6 && isVarint(f):
			g.Last = zigzag(f)
		case f.num == 7 && isBytes(f):
			err = array16(f, "boot id", &g.Boot)
		case f.num == 8 && isVarint(f):
			g.Count = f.value
		case f.num == 9 && isVarint(f):
			v, err = uintOf(f, "gap reason", math.MaxUint8)
			g.Reason = point.GapReason(v)
		case f.num == 10 && isVarint(f):
			v, err = uintOf(f, "point", math.MaxUint32)
			g.PointKnown, g.Index = true, uint32(v)
		}
		return err
	})
	return g, err
}

func readReduced(m []byte) (r point.Reduced, err error) {
	err = eachField(m, func(f field) (err error) {
		v := uint64(0)
		switch {
		case f.num == 1 && isVarint(f):
			r.Since = zigzag(f)
		case f.num == 2 && isFixed64(f):
			r.DeadbandFactor = math.Float64frombits(f.value)
		case f.num == 3 && isVarint(f):
			v, err = uintOf(f, "interval", math.MaxInt64)
			r.MinInterval = time.Duration(v)
		}
		return err
	})
	return r, err
}
