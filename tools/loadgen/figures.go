package loadgen

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/courtside-edge/courtside/firmware/diag"
)

// Figures are what a run amounts to so far. Counters begin with the process.
type Figures struct {
	Seconds  float64 `json:"seconds"`
	Final    bool    `json:"final,omitempty"`
	Produced uint64  `json:"events_produced"`
	Skipped  uint64  `json:"events_skipped"` // owed by a paced generator that could not keep up
	Batched  uint64  `json:"events_batched"` // samples in batches that the spool took
	Batches  uint64  `json:"batches"`
	Bytes    uint64  `json:"batch_bytes"`
	Acked    uint64  `json:"acked_batches"`
	Lost     uint64  `json:"lost_events"`    // never became part of a batch
	Dropped  uint64  `json:"dropped_events"` // dropped by the spool
	Spilled  int64   `json:"spilled_bytes"`
	Held     int64   `json:"held_bytes"` // telemetry that the spool holds now
	Backlog  uint64  `json:"backlog_batches"`
	Link     string  `json:"link"`
	Connects uint64  `json:"connects"`

	CriticalEvents uint64 `json:"critical_events"`
	TotalBase      int64  `json:"total_base_unix_ns"` // from which the totals count

	AckTrips int     `json:"ack_round_trips"`
	AckP50   float64 `json:"ack_p50_ms"`
	AckP99   float64 `json:"ack_p99_ms"`
	// FirstLive is from the newest session's begin to its first live batch, 0 before it.
	FirstLive float64   `json:"first_live_ms"`
	Connected time.Time `json:"connected,omitzero"`

	WaitedSeconds float64 `json:"waited_seconds"` // "max" stood still because the spool was full
	CPUSeconds    float64 `json:"cpu_seconds"`
	RSS           int64   `json:"rss_bytes"`
	RSSMax        int64   `json:"rss_max_bytes"`
}

// Line returns the figures as one line; rates are means since before.
func (f Figures) Line(before Figures) string {
	span := max(f.Seconds-before.Seconds, 1e-9)
	rate := func(now, then uint64) float64 { return float64(now-then) / span }
	perSample := 0.0
	if n := f.Batched - before.Batched; n > 0 {
		perSample = float64(f.Bytes-before.Bytes) / float64(n)
	}
	return fmt.Sprintf("%6.1f s  %9.0f events/s  %6.0f batches/s  %.2f B/event  held %s  spilled %s  ack P50 %.1f P99 %.1f ms  CPU %3.0f %%  RSS %s  link %s",
		f.Seconds, rate(f.Batched, before.Batched), rate(f.Batches, before.Batches), perSample, size(f.Held), size(f.Spilled),
		f.AckP50, f.AckP99, 100*(f.CPUSeconds-before.CPUSeconds)/span, size(f.RSS), f.Link)
}

// size returns n bytes for people.
func size(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}

// take fills f from the gateway's status.
func (f *Figures) take(s diag.Status) {
	f.Batched, f.Batches, f.Bytes, f.Lost, f.Backlog, f.Held = 0, 0, 0, 0, 0, 0
	for _, l := range s.Lanes {
		f.Lost += l.Lost
		f.Backlog += l.Backlog.Batches
		if l.Lane == "critical" {
			f.CriticalEvents = l.Samples
			continue
		}
		f.Batched, f.Batches, f.Bytes = l.Samples, l.Batches, l.Bytes
		f.Held = l.RAM.Bytes + l.Stored.Bytes
	}
	f.Acked, f.Dropped, f.Spilled = s.Spool.Acked, s.Spool.DroppedSamples, s.Spool.SpilledBytes
	f.Link, f.Connects, f.RSS = s.Link.State, s.Link.Connects, s.RSSBytes
	f.RSSMax = max(f.RSSMax, f.RSS, peak())
}

// trips fills f from round trips.
func (f *Figures) trips(took []time.Duration, connected time.Time, returned time.Duration) {
	slices.Sort(took)
	f.AckTrips, f.AckP50, f.AckP99 = len(took), milliseconds(quantile(took, 0.5)), milliseconds(quantile(took, 0.99))
	f.Connected, f.FirstLive = connected, milliseconds(returned)
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// quantile returns the q-th quantile of sorted, 0 of nothing.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// processCPU returns the CPU time of this process.
func processCPU() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// peak returns VmHWM, the most memory that this process ever had resident; 0 where the kernel does not say.
func peak() int64 {
	raw, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err != nil {
				return 0
			}
			return kib << 10
		}
	}
	return 0
}
