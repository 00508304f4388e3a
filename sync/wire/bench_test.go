package wire

import (
	"fmt"
	"testing"

	"github.com/courtside-edge/courtside/sync/point"
)

// The benchmarks report ns and bytes a sample of the seat workload: all seats of an answer changed (share=1,
// what sustained load looks like) down to one in fifty (a quiet house).

func eachSeatBatch(b *testing.B, run func(b *testing.B, table []point.Point, batch *Batch)) {
	table := seatTable()
	for _, share := range []float64{1, 0.6, 0.2, 0.02} {
		for _, n := range []int{100, 1000, 10000, 50000} {
			b.Run(fmt.Sprintf("share=%v/samples=%d", share, n), func(b *testing.B) { run(b, table, seatBatch(n, share)) })
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	eachSeatBatch(b, func(b *testing.B, table []point.Point, batch *Batch) {
		e, err := NewEncoder(Limits{})
		if err != nil {
			b.Fatal(err)
		}
		frame, err := e.Encode(nil, point.Telemetry, table, batch)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if frame, err = e.Encode(frame[:0], point.Telemetry, table, batch); err != nil {
				b.Fatal(err)
			}
		}
		perSample(b, batch)
		b.ReportMetric(float64(len(frame))/float64(len(batch.Samples)), "bytes/sample")
	})
}

func BenchmarkDecode(b *testing.B) {
	eachSeatBatch(b, func(b *testing.B, table []point.Point, batch *Batch) {
		d, err := NewDecoder(Limits{})
		if err != nil {
			b.Fatal(err)
		}
		frame := sealed(b, table, batch)
		var into Batch
		b.ReportAllocs()
		for b.Loop() {
			if _, err := d.Decode(frame, table, &into); err != nil {
				b.Fatal(err)
			}
		}
		perSample(b, batch)
	})
}

func BenchmarkSealVerify(b *testing.B) {
	table := seatTable()
	frame := sealed(b, table, seatBatch(10000, 1))
	for b.Loop() {
		Seal(frame, point.Epoch{7}, 42)
		if _, err := Verify(frame, Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}

func perSample(b *testing.B, batch *Batch) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(batch.Samples)), "ns/sample")
}
