package wire

import (
	"fmt"
	"math"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/point"
)

// Generators of everything that travels, each value as the codec promises to give it back.

func genID() *rapid.Generator[string] { return rapid.StringMatching(`[a-z0-9][a-z0-9-]{0,30}`) }

func gen16() *rapid.Generator[[16]byte] {
	return rapid.Custom(func(t *rapid.T) [16]byte {
		b := [16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "bytes"))
		b[15] |= 1 // never zero
		return b
	})
}

func genTime() *rapid.Generator[int64] {
	return rapid.OneOf(rapid.Int64Range(0, 50), rapid.Int64Range(0, 1e13), rapid.Int64Range(0, math.MaxInt64))
}

func genText() *rapid.Generator[string] { return rapid.StringN(0, 40, MaxTextBytes) }

func genLane() *rapid.Generator[point.Lane] {
	return rapid.SampledFrom([]point.Lane{point.Telemetry, point.Critical})
}

func genMap() *rapid.Generator[clock.Map] {
	return rapid.Custom(func(t *rapid.T) clock.Map {
		return clock.Map{Boot: gen16().Draw(t, "boot"), From: genTime().Draw(t, "from"), Offset: time.Duration(rapid.Int64().Draw(t, "offset")),
			Uncertainty: time.Duration(genTime().Draw(t, "uncertainty")), Source: clock.Source(rapid.IntRange(0, 4).Draw(t, "source"))}
	})
}

func genPoint(name string) *rapid.Generator[point.Point] {
	return rapid.Custom(func(t *rapid.T) point.Point {
		number := rapid.Float64Range(-1e6, 1e6)
		p := point.Point{Device: point.ID(genID().Draw(t, "device")), Name: point.Name(name),
			Type: point.Type(rapid.IntRange(1, 4).Draw(t, "type")), Kind: point.Kind(rapid.IntRange(1, 5).Draw(t, "kind")),
			Class: point.Class(rapid.IntRange(1, 3).Draw(t, "class")), Lane: genLane().Draw(t, "lane"),
			Unit: rapid.StringN(0, 10, 60).Draw(t, "unit"), Place: rapid.StringN(0, 10, 60).Draw(t, "place"),
			Scale: number.Draw(t, "scale"), Offset: number.Draw(t, "offset"), Deadband: math.Abs(number.Draw(t, "deadband")),
			OccupiedBelow: number.Draw(t, "below"), MaxSilence: time.Duration(genTime().Draw(t, "silence"))}
		p.OccupiedAbove = p.OccupiedBelow + math.Abs(number.Draw(t, "above"))
		if p.Class == point.Counter {
			p.Type, p.Bits = point.Int, rapid.SampledFrom([]uint8{16, 32, 64}).Draw(t, "bits")
			p.MaxRate = math.Abs(number.Draw(t, "rate"))
		}
		if p.Kind == point.Gate {
			p.Direction = point.Direction(rapid.IntRange(0, 2).Draw(t, "direction"))
		}
		if p.IsCritical() {
			p.Lane = point.Critical
		}
		return p
	})
}

func genTable() *rapid.Generator[[]point.Point] {
	return rapid.Custom(func(t *rapid.T) []point.Point {
		var table []point.Point
		for i := range rapid.IntRange(1, 12).Draw(t, "points") {
			table = append(table, genPoint(fmt.Sprintf("p/%d", i)).Draw(t, "point"))
		}
		return table
	})
}

// genQuality leans to good ones and leaves out the severity that OPC UA reserves.
func genQuality() *rapid.Generator[point.Quality] {
	return rapid.OneOf(rapid.Just(point.Good), rapid.Just(point.BadTimeout),
		rapid.Custom(func(t *rapid.T) point.Quality { return quality(point.Quality(rapid.Uint32().Draw(t, "quality"))) }))
}

func genBits(p *point.Point) *rapid.Generator[uint64] {
	if p.Type == point.Bool {
		return rapid.Uint64Range(0, 1)
	}
	return rapid.OneOf(rapid.Uint64Range(0, 1000), rapid.Uint64())
}

func genGap(points int) *rapid.Generator[point.Gap] {
	return rapid.Custom(func(t *rapid.T) point.Gap {
		g := point.Gap{Epoch: gen16().Draw(t, "epoch"), Lane: genLane().Draw(t, "lane"), From: rapid.Uint64Range(0, 1<<40).Draw(t, "from"),
			First: genTime().Draw(t, "first"), Boot: gen16().Draw(t, "boot"), Count: rapid.Uint64().Draw(t, "count"),
			Reason: point.GapReason(rapid.IntRange(1, 7).Draw(t, "reason"))}
		if rapid.Bool().Draw(t, "closed") {
			g.To = g.From + rapid.Uint64Range(1, 1<<20).Draw(t, "len")
			g.Last = rapid.Int64Range(g.First, math.MaxInt64).Draw(t, "last")
		}
		if points > 0 && rapid.Bool().Draw(t, "of one point") {
			g.PointKnown, g.Index = true, uint32(rapid.IntRange(0, points-1).Draw(t, "point"))
		}
		return g
	})
}

// genBatch draws a batch of samples of table. Texts are numbered as a decoder numbers them.
func genBatch(table []point.Point) *rapid.Generator[*Batch] {
	return rapid.Custom(func(t *rapid.T) *Batch {
		b := &Batch{Venue: point.ID(genID().Draw(t, "venue")), Gateway: point.ID(genID().Draw(t, "gateway")),
			Trace: rapid.StringMatching(`(00-[0-9a-f]{32}-[0-9a-f]{16}-01)?`).Draw(t, "trace"), Map: genMap().Draw(t, "map"), Table: gen16().Draw(t, "table")}
		counters := map[uint32]bool{}
		now := int64(0)
		for i := range rapid.IntRange(0, 60).Draw(t, "samples") {
			s := point.Sample{Index: uint32(rapid.IntRange(0, len(table)-1).Draw(t, "index")), Quality: genQuality().Draw(t, "quality")}
			p := &table[s.Index]
			if rapid.Bool().Draw(t, "new time") {
				now = genTime().Draw(t, "time")
			}
			s.Time, s.Bits = now, genBits(p).Draw(t, "bits")
			if p.Type == point.Text {
				s.Bits = uint64(len(b.Texts))
				b.Texts = append(b.Texts, genText().Draw(t, "text"))
			}
			if p.Class == point.Event && (!s.Quality.IsBad() || rapid.Bool().Draw(t, "key of a bad one")) {
				b.Events = append(b.Events, point.EventKey{Position: uint32(i), Key: gen16().Draw(t, "key")})
			}
			if p.Class == point.Counter && !counters[s.Index] {
				counters[s.Index] = true
				b.Runs = append(b.Runs, point.CounterRun{Index: s.Index, Run: rapid.Uint64Range(1, math.MaxUint64).Draw(t, "run"),
					First: rapid.Uint64Range(0, 1<<16-1).Draw(t, "first raw"), Bits: p.Bits, Reason: point.RunReason(rapid.IntRange(1, 4).Draw(t, "run reason")), Start: genTime().Draw(t, "start")})
			}
			if rapid.Bool().Draw(t, "device time") {
				b.DeviceTimes = append(b.DeviceTimes, point.DeviceTime{Position: uint32(i), UnixNano: rapid.Int64().Draw(t, "unix")})
			}
			b.Samples = append(b.Samples, s)
		}
		b.Gaps = slices.Concat(rapid.SliceOfN(genGap(len(table)), 0, 3).Draw(t, "gaps"))
		for range rapid.IntRange(0, 2).Draw(t, "reduced") {
			b.Reduced = append(b.Reduced, point.Reduced{Since: genTime().Draw(t, "since"), DeadbandFactor: rapid.Float64Range(0, 100).Draw(t, "factor"), MinInterval: time.Duration(genTime().Draw(t, "interval"))})
		}
		return b
	})
}
