package venue_test

import (
	"testing"
	"time"

	"github.com/courtside-edge/courtside/cloud/log"
	"github.com/courtside-edge/courtside/cloud/venue/venuetest"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// BenchmarkApply folds live telemetry batches of 1,000 samples, in order, as a gateway that is online sends them.
func BenchmarkApply(b *testing.B) {
	const samples = 1000
	r := venuetest.New(b)
	r.DeliverTable()
	next := uint64(0)
	frame := func() []byte {
		w := wire.Batch{Samples: make([]point.Sample, samples)}
		for i := range w.Samples {
			w.Samples[i] = point.Sample{Index: uint32(i % 3), Time: at(10*time.Minute) + int64(next)*int64(time.Millisecond) + int64(i), Bits: uint64(i & 1)}
		}
		f := r.Frame(telemetry(next), w)
		next++
		return f
	}
	var records []log.Record
	for range 2000 {
		records = append(records, r.Record(log.Batch, frame()))
	}
	b.ResetTimer()
	for i := 0; b.Loop(); i++ {
		if i > 0 && i%len(records) == 0 {
			b.StopTimer()
			r.V = r.NewVenue(venuetest.Map(b), []point.ID{"plc-seats", "plc-gates", "plc-panels"})
			r.DeliverTable()
			b.StartTimer()
		}
		rec := records[i%len(records)]
		rec.Offset = r.V.Offset()
		r.V.Apply(rec)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/samples, "ns/sample")
}

// BenchmarkApplyBacklog folds a backlog as it comes back: the newest batches first, all of them pending by an inventory, and a hole at every hundredth.
func BenchmarkApplyBacklog(b *testing.B) {
	const samples, batches = 1000, 2000
	r := venuetest.New(b)
	var records []log.Record
	for seq := range uint64(batches) {
		w := wire.Batch{Samples: make([]point.Sample, samples)}
		for i := range w.Samples {
			w.Samples[i] = point.Sample{Index: uint32(i % 3), Time: at(10*time.Minute) + int64(seq)*int64(time.Millisecond) + int64(i), Bits: uint64(i & 1)}
		}
		if seq%100 != 50 {
			records = append(records, r.Record(log.Batch, r.Frame(telemetry(seq), w)))
		}
	}
	var pending []wire.PendingRange
	for from := uint64(0); from < batches; from += 100 {
		pending = append(pending, wire.PendingRange{From: from, To: from + 50}, wire.PendingRange{From: from + 51, To: from + 100})
	}
	for i := 0; b.Loop(); i++ {
		if i%len(records) == 0 {
			b.StopTimer()
			r.V = r.NewVenue(venuetest.Map(b), venuetest.Devices())
			r.DeliverTable()
			r.Deliver(log.Inventory, inventoryOf(r, 1, batches, pending...))
			b.StartTimer()
		}
		rec := records[len(records)-1-i%len(records)]
		rec.Offset = r.V.Offset()
		r.V.Apply(rec)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/samples, "ns/sample")
}
