package wire

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/contract"
	"github.com/courtside-edge/courtside/sync/point"
)

// Between the types of the contract and those of this package. What comes in is checked, what goes out is made fit.

// text makes s fit a proto3 string: UTF-8, at most MaxTextBytes.
func text(s string) string {
	if len(s) > MaxTextBytes {
		s = s[:MaxTextBytes]
	}
	return strings.ToValidUTF8(s, "")
}

// bytes16 returns a copy of b, or nothing when it is zero.
func bytes16(b [16]byte) []byte {
	if b == ([16]byte{}) {
		return nil
	}
	return b[:]
}

// from16 returns b as an array; it has to hold 16 bytes.
func from16(what string, b []byte) ([16]byte, error) {
	if len(b) != 16 {
		return [16]byte{}, fmt.Errorf("%w: %s of %d bytes, 16 are wanted", ErrInvalid, what, len(b))
	}
	return [16]byte(b), nil
}

func epochOf(what string, b []byte) (point.Epoch, error) {
	e, err := from16(what, b)
	if err == nil && point.Epoch(e).IsZero() {
		err = fmt.Errorf("%w: %s is zero", ErrInvalid, what)
	}
	return e, err
}

// enumOf returns v, an enum of the contract, as one of this side when that is valid.
func enumOf[E interface{ ~uint8 }](what string, v int32, valid func(E) bool) (E, error) {
	if v < 0 || v > math.MaxUint8 || !valid(E(v)) {
		return 0, fmt.Errorf("%w: unknown %s %d", ErrInvalid, what, v)
	}
	return E(v), nil
}

func laneOf(l contract.Lane) (point.Lane, error) {
	return enumOf("lane", int32(l), point.Lane.Valid)
}

// unix returns t as the wire has it; 0 stands for none.
func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func timeOf(unixNano int64) time.Time {
	if unixNano == 0 {
		return time.Time{}
	}
	return time.Unix(0, unixNano).UTC()
}

func mapTo(m clock.Map) *contract.TimeMap {
	return &contract.TimeMap{BootId: bytes16(m.Boot), FromMono: m.From, OffsetNs: int64(m.Offset),
		UncertaintyNs: uint64(m.Uncertainty), Source: contract.TimeSource(m.Source)}
}

// mapOf reads a time map; an absent one is the zero map.
func mapOf(c *contract.TimeMap) (m clock.Map, err error) {
	if c == nil {
		return m, nil
	}
	if len(c.BootId) > 0 {
		boot, err := from16("boot id", c.BootId)
		if err != nil {
			return m, err
		}
		m.Boot = boot
	}
	if c.UncertaintyNs > math.MaxInt64 {
		return m, fmt.Errorf("%w: time map: uncertainty %d ns", ErrInvalid, c.UncertaintyNs)
	}
	if m.Source, err = enumOf("time source", int32(c.Source), func(s clock.Source) bool { return s <= clock.Bounds }); err != nil {
		return m, err
	}
	m.From, m.Offset, m.Uncertainty = c.FromMono, time.Duration(c.OffsetNs), time.Duration(c.UncertaintyNs)
	return m, checkMap(m)
}
