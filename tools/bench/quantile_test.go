package main

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestQuantile(t *testing.T) {
	var values []time.Duration
	for n := 100; n >= 1; n-- {
		values = append(values, time.Duration(n)*time.Millisecond)
	}
	for q, want := range map[float64]float64{0: 1, 0.5: 51, 0.99: 100, 1: 100} {
		if got := quantile(values, q); got != want {
			t.Errorf("the %g quantile is %g ms, want %g", q, got, want)
		}
	}
	if got := quantile(nil, 0.5); !math.IsNaN(got) {
		t.Errorf("of nothing: %g", got)
	}
}

const exposition = `# HELP arena_metrics_event_rate_total Samples.
# TYPE arena_metrics_event_rate_total counter
arena_metrics_event_rate_total{arena="dal-001"} 1.5e+06
arena_metrics_event_rate_total{arena="b{r}aces"} 10 1700000000000
up 1
heatmap_update_latency_seconds_bucket{arena="dal-001",le="0.001"} 0
heatmap_update_latency_seconds_bucket{arena="dal-001",le="0.002"} 50
heatmap_update_latency_seconds_bucket{arena="dal-001",le="0.004"} 90
heatmap_update_latency_seconds_bucket{arena="dal-001",le="+Inf"} 100
heatmap_update_latency_seconds_count{arena="dal-001"} 100
`

func TestMetricsAreRead(t *testing.T) {
	m, err := parseMetrics(strings.NewReader(exposition))
	if err != nil {
		t.Fatal(err)
	}
	if got := m.sum(eventsMetric); got != 1.5e6+10 {
		t.Errorf("events: %g", got)
	}
	if m.sum("up") != 1 || m.sum("absent") != 0 {
		t.Errorf("up is %g, absent %g", m.sum("up"), m.sum("absent"))
	}
	for q, want := range map[float64]float64{0.25: 0.0015, 0.5: 0.002, 0.7: 0.003, 0.99: 0.004} {
		if got := m.histogramQuantile(nil, latencyMetric, q); math.Abs(got-want) > 1e-9 {
			t.Errorf("the %g quantile is %g, want %g", q, got, want)
		}
	}
	if got := m.histogramQuantile(m, latencyMetric, 0.5); !math.IsNaN(got) {
		t.Errorf("nothing came between, and the median is %g", got)
	}
	later, err := parseMetrics(strings.NewReader(strings.NewReplacer("} 90", "} 92", "} 100", "} 102").Replace(exposition)))
	if err != nil {
		t.Fatal(err)
	}
	if got := later.histogramQuantile(m, latencyMetric, 0.5); math.Abs(got-0.003) > 1e-9 {
		t.Errorf("two came between 2 and 4 ms; the median is %g", got)
	}
	for _, bad := range []string{"name", "name{a=\"b\"}", "name nothing"} {
		if _, err := parseMetrics(strings.NewReader(bad)); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func FuzzParseMetrics(f *testing.F) {
	f.Add(exposition)
	f.Add("a{le=\"1\"} 1\na{le=\"+Inf\"} NaN\n")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := parseMetrics(strings.NewReader(text))
		if err != nil {
			return
		}
		for _, s := range m {
			m.histogramQuantile(nil, strings.TrimSuffix(s.name, "_bucket"), 0.5)
		}
	})
}

func TestGoTestOutputIsRead(t *testing.T) {
	out := "goos: linux\nBenchmarkRoundTrip/depth=16-2         \t    9216\t    197000 ns/op\t      5075 requests/s\nBenchmarkRoundTrip/depth=1-2 \t 10\t 2 ns/op\t 432 requests/s\nPASS\n"
	if v, err := benchMetric(out, "BenchmarkRoundTrip/depth=16", "requests/s"); err != nil || v != 5075 {
		t.Errorf("%g, %v", v, err)
	}
	if v, err := benchMetric(strings.ReplaceAll(out, "-2 ", " "), "BenchmarkRoundTrip/depth=1", "requests/s"); err != nil || v != 432 {
		t.Errorf("%g, %v", v, err)
	}
	for _, absent := range [][2]string{{"BenchmarkRoundTrip/depth=4", "requests/s"}, {"BenchmarkRoundTrip/depth=16", "B/op"}} {
		if _, err := benchMetric(out, absent[0], absent[1]); err == nil {
			t.Errorf("%v was found", absent)
		}
	}
}
