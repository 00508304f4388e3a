package gateway

import (
	"crypto/rand"
	"encoding/hex"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/courtside-edge/courtside/firmware/diag"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// platform is what the status says of the machine, such as linux/arm.
func platform() string { return runtime.GOOS + "/" + runtime.GOARCH }

// newTrace draws a W3C trace parent (version 00, sampled) for a batch that closes.
func newTrace() string {
	var b [24]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	return "00-" + hex.EncodeToString(b[:16]) + "-" + hex.EncodeToString(b[16:]) + "-01"
}

// wireStatus is what the uplink announces; it adds session and state itself.
func (g *Gateway) wireStatus() wire.Status {
	st := wire.Status{Version: g.d.Version, Platform: platform(), Epoch: g.keeper.Epoch().String(), Since: g.since.UTC(), Points: len(g.c.Table),
		Table: g.tableHash, Clock: g.clock.Map().Source.String()}
	for _, l := range []point.Lane{point.Telemetry, point.Critical} {
		n := g.keeper.Counts(l).Backlog
		st.Backlog.Batches += n.Batches
		st.Backlog.Bytes += uint64(max(0, n.Bytes))
	}
	for i, w := range g.workers {
		s := w.Status()
		st.Devices = append(st.Devices, wire.DeviceStat{Device: g.c.Devices[i].ID, State: s.State.String(), Cause: s.Cause, Points: len(g.c.Devices[i].Own)})
	}
	return st
}

// Status returns the gateway as gwctl shows it. It is safe for concurrent use.
func (g *Gateway) Status() diag.Status {
	m := g.clock.Map()
	now := g.clock.Mono()
	st := diag.Status{Venue: string(g.c.Venue), Gateway: string(g.c.Gateway), Version: g.d.Version, Platform: platform(), Epoch: g.keeper.Epoch().String(),
		Since: g.since.UTC(), Points: len(g.c.Table), Table: g.tableHash, Clock: diag.Clock{Source: m.Source.String(), Uncertainty: m.Uncertainty}, RSSBytes: residentBytes()}
	st.Identity, st.Link = g.identityStatus(), g.linkStatus()
	st.Spool = g.spoolStatus()
	for _, l := range []point.Lane{point.Telemetry, point.Critical} {
		st.Lanes = append(st.Lanes, g.laneStatus(l))
	}
	for i, w := range g.workers {
		s := w.Status()
		d := diag.Device{Device: string(g.c.Devices[i].ID), State: s.State.String(), Cause: s.Cause, Points: len(g.c.Devices[i].Own), Values: s.Values,
			Passed: s.Passed, Failures: s.Failures, Overruns: s.Overruns()}
		if s.LastAnswer != 0 {
			d.LastAnswer = time.Now().Add(-time.Duration(now - s.LastAnswer)).UTC()
		}
		for _, c := range s.Classes {
			d.Latency = max(d.Latency, c.Latency)
		}
		st.Devices = append(st.Devices, d)
	}
	return st
}

func (g *Gateway) identityStatus() diag.Identity {
	if g.identity == nil {
		return diag.Identity{}
	}
	id, err := g.identity.ID()
	if err != nil {
		if cause := g.identity.Err(); cause != nil {
			err = cause
		}
		return diag.Identity{Error: err.Error()}
	}
	return diag.Identity{ID: id.String(), NotAfter: g.identity.NotAfter()}
}

func (g *Gateway) linkStatus() diag.Link {
	state, cause := g.uplink.State()
	n := g.uplink.Stats()
	l := diag.Link{Broker: g.c.Uplink.Broker, State: state.String(), Connects: n.Connects, Lost: n.Lost, Acks: n.Acks, Late: n.Late}
	if cause != nil && state.String() != "up" {
		l.Cause = cause.Error()
	}
	return l
}

func (g *Gateway) laneStatus(l point.Lane) diag.Lane {
	b, c := g.batcher.Stats(l), g.keeper.Counts(l)
	return diag.Lane{Lane: l.String(), Samples: b.Samples, Batches: b.Batches, Bytes: b.Bytes, Lost: b.Lost,
		RAM: diag.Count(c.RAM), Stored: diag.Count(c.Stored), Backlog: diag.Count(c.Backlog)}
}

func (g *Gateway) spoolStatus() diag.Spool {
	n := g.keeper.Stats()
	return diag.Spool{Acked: n.Acked.Batches, Spilled: n.Spilled.Batches, SpilledBytes: n.Spilled.Bytes, Dropped: n.Dropped.Batches, DroppedSamples: n.DroppedSamples,
		Refused: n.Refused, Corrupt: n.Corrupt, StoreErrors: n.StoreErrors, BadAcks: n.ForeignAcks + n.ImpossibleAcks}
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
