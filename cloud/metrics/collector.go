package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/courtside-edge/courtside/cloud/venue"
)

// collector reads the parts at each scrape.
type collector struct{ s Sources }

// desc declares one metric of the collector.
func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("courtside_"+name, help, labels, nil)
}

var (
	seatsDesc      = desc("seats", "Seats by state.", "venue", "state")
	passagesDesc   = desc("passages_total", "Passages by gate and direction, exactly once each.", "venue", "gate", "direction")
	gatewayUpDesc  = desc("gateway_up", "1 while the gateway's session lives.", "venue", "gateway")
	pendingDesc    = desc("gateway_pending_batches", "Batches that the gateway says it still holds.", "venue", "gateway")
	gapsDesc       = desc("gaps", "Losses, declared or found.", "venue", "gateway")
	lostDesc       = desc("lost_batches", "Batches in gaps whose number is known.", "venue", "gateway")
	missingDesc    = desc("unaccounted_batches", "Batches that are neither here, nor at their gateway, nor declared lost. Anything above 0 is an alarm.", "venue", "gateway")
	accusedDesc    = desc("unaccounted_batches_found_total", "Batches of which that was found since the process started.", "venue")
	lateDesc       = desc("samples_late_total", "Samples dated before the horizon that no count could take any more.", "venue")
	forgottenDesc  = desc("frames_forgotten_total", "Frames that were set aside and given up for lack of space.", "venue")
	keptDesc       = desc("frames_kept", "Frames that are set aside now.", "venue")
	undeclaredDesc = desc("gaps_dropped_total", "Declared losses that could not be kept for lack of space.", "venue")
	batchesDesc    = desc("batches_applied_total", "Distinct batches applied.", "venue")
	duplicatesDesc = desc("batches_duplicate_total", "Deliveries of batches that the state held already, dropped by the venue.", "venue")
	conflictsDesc  = desc("batches_conflicting_total", "Deliveries of a known identity with another content, set aside.", "venue")
	futureDesc     = desc("samples_future_total", "Samples dated ahead of the venue's time, held until then.", "venue")
	asideDesc      = desc("frames_set_aside_total", "Records that could not be used, by reason.", "venue", "reason")
	appendedDesc   = desc("ingest_records_total", "Records that went into the log.")
	bytesDesc      = desc("ingest_bytes_total", "Payload bytes that went into the log.")
	skippedDesc    = desc("ingest_duplicates_total", "Batches left out of the log because the same content was durable already, or waited for its turn.")
	ackedDesc      = desc("ingest_acked_batches_total", "Batches named by acks, repetitions included.")
	refusedDesc    = desc("ingest_refused_total", "Messages refused before the log, by reason.", "reason")
	clientsDesc    = desc("broker_clients", "Clients connected to the embedded broker.")
	replayingDesc  = desc("ingest_replaying_gateways", "Gateways that sent a backlog within the last seconds.")
	replayRateDesc = desc("ingest_replay_rate_bytes", "Bytes a second that gateways may send of their backlogs, together.")
	delayedDesc    = desc("ingest_delayed_batches", "Batches of backlogs that wait in memory until the venues have applied what came before.")
	brokerDesc     = desc("broker_refused_total", "What the embedded broker refused, by reason.", "reason")
	logRecordsDesc = desc("log_records", "Records that the log holds.")
	logBytesDesc   = desc("log_bytes", "Bytes that the log holds.")
	issuedDesc     = desc("enrol_issued_total", "SVIDs issued to gateways, by occasion: enrol, again (the same key once more), renew, older (an SVID that was renewed before renews again).", "occasion")
	unissuedDesc   = desc("enrol_refused_total", "SVIDs refused to whoever asked, by reason. used-token and superseded mean two devices of one name.", "reason")
	tokensDesc     = desc("enrol_tokens_open", "Join tokens that nobody has used yet.")
)

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{seatsDesc, passagesDesc, gatewayUpDesc, pendingDesc, gapsDesc, lostDesc, missingDesc, accusedDesc, lateDesc, forgottenDesc, keptDesc, undeclaredDesc, batchesDesc, duplicatesDesc, conflictsDesc,
		futureDesc, asideDesc, appendedDesc, bytesDesc, skippedDesc, ackedDesc, refusedDesc, replayingDesc, replayRateDesc, delayedDesc, clientsDesc, brokerDesc, logRecordsDesc, logBytesDesc, issuedDesc, unissuedDesc, tokensDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	if c.s.Replaying == nil || c.s.Replaying() == nil {
		for _, v := range c.s.Venues {
			collectVenue(ch, v)
		}
	}
	if c.s.Ingest != nil {
		s := c.s.Ingest()
		counter(ch, appendedDesc, s.Appended)
		counter(ch, bytesDesc, s.Bytes)
		counter(ch, skippedDesc, s.Duplicates)
		counter(ch, ackedDesc, s.Acked)
		gauge(ch, replayingDesc, float64(s.Replaying))
		gauge(ch, replayRateDesc, float64(s.ReplayRate))
		gauge(ch, delayedDesc, float64(s.Waiting))
		for reason, n := range zeroed(s.Refused, ingestReasons()) {
			counter(ch, refusedDesc, n, reason)
		}
	}
	if c.s.Broker != nil {
		clients, refused := c.s.Broker()
		gauge(ch, clientsDesc, float64(clients))
		for reason, n := range zeroed(refused, brokerReasons()) {
			counter(ch, brokerDesc, n, reason)
		}
	}
	if c.s.LogSize != nil {
		records, bytes := c.s.LogSize()
		gauge(ch, logRecordsDesc, float64(records))
		gauge(ch, logBytesDesc, float64(bytes))
	}
	if c.s.Enrol != nil {
		s := c.s.Enrol()
		gauge(ch, tokensDesc, float64(s.Open))
		for occasion, n := range zeroed(s.Issued, enrolOccasions()) {
			counter(ch, issuedDesc, n, occasion)
		}
		for reason, n := range zeroed(s.Refused, enrolReasons()) {
			counter(ch, unissuedDesc, n, reason)
		}
	}
}

func collectVenue(ch chan<- prometheus.Metric, v *venue.Venue) {
	id := string(v.ID())
	occ := v.Occupancy()
	gauge(ch, seatsDesc, float64(occ.Occupied), id, "occupied")
	gauge(ch, seatsDesc, float64(occ.Free), id, "free")
	gauge(ch, seatsDesc, float64(occ.Unknown), id, "unknown")
	for _, g := range v.Gates().Gates {
		counter(ch, passagesDesc, g.In, id, g.Gate, "in")
		counter(ch, passagesDesc, g.Out, id, g.Gate, "out")
	}
	for _, g := range v.Gateways() {
		up := 0.0
		if g.State == "birth" {
			up = 1
		}
		gauge(ch, gatewayUpDesc, up, id, string(g.Gateway))
		gauge(ch, pendingDesc, float64(g.Pending), id, string(g.Gateway))
		gauge(ch, gapsDesc, float64(g.Gaps), id, string(g.Gateway))
		gauge(ch, lostDesc, float64(g.Lost), id, string(g.Gateway))
		gauge(ch, missingDesc, float64(g.Unaccounted), id, string(g.Gateway))
	}
	n := v.Counts()
	counter(ch, batchesDesc, n.Batches, id)
	counter(ch, duplicatesDesc, n.Duplicates, id)
	counter(ch, conflictsDesc, n.Conflicts, id)
	counter(ch, futureDesc, n.Future, id)
	counter(ch, lateDesc, n.Late, id)
	counter(ch, accusedDesc, n.Unaccounted, id)
	counter(ch, forgottenDesc, n.Forgotten, id)
	counter(ch, undeclaredDesc, n.GapsDropped, id)
	gauge(ch, keptDesc, float64(len(v.SetAside())), id)
	for reason, k := range zeroed(n.SetAside, asideReasons()) {
		counter(ch, asideDesc, k, id, reason)
	}
}

func counter(ch chan<- prometheus.Metric, d *prometheus.Desc, v uint64, labels ...string) {
	ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
}

func gauge(ch chan<- prometheus.Metric, d *prometheus.Desc, v float64, labels ...string) {
	ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}
