package gateway

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/courtside-edge/courtside/firmware/diag"
)

// metrics serves the gateway's status in the formats that Prometheus asks for; every figure is read at the scrape.
func (g *Gateway) metrics() http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(collector{g.Status})
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{})
}

type collector struct{ status func() diag.Status }

// Describe implements prometheus.Collector; it names nothing, so the registry checks at each scrape.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	s := c.status()
	put := func(kind prometheus.ValueType, name, help string, v float64, labels ...string) {
		var names, values []string
		for i := 0; i < len(labels); i += 2 {
			names, values = append(names, labels[i]), append(values, labels[i+1])
		}
		ch <- prometheus.MustNewConstMetric(prometheus.NewDesc("courtside_gateway_"+name, help, names, nil), kind, v, values...)
	}
	gauge := func(name, help string, v float64, labels ...string) {
		put(prometheus.GaugeValue, name, help, v, labels...)
	}
	count := func(name, help string, v uint64, labels ...string) {
		put(prometheus.CounterValue, name, help, float64(v), labels...)
	}
	put(prometheus.CounterValue, "processor_seconds_total", "Processor time that the process has taken.", s.CPU.Seconds())
	gauge("resident_memory_bytes", "Resident memory.", float64(s.RSSBytes))
	gauge("link_up", "1 while the broker takes batches and acks come.", flag(s.Link.State == "up"))
	gauge("link_set_aside", "1 while the cloud sets aside what this gateway sends.", flag(s.Link.SetAside != ""))
	count("link_connects_total", "Sessions begun.", s.Link.Connects)
	count("link_lost_total", "Sessions lost.", s.Link.Lost)
	count("acks_total", "Acks received.", s.Link.Acks)
	count("acks_late_total", "Batches whose ack was late.", s.Link.Late)
	for reason, n := range map[string]uint64{"unsigned": s.Link.Unsigned, "forged": s.Link.Forged, "stale": s.Link.Stale} {
		count("acks_refused_total", "Acks and commands that nobody vouches for, and acks that were replayed.", n, "reason", reason)
	}
	count("clock_jumps_total", "Clock jumps seen, followed or not.", s.Clock.Jumps)
	gauge("clock_uncertainty_seconds", "Of the time map in force.", s.Clock.Uncertainty.Seconds())
	if !s.Identity.NotAfter.IsZero() {
		gauge("svid_not_after_seconds", "When the SVID expires, Unix time.", float64(s.Identity.NotAfter.Unix()))
	}
	for _, l := range s.Lanes {
		count("samples_total", "Samples in batches.", l.Samples, "lane", l.Lane)
		count("batches_total", "Batches closed.", l.Batches, "lane", l.Lane)
		count("batch_bytes_total", "Bytes of batch frames.", l.Bytes, "lane", l.Lane)
		count("samples_lost_total", "Samples that never became part of a batch.", l.Lost, "lane", l.Lane)
		gauge("ram_bytes", "Frames held in RAM.", float64(l.RAM.Bytes), "lane", l.Lane)
		gauge("stored_bytes", "Frames held on flash.", float64(l.Stored.Bytes), "lane", l.Lane)
		gauge("lane_trouble", "1 while the lane's store fails or its critical batches have no room.", flag(l.Trouble != ""), "lane", l.Lane)
		gauge("backlog_batches", "Batches that wait and are not live any more.", float64(l.Backlog.Batches), "lane", l.Lane)
	}
	gauge("healthy", "1 while nothing is said at /healthz.", flag(len(s.Problems) == 0))
	gauge("space_short", "1 while telemetry is reduced because the space for it is short.", flag(s.Spool.Short))
	count("spilled_bytes_total", "Telemetry written to flash.", uint64(max(0, s.Spool.SpilledBytes)))
	count("dropped_samples_total", "Samples dropped at the spool's limit, each in a declared gap.", s.Spool.DroppedSamples)
	count("store_errors_total", "Failures of the spool's stores.", s.Spool.StoreErrors)
	if u := s.Update; u != nil {
		collectUpdate(u, gauge, count)
	}
	for _, d := range s.Devices {
		gauge("device_up", "1 while the device answers.", flag(d.State == "up"), "device", d.Device)
		gauge("device_bad_points", "Points that were last reported as bad.", float64(d.Bad), "device", d.Device)
		count("device_values_total", "Readings that the device gave.", d.Values, "device", d.Device)
		count("device_passed_total", "Samples that passed the filter.", d.Passed, "device", d.Device)
		count("device_failures_total", "Connections that could not be made or that ended.", d.Failures, "device", d.Device)
		count("device_overruns_total", "Slots in which no scan was begun.", d.Overruns, "device", d.Device)
		gauge("device_scan_latency_seconds", "Of the slowest class's last scan.", d.Latency.Seconds(), "device", d.Device)
	}
}

// collectUpdate collects how the gateway stands with updates.
func collectUpdate(u *diag.Updating, gauge func(name, help string, v float64, labels ...string), count func(name, help string, v uint64, labels ...string)) {
	if u.Slot != "" {
		gauge("image_info", "The image that runs; always 1.", 1, "version", u.Version, "slot", u.Slot)
		gauge("image_trial", "1 while the version that runs is not confirmed.", flag(u.Trial))
		for _, result := range []string{"done", "failed"} {
			count("update_installs_total", "Updates that were installed, or failed half-way.", uint64(u.Done[result]), "result", result)
		}
	}
	gauge("event_open", "1 while an event keeps updates out.", flag(u.Event != nil))
	for reason, n := range u.Refused {
		count("updates_refused_total", "Updates and reboots that were refused.", uint64(n), "reason", reason)
	}
}

func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
