package spooltest

import (
	"testing"

	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// Points is the point table that Frame's batches name: one int point.
func Points() []point.Point {
	return []point.Point{{Device: "plc-1", Name: "value", Type: point.Int, Kind: point.Generic, Class: point.State, Lane: point.Telemetry}}
}

// Table returns the encoded Points and their hash.
func Table(tb testing.TB) ([][]byte, point.TableHash) {
	tb.Helper()
	parts, hash, err := wire.EncodeTable(Points(), 64<<10)
	if err != nil {
		tb.Fatal(err)
	}
	return parts, hash
}

// Frame returns an unsealed frame of n samples whose first value is content, at times from mono on.
func Frame(tb testing.TB, lane point.Lane, content, mono int64, n int, gaps ...point.Gap) []byte {
	tb.Helper()
	enc, err := wire.NewEncoder(wire.Limits{})
	if err != nil {
		tb.Fatal(err)
	}
	_, hash := Table(tb)
	b := wire.Batch{Venue: "dal-001", Gateway: "gw-north", Table: hash, Gaps: gaps}
	for i := range n {
		b.Samples = append(b.Samples, point.Sample{Time: mono + int64(i), Bits: point.IntBits(content + int64(i))})
	}
	frame, err := enc.Encode(nil, lane, Points(), &b)
	if err != nil {
		tb.Fatal(err)
	}
	return frame
}

// Content returns the first value and the gaps of a sealed frame.
func Content(tb testing.TB, frame []byte) (int64, wire.Batch) {
	tb.Helper()
	dec, err := wire.NewDecoder(wire.Limits{})
	if err != nil {
		tb.Fatal(err)
	}
	var b wire.Batch
	if _, err := dec.Decode(frame, Points(), &b); err != nil {
		tb.Fatal(err)
	}
	if len(b.Samples) == 0 {
		return 0, b
	}
	return int64(b.Samples[0].Bits), b
}
