// Package metrics is what Prometheus reads of the aggregator: what came in, what was made of it, how
// late it was, and the house itself.
//
// Counters that the parts keep themselves are read at the scrape, so that nothing is counted twice.
package metrics

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/courtside-edge/courtside/cloud/enrol"
	"github.com/courtside-edge/courtside/cloud/ingest"
	"github.com/courtside-edge/courtside/cloud/venue"
)

// Sources are the parts that are read at each scrape.
type Sources struct {
	Venues  []*venue.Venue
	Ingest  func() ingest.Stats
	Broker  func() (clients int, refused map[string]uint64) // nil for a broker that is not ours
	LogSize func() (records, bytes uint64)                  // nil when not known
	Enrol   func() enrol.Stats                              // nil when gateways do not enrol here
	// Replaying is nil, or returns nil, when the venues are what they were when the process ended. Until then nothing is exported of them: a
	// counter that steps back is a counter that began anew, and all that it had counted would be counted twice.
	Replaying func() error
}

// Metrics is the aggregator's registry. Observe is safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	events   *prometheus.CounterVec
	latency  *prometheus.HistogramVec
}

// latencyBuckets reach from half a millisecond to the minute that a replay may be late, in seconds.
var latencyBuckets = []float64{.0005, .001, .002, .004, .008, .012, .020, .030, .047, .075, .120, .250, .5, 1, 2.5, 5, 10, 60}

// New returns metrics that read from s.
func New(s Sources) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(),
		events:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "arena_metrics_event_rate_total", Help: "Samples applied to the state, of distinct batches; rate() gives events a second."}, []string{"arena"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "heatmap_update_latency_seconds", Help: "From a batch's newest sample, on its gateway's clock, to its showing in every answer.", Buckets: latencyBuckets}, []string{"arena"})}
	m.registry.MustRegister(m.events, m.latency, &collector{s: s}, &grids{s.Venues}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, v := range s.Venues {
		m.events.WithLabelValues(string(v.ID()))
		m.latency.WithLabelValues(string(v.ID()))
	}
	return m
}

// Observe takes one applied batch; it is what venue.Options.Observe wants.
func (m *Metrics) Observe(a venue.Applied) {
	m.events.WithLabelValues(string(a.Venue)).Add(float64(a.Samples))
	if a.Samples > 0 {
		m.latency.WithLabelValues(string(a.Venue)).Observe(max(0, a.At.Sub(a.Newest).Seconds()))
	}
}

// Handler serves the registry in the formats that Prometheus asks for.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{EnableOpenMetrics: true, Timeout: 10 * time.Second})
}
