package wire

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/point"
)

// The field numbers of contract.Batch.
const (
	fieldVenue           protowire.Number = 1
	fieldGateway         protowire.Number = 2
	fieldTrace           protowire.Number = 3
	fieldMap             protowire.Number = 4
	fieldPointDelta      protowire.Number = 5
	fieldTimeRun         protowire.Number = 6
	fieldMonoDelta       protowire.Number = 7
	fieldInts            protowire.Number = 8
	fieldDoubles         protowire.Number = 9
	fieldTexts           protowire.Number = 10
	fieldQualityStep     protowire.Number = 11
	fieldQuality         protowire.Number = 12
	fieldDeviceTimeStep  protowire.Number = 13
	fieldDeviceTimeDelta protowire.Number = 14
	fieldEventStep       protowire.Number = 15
	fieldEventKeys       protowire.Number = 16
	fieldRuns            protowire.Number = 17
	fieldGaps            protowire.Number = 18
	fieldReduced         protowire.Number = 19
)

// The append functions below write proto3: a field that is zero is left out.

func appendString(m []byte, num protowire.Number, s string) []byte {
	if s == "" {
		return m
	}
	return protowire.AppendString(protowire.AppendTag(m, num, protowire.BytesType), s)
}

func appendBytes(m []byte, num protowire.Number, b []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(m, num, protowire.BytesType), b)
}

func appendUint(m []byte, num protowire.Number, v uint64) []byte {
	if v == 0 {
		return m
	}
	return protowire.AppendVarint(protowire.AppendTag(m, num, protowire.VarintType), v)
}

func appendSint(m []byte, num protowire.Number, v int64) []byte {
	return appendUint(m, num, protowire.EncodeZigZag(v))
}

func appendFixed(m []byte, num protowire.Number, v uint64) []byte {
	if v == 0 {
		return m
	}
	return protowire.AppendFixed64(protowire.AppendTag(m, num, protowire.Fixed64Type), v)
}

func appendDouble(m []byte, num protowire.Number, v float64) []byte {
	return appendFixed(m, num, math.Float64bits(v))
}

// appendMessage appends what body writes as a message of fewer than 128 bytes, whose length so takes one.
func appendMessage(m []byte, num protowire.Number, body func([]byte) []byte) []byte {
	m = append(protowire.AppendTag(m, num, protowire.BytesType), 0)
	start := len(m)
	m = body(m)
	m[start-1] = byte(len(m) - start)
	return m
}

func appendMap(m []byte, num protowire.Number, t clock.Map) []byte {
	return appendMessage(m, num, func(m []byte) []byte {
		if t.Boot != (clock.BootID{}) {
			m = appendBytes(m, 1, t.Boot[:])
		}
		m = appendSint(m, 2, t.From)
		m = appendSint(m, 3, int64(t.Offset))
		m = appendUint(m, 4, uint64(t.Uncertainty))
		return appendUint(m, 5, uint64(t.Source))
	})
}

func appendRun(m []byte, r *point.CounterRun) []byte {
	return appendMessage(m, fieldRuns, func(m []byte) []byte {
		m = appendUint(m, 1, uint64(r.Index))
		m = appendFixed(m, 2, r.Run)
		m = appendUint(m, 3, r.First)
		m = appendUint(m, 4, uint64(r.Bits))
		m = appendUint(m, 5, uint64(r.Reason))
		return appendSint(m, 6, r.Start)
	})
}

func appendGap(m []byte, g *point.Gap) []byte {
	return appendMessage(m, fieldGaps, func(m []byte) []byte {
		if !g.Epoch.IsZero() {
			m = appendBytes(m, 1, g.Epoch[:])
		}
		m = appendUint(m, 2, uint64(g.Lane))
		m = appendUint(m, 3, g.From)
		m = appendUint(m, 4, g.To)
		m = appendSint(m, 5, g.First)
		m = appendSint(m, 6, g.Last)
		if g.Boot != ([16]byte{}) {
			m = appendBytes(m, 7, g.Boot[:])
		}
		m = appendUint(m, 8, g.Count)
		m = appendUint(m, 9, uint64(g.Reason))
		if g.PointKnown { // has presence: a zero is written
			m = protowire.AppendVarint(protowire.AppendTag(m, 10, protowire.VarintType), uint64(g.Index))
		}
		return m
	})
}

func appendReduced(m []byte, r *point.Reduced) []byte {
	return appendMessage(m, fieldReduced, func(m []byte) []byte {
		m = appendSint(m, 1, r.Since)
		m = appendDouble(m, 2, r.DeadbandFactor)
		return appendUint(m, 3, uint64(r.MinInterval))
	})
}
