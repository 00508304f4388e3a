package wire

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/point"
)

func newCodec(t testing.TB, lim Limits) (*Encoder, *Decoder) {
	t.Helper()
	e, err := NewEncoder(lim)
	if err != nil {
		t.Fatal(err)
	}
	d, err := NewDecoder(lim)
	if err != nil {
		t.Fatal(err)
	}
	return e, d
}

// equal compares two batches; an absent slice equals an empty one.
func equal(a, b *Batch) bool {
	norm := func(b *Batch) string { return fmt.Sprintf("%+v", *b) }
	if norm(a) != norm(b) { // quick, and prints NaN alike
		return false
	}
	return reflect.DeepEqual(append([]point.Sample{}, a.Samples...), append([]point.Sample{}, b.Samples...))
}

// TestBatchRoundTrip: what is encoded, sealed and decoded is what went in, with encoder, decoder and batch in use again and
// again, so that nothing of one batch shows in the next.
func TestBatchRoundTrip(t *testing.T) {
	e, d := newCodec(t, Limits{})
	var into Batch
	prefix := []byte("before")
	rapid.Check(t, func(t *rapid.T) {
		table := genTable().Draw(t, "table")
		b := genBatch(table).Draw(t, "batch")
		lane, epoch, seq := genLane().Draw(t, "lane"), point.Epoch(gen16().Draw(t, "epoch")), rapid.Uint64().Draw(t, "seq")
		out, err := e.Encode(prefix, lane, table, b)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(out, prefix) {
			t.Fatal("Encode does not append")
		}
		frame := out[len(prefix):]
		Seal(frame, epoch, seq)
		h, err := d.Decode(frame, table, &into)
		if err != nil {
			t.Fatal(err)
		}
		if !equal(b, &into) {
			t.Fatalf("decoded\n%+v\nwant\n%+v", into, *b)
		}
		want := Header{Lane: lane, Epoch: epoch, Seq: seq, Count: uint32(len(b.Samples)), RawSize: h.RawSize, Table: b.Table}
		for i, s := range b.Samples {
			if i == 0 {
				want.First = s.Time
			}
			want.First, want.Last = min(want.First, s.Time), max(want.Last, s.Time)
		}
		if h != want {
			t.Fatalf("header %+v, want %+v", h, want)
		}
		if v, err := Verify(frame, Limits{}); err != nil || v != h {
			t.Fatalf("Verify: %+v, %v", v, err)
		}
	})
}

// TestLargeBatchRoundTrip goes through several zstd blocks and the largest batch.
func TestLargeBatchRoundTrip(t *testing.T) {
	table := seatTable()
	e, d := newCodec(t, Limits{})
	for _, n := range []int{1, 999, 1000, 20000, 65536} {
		b := seatBatch(n, 0.6)
		frame, err := e.Encode(nil, point.Telemetry, table, b)
		if err != nil {
			t.Fatal(err)
		}
		Seal(frame, point.Epoch{1}, 0)
		var into Batch
		if _, err := d.Decode(frame, table, &into); err != nil {
			t.Fatalf("%d samples: %v", n, err)
		}
		if !equal(b, &into) {
			t.Fatalf("%d samples come back changed", n)
		}
	}
}

// TestBytesASample keeps the layout's promise: 1.5 bytes a sample under sustained load once batches are large, and not much more at 1,000.
func TestBytesASample(t *testing.T) {
	table := seatTable()
	for _, c := range []struct {
		samples int
		share   float64
		most    float64
	}{{1000, 1, 1.65}, {10000, 1, 1.35}, {10000, 0.6, 1.7}, {10000, 0.2, 2.05}, {10000, 0.02, 4}} {
		frame := sealed(t, table, seatBatch(c.samples, c.share))
		if got := float64(len(frame)) / float64(c.samples); got > c.most {
			t.Errorf("%d samples, %v of the seats changed: %.3f bytes a sample, at most %v expected", c.samples, c.share, got, c.most)
		}
	}
}

// TestNoAllocationASample: what a batch allocates does not grow with its samples.
func TestNoAllocationASample(t *testing.T) {
	table := seatTable()
	b := seatBatch(5000, 0.6)
	for i := range b.Samples {
		if i%10 == 0 {
			b.Samples[i].Quality = point.BadTimeout
			b.DeviceTimes = append(b.DeviceTimes, point.DeviceTime{Position: uint32(i), UnixNano: int64(i)})
		}
	}
	e, d := newCodec(t, Limits{})
	frame, err := e.Encode(nil, point.Telemetry, table, b)
	if err != nil {
		t.Fatal(err)
	}
	Seal(frame, point.Epoch{1}, 1)
	var into Batch
	decode := testing.AllocsPerRun(20, func() {
		if _, err := d.Decode(frame, table, &into); err != nil {
			t.Fatal(err)
		}
	})
	encode := testing.AllocsPerRun(20, func() {
		if frame, err = e.Encode(frame[:0], point.Telemetry, table, b); err != nil {
			t.Fatal(err)
		}
	})
	if encode > 5 || decode > 5 {
		t.Errorf("%v allocations to encode and %v to decode 5,000 samples", encode, decode)
	}
}

func oneOfEach() []point.Point {
	return []point.Point{
		{Device: "d", Name: "bool", Type: point.Bool, Kind: point.Seat, Class: point.State, Lane: point.Telemetry},
		{Device: "d", Name: "int", Type: point.Int, Kind: point.Generic, Class: point.State, Lane: point.Telemetry},
		{Device: "d", Name: "float", Type: point.Float, Kind: point.Generic, Class: point.State, Lane: point.Telemetry},
		{Device: "d", Name: "text", Type: point.Text, Kind: point.Panel, Class: point.State, Lane: point.Telemetry},
		{Device: "d", Name: "counter", Type: point.Int, Kind: point.Gate, Class: point.Counter, Lane: point.Critical, Bits: 16, MaxRate: 5},
		{Device: "d", Name: "event", Type: point.Int, Kind: point.Gate, Class: point.Event, Lane: point.Critical},
		{Device: "d", Name: "none"},
	}
}

const (
	atBool = iota
	atInt
	atFloat
	atText
	atCounter
	atEvent
	atNone
)

// batchOf returns a batch of samples, one ns apart.
func batchOf(samples ...point.Sample) *Batch {
	b := &Batch{Venue: "v", Gateway: "g", Map: clock.Map{Boot: clock.BootID{1}}, Samples: samples}
	for i := range b.Samples {
		b.Samples[i].Time = int64(i + 1)
	}
	return b
}

// TestEncodeRefuses: an encoder sends nobody what he has to refuse, and leaves dst as it was.
func TestEncodeRefuses(t *testing.T) {
	run := point.CounterRun{Index: atCounter, Run: 1, Bits: 16, Reason: point.RunFirst}
	with := func(b *Batch, change func(*Batch)) *Batch { change(b); return b }
	for name, c := range map[string]struct {
		b    *Batch
		want error
	}{
		"index beyond the table": {batchOf(point.Sample{Index: 7}), ErrInvalid},
		"point without a type":   {batchOf(point.Sample{Index: atNone}), ErrInvalid},
		"bool of 2":              {batchOf(point.Sample{Index: atBool, Bits: 2}), ErrInvalid},
		"text that is absent":    {batchOf(point.Sample{Index: atText}), ErrInvalid},
		"counter without run":    {batchOf(point.Sample{Index: atCounter}), ErrInvalid},
		"event without key":      {batchOf(point.Sample{Index: atEvent}), ErrInvalid},
		"key of no event":        {with(batchOf(point.Sample{Index: atInt}), func(b *Batch) { b.Events = []point.EventKey{{}} }), ErrInvalid},
		"key beyond the samples": {with(batchOf(), func(b *Batch) { b.Events = []point.EventKey{{Position: 3}} }), ErrInvalid},
		"negative time":          {with(batchOf(point.Sample{Index: atInt}), func(b *Batch) { b.Samples[0].Time = -1 }), ErrInvalid},
		"no venue":               {with(batchOf(), func(b *Batch) { b.Venue = "" }), ErrInvalid},
		"gateway in capitals":    {with(batchOf(), func(b *Batch) { b.Gateway = "GW" }), ErrInvalid},
		"trace that is no UTF-8": {with(batchOf(), func(b *Batch) { b.Trace = "\xff" }), ErrInvalid},
		"trace too long":         {with(batchOf(), func(b *Batch) { b.Trace = strings.Repeat("0", 257) }), ErrTooLarge},
		"unknown time source":    {with(batchOf(), func(b *Batch) { b.Map.Source = 9 }), ErrInvalid},
		"run of no counter":      {with(batchOf(), func(b *Batch) { b.Runs = []point.CounterRun{{Index: atInt, Run: 1, Bits: 16, Reason: 1}} }), ErrInvalid},
		"run without id":         {with(batchOf(), func(b *Batch) { b.Runs = []point.CounterRun{run}; b.Runs[0].Run = 0 }), ErrInvalid},
		"run beyond its bits":    {with(batchOf(), func(b *Batch) { b.Runs = []point.CounterRun{run}; b.Runs[0].First = 65536 }), ErrInvalid},
		"gap that ends early":    {with(batchOf(), func(b *Batch) { b.Gaps = []point.Gap{{Epoch: point.Epoch{1}, Lane: 1, From: 5, To: 5, Reason: 1}} }), ErrInvalid},
		"gap without reason":     {with(batchOf(), func(b *Batch) { b.Gaps = []point.Gap{{Epoch: point.Epoch{1}, Lane: 1}} }), ErrInvalid},
		"gap of an absent point": {with(batchOf(), func(b *Batch) { b.Gaps = []point.Gap{{PointKnown: true, Index: 7, Reason: 1}} }), ErrInvalid},
		"too many gaps":          {with(batchOf(), func(b *Batch) { b.Gaps = make([]point.Gap, MaxNotes+1) }), ErrTooLarge},
		"reduced by NaN":         {with(batchOf(), func(b *Batch) { b.Reduced = []point.Reduced{{DeadbandFactor: math.NaN()}} }), ErrInvalid},
		"device times unordered": {with(batchOf(point.Sample{Index: atInt}, point.Sample{Index: atInt}), func(b *Batch) { b.DeviceTimes = []point.DeviceTime{{Position: 1}, {Position: 0}} }), ErrInvalid},
		"device time twice":      {with(batchOf(point.Sample{Index: atInt}), func(b *Batch) { b.DeviceTimes = []point.DeviceTime{{}, {}} }), ErrInvalid},
		"text too long":          {with(batchOf(point.Sample{Index: atText}), func(b *Batch) { b.Texts = []string{strings.Repeat("x", MaxTextBytes+1)} }), ErrTooLarge},
		"too many samples":       {batchOf(make([]point.Sample, 101)...), ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			e, d := newCodec(t, Limits{MaxSamples: 100})
			out, err := e.Encode([]byte("dst"), point.Critical, oneOfEach(), c.b)
			if !errors.Is(err, c.want) || string(out) != "dst" {
				t.Fatalf("Encode returns %q, %v; want an error that wraps %v", out, err, c.want)
			}
			// The encoder goes on working.
			frame, err := e.Encode(nil, point.Critical, oneOfEach(), batchOf(point.Sample{Index: atInt, Bits: 5}))
			if err != nil {
				t.Fatal(err)
			}
			Seal(frame, point.Epoch{1}, 1)
			if _, err := d.Decode(frame, oneOfEach(), &Batch{}); err != nil {
				t.Fatal(err)
			}
		})
	}
	e, _ := newCodec(t, Limits{})
	if _, err := e.Encode(nil, 3, oneOfEach(), batchOf()); !errors.Is(err, ErrInvalid) {
		t.Errorf("an unknown lane gives %v", err)
	}
}

// TestEncodeKeepsToTheFrameLimit: a batch that compresses badly is given back to be divided.
func TestEncodeKeepsToTheFrameLimit(t *testing.T) {
	e, _ := newCodec(t, Limits{MaxFrameBytes: 1000})
	if out, err := e.Encode([]byte("dst"), point.Telemetry, seatTable(), seatBatch(5000, 0.6)); !errors.Is(err, ErrTooLarge) || string(out) != "dst" {
		t.Fatalf("Encode returns %d bytes, %v", len(out), err)
	}
	e, _ = newCodec(t, Limits{MaxRawBytes: 1000})
	if _, err := e.Encode(nil, point.Telemetry, seatTable(), seatBatch(5000, 0.6)); !errors.Is(err, ErrTooLarge) {
		t.Fatalf("Encode returns %v", err)
	}
}

// TestBadSamplesNeedNothing: a point that was never read is reported bad without text, run or key.
func TestBadSamplesNeedNothing(t *testing.T) {
	bad := point.BadNotConnected
	b := batchOf(point.Sample{Index: atText, Bits: 9, Quality: bad}, point.Sample{Index: atCounter, Quality: bad}, point.Sample{Index: atEvent, Quality: bad})
	into := roundTrip(t, b)
	if len(into.Texts) != 1 || into.Texts[0] != "" || into.Samples[0].Bits != 0 {
		t.Errorf("the absent text comes as %q at %d", into.Texts, into.Samples[0].Bits)
	}
	for i, s := range into.Samples {
		if s.Quality != bad {
			t.Errorf("sample %d comes with quality %v", i, s.Quality)
		}
	}
}

// TestMadeFit: what a device may well give is made fit rather than refused.
func TestMadeFit(t *testing.T) {
	run := point.CounterRun{Index: atCounter, Run: 7, First: 3, Bits: 16, Reason: point.RunFirst, Start: 9}
	later := run
	later.Run, later.Reason = 8, point.RunReset
	b := batchOf(point.Sample{Index: atText, Bits: 1}, point.Sample{Index: atText, Bits: 0}, point.Sample{Index: atInt, Quality: 0xC0050000}, point.Sample{Index: atCounter})
	b.Texts = []string{"on", "o\xffff"}
	b.Runs = []point.CounterRun{run, later, run, later}
	into := roundTrip(t, b)
	if got := into.Texts; len(got) != 2 || got[0] != "o\uFFFDff" || got[1] != "on" || into.Samples[0].Bits != 0 || into.Samples[1].Bits != 1 {
		t.Errorf("texts come as %q", got)
	}
	if got := into.Samples[2].Quality; got != 0x80050000 {
		t.Errorf("a reserved severity comes as 0x%08X", uint32(got))
	}
	if len(into.Runs) != 2 || into.Runs[0] != run || into.Runs[1] != later {
		t.Errorf("runs given twice come as %+v", into.Runs)
	}
}

// A source of events that is in order again says so without an event, and so without a key.
func TestAnEventSourceInOrderNeedsNoKey(t *testing.T) {
	into := roundTrip(t, batchOf(point.Sample{Index: atEvent, Quality: point.GoodNoData}))
	if len(into.Samples) != 1 || into.Samples[0].Quality != point.GoodNoData || len(into.Events) != 0 {
		t.Errorf("%+v, keys %v", into.Samples, into.Events)
	}
}

func roundTrip(t *testing.T, b *Batch) *Batch {
	t.Helper()
	_, d := newCodec(t, Limits{})
	var into Batch
	if _, err := d.Decode(sealed(t, oneOfEach(), b), oneOfEach(), &into); err != nil {
		t.Fatal(err)
	}
	return &into
}

// TestDecodeSharesNothing: a batch outlives the frame and the decoder's next one.
func TestDecodeSharesNothing(t *testing.T) {
	e, d := newCodec(t, Limits{})
	b := batchOf(point.Sample{Index: atText})
	b.Texts, b.Trace = []string{"before"}, "00-trace"
	frame, err := e.Encode(nil, point.Telemetry, oneOfEach(), b)
	if err != nil {
		t.Fatal(err)
	}
	Seal(frame, point.Epoch{1}, 1)
	var first, second Batch
	if _, err := d.Decode(frame, oneOfEach(), &first); err != nil {
		t.Fatal(err)
	}
	b.Texts, b.Trace, b.Venue, b.Gateway = []string{"behind"}, "11-trace", "w", "h"
	frame, err = e.Encode(frame[:0], point.Telemetry, oneOfEach(), b)
	if err != nil {
		t.Fatal(err)
	}
	Seal(frame, point.Epoch{1}, 2)
	if _, err := d.Decode(frame, oneOfEach(), &second); err != nil {
		t.Fatal(err)
	}
	if first.Texts[0] != "before" || first.Trace != "00-trace" || first.Venue != "v" || first.Gateway != "g" {
		t.Errorf("the first batch became %+v", first)
	}
}

// TestManyTables: layouts are kept apart, and forgotten when there are too many.
func TestManyTables(t *testing.T) {
	e, d := newCodec(t, Limits{})
	for i := range 3 * maxLayouts {
		table := oneOfEach()[:2]
		if i%2 == 1 { // the same index, another type
			table = []point.Point{table[1], table[0]}
		}
		at := uint32((i + 1) % 2)
		frame, err := e.Encode(nil, point.Telemetry, table, batchOf(point.Sample{Index: at, Bits: 300}))
		if err != nil {
			t.Fatal(err)
		}
		Seal(frame, point.Epoch{1}, 1)
		if _, err := d.Decode(frame, table, &Batch{}); err != nil {
			t.Fatal(err)
		}
	}
	if len(e.layouts) > maxLayouts || len(d.layouts) > maxLayouts {
		t.Errorf("%d and %d layouts are kept", len(e.layouts), len(d.layouts))
	}
}
