package gateway

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/courtside-edge/courtside/firmware/config"
	"github.com/courtside-edge/courtside/firmware/diag"
	"github.com/courtside-edge/courtside/firmware/scan"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// platform is what the status says of the machine, such as linux/arm.
func platform() string { return runtime.GOOS + "/" + runtime.GOARCH }

// wireStatus is what the uplink announces; it adds session and state itself.
func (g *Gateway) wireStatus() wire.Status {
	c, table := g.configured()
	st := wire.Status{Version: g.d.Version, Platform: platform(), Epoch: g.keeper.Epoch().String(), Since: g.since.UTC(), Points: len(c.Table),
		Table: table, Clock: g.clock.Map().Source.String(), Jumps: g.jumps()}
	if g.trust != nil {
		st.Chains = g.trust.chains()
	}
	for _, l := range []point.Lane{point.Telemetry, point.Critical} {
		n := g.keeper.Counts(l).Backlog
		st.Backlog.Batches += n.Batches
		st.Backlog.Bytes += uint64(max(0, n.Bytes))
	}
	for _, m := range g.crew.list() {
		s := m.worker.Status()
		st.Devices = append(st.Devices, wire.DeviceStat{Device: m.described().ID, State: s.State.String(), Cause: s.Cause, Points: len(m.described().Own)})
	}
	return st
}

// configured returns the configuration in force and the name of its point table.
func (g *Gateway) configured() (*config.Config, string) {
	g.state.RLock()
	defer g.state.RUnlock()
	return g.c, g.tableHash
}

// Status returns the gateway as gwctl shows it. It is safe for concurrent use.
func (g *Gateway) Status() diag.Status {
	c, table := g.configured()
	st := diag.Status{Venue: string(c.Venue), Gateway: string(c.Gateway), Version: g.d.Version, Platform: platform(), Epoch: g.keeper.Epoch().String(),
		Since: g.since.UTC(), Points: len(c.Table), Table: table, Clock: g.clockStatus(), RSSBytes: residentBytes(), CPU: processorTime(), Update: g.updating()}
	st.Identity, st.Link = g.identityStatus(), g.linkStatus()
	st.Spool, st.Problems = g.spoolStatus(), g.health()
	for _, l := range []point.Lane{point.Telemetry, point.Critical} {
		st.Lanes = append(st.Lanes, g.laneStatus(l))
	}
	for _, m := range g.crew.list() {
		st.Devices = append(st.Devices, g.deviceStatus(m))
	}
	return st
}

func (g *Gateway) deviceStatus(m *member) diag.Device {
	s, described := m.worker.Status(), m.described()
	d := diag.Device{Device: string(described.ID), Driver: described.Driver, State: s.State.String(), Cause: s.Cause, Points: len(described.Own), Bad: s.Bad, Values: s.Values,
		Passed: s.Passed, Failures: s.Failures, Panics: s.Panics, Overruns: s.Overruns(), Since: g.wall(s.Since), Classes: classes(described, s)}
	if s.LastAnswer != 0 {
		d.LastAnswer = g.wall(s.LastAnswer)
	}
	for _, c := range s.Classes {
		d.Latency = max(d.Latency, c.Latency)
	}
	return d
}

// wall dates a monotonic time by the system clock, for people who look at the same clock.
func (g *Gateway) wall(mono int64) time.Time {
	return time.Now().Add(-time.Duration(g.clock.Mono() - mono)).UTC()
}

func classes(d *config.Device, s scan.Status) (out []diag.Class) {
	for i, c := range s.Classes {
		one := diag.Class{Name: c.Name, Period: d.Classes[i].Period, Scans: c.Scans, Overruns: c.Overruns, Latency: c.Latency, MaxLatency: c.MaxLatency}
		if c.Scans > 0 {
			one.Mean = c.LatencySum / time.Duration(c.Scans)
		}
		out = append(out, one)
	}
	return out
}

func (g *Gateway) linkStatus() diag.Link {
	state, cause := g.uplink.State()
	n := g.uplink.Stats()
	c, _ := g.configured()
	l := diag.Link{Broker: c.Uplink.Broker, State: state.String(), Connects: n.Connects, Lost: n.Lost, Acks: n.Acks, Late: n.Late,
		Unsigned: n.Unsigned, Forged: n.Forged, Stale: n.Stale}
	if cause != nil && state.String() != "up" {
		l.Cause = cause.Error()
	}
	if aside := g.uplink.SetAside(); aside.Reason != "" {
		l.SetAside = aside.Reason + ": " + aside.Detail
	}
	return l
}

func (g *Gateway) laneStatus(l point.Lane) diag.Lane {
	b, c := g.batcher.Stats(l), g.keeper.Counts(l)
	return diag.Lane{Lane: l.String(), Samples: b.Samples, Batches: b.Batches, Bytes: b.Bytes, Lost: b.Lost,
		RAM: diag.Count(c.RAM), Stored: diag.Count(c.Stored), Backlog: diag.Count(c.Backlog), Trouble: g.laneTrouble(l)}
}

func (g *Gateway) spoolStatus() diag.Spool {
	n := g.keeper.Stats()
	return diag.Spool{Short: g.keeper.Short(), Acked: n.Acked.Batches, Spilled: n.Spilled.Batches, SpilledBytes: n.Spilled.Bytes, Dropped: n.Dropped.Batches, DroppedSamples: n.DroppedSamples,
		Refused: n.Refused, Corrupt: n.Corrupt, StoreErrors: n.StoreErrors, BadAcks: n.ForeignAcks + n.ImpossibleAcks}
}

// processorTime returns what the process has taken of the processor, 0 where it cannot be told.
func processorTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// residentBytes returns VmRSS, 0 where the kernel does not say.
func residentBytes() int64 {
	raw, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(raw))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}
