package batch

import (
	"testing"

	"github.com/courtside-edge/courtside/sync/point"
)

func BenchmarkAddAndEncode(b *testing.B) {
	s := newSink()
	bt, stop := start(b, options(b, s))
	r := seats(125, 1)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		bt.Add(point.Telemetry, r, nil)
		if i%1000 == 0 {
			s.set(func() { s.frames, s.at, s.cursors, s.durable, s.carried = nil, nil, nil, nil, nil })
		}
	}
	stop()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/125, "ns/sample")
}
