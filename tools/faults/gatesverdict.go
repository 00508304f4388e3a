package faults

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/courtside-edge/courtside/tools/venuesim"
)

// GatesVerdict is what a run of the gates came to.
type GatesVerdict struct {
	Run                   Gates
	Restarts, Ills, Kills int    // device restarts, other device faults, gateways killed
	Behind                uint64 // the most events of one ring that were not acknowledged
	Passages, Counted     venuesim.Passages
	Declared              uint64 // passages that gaps declare lost
	Settle                time.Duration
	Differences           []string
	Audit                 Audit
}

// Equal reports whether the cloud is right.
func (v *GatesVerdict) Equal() bool { return len(v.Differences) == 0 }

// Print writes the verdict for people.
func (v *GatesVerdict) Print(w io.Writer) {
	size := "large enough"
	if v.Run.TooSmall {
		size = "too small"
	}
	fmt.Fprintf(w, "24 gates with rings of %d slots (%s) for %v at %d times life, seed %d: %d device restarts, %d other device faults, %d gateways killed; settled after %v\n",
		v.Run.Slots, size, v.Run.Length, gatesSpeed, v.Run.Seed, v.Restarts, v.Ills, v.Kills, v.Settle.Round(100*time.Millisecond))
	fmt.Fprintf(w, "  truth: %d in, %d out; the cloud: %d in, %d out; declared lost: %d; a ring was at most %d events ahead of what is durable\n",
		v.Passages.In, v.Passages.Out, v.Counted.In, v.Counted.Out, v.Declared, v.Behind)
	v.Audit.print(w)
	printDifferences(w, v.Differences, v.Run.Seed)
}

// judge waits until the cloud is right or patience ends, then reads the log.
func (r *gatesRig) judge(ctx context.Context, v *GatesVerdict) error {
	v.Restarts, v.Ills, v.Kills, v.Behind = r.restarts, r.ills, r.killed, r.behind
	began := time.Now()
	for {
		differences, err := r.compareGates(v)
		v.Settle = time.Since(began)
		if err == nil && len(differences) == 0 {
			break
		}
		if v.Settle > settlePatience {
			if err != nil {
				return err
			}
			v.Differences = differences
			break
		}
		if err := r.pause(ctx, 250*time.Millisecond, nil); err != nil {
			return err
		}
	}
	return r.auditGates(v)
}

// compareGates returns in what the cloud's answers differ from what is true.
func (r *gatesRig) compareGates(v *GatesVerdict) (differences []string, err error) {
	var s summary
	var g gates
	var lost gapList
	for path, into := range map[string]any{"": &s, "/gates": &g, "/gaps": &lost} {
		if err := ask(r.api, r.venue, path, into); err != nil {
			return nil, err
		}
	}
	differ := func(format string, a ...any) { differences = append(differences, fmt.Sprintf(format, a...)) }
	if c := s.Completeness; c.PendingBatches != 0 || c.SetAside != 0 || c.AwaitingTable != 0 {
		differ("%d batches pending, %d set aside, %d wait for a table", c.PendingBatches, c.SetAside, c.AwaitingTable)
	}
	declared := map[string]uint64{}
	for _, l := range lost.Gaps {
		switch device, _, _ := strings.Cut(l.Point, "/"); {
		case l.Reason == "unaccounted":
			differ("gap: %+v", l)
		case l.Point != "":
			declared[strings.TrimPrefix(device, "plc-")] += l.Count
		}
	}
	counted := map[string]venuesim.Passages{}
	for _, gate := range g.Gates {
		counted[gate.Gate] = venuesim.Passages{In: gate.In, Out: gate.Out}
	}
	truth := r.sim.Truth()
	v.Passages, v.Declared, v.Counted = truth.Passages, g.Declared, venuesim.Passages{}
	for _, gate := range truth.Gates {
		have := counted[gate.Gate]
		v.Counted.In += have.In
		v.Counted.Out += have.Out
		differences = append(differences, gateDiffers(gate, have, declared[gate.Gate])...)
	}
	switch {
	case v.Run.TooSmall && v.Declared == 0:
		differ("no ring was overrun: the run shows nothing")
	case !v.Run.TooSmall && v.Declared > 0:
		differ("%d passages are declared lost; the rings were to be large enough", v.Declared)
	}
	return differences, nil
}

// gateDiffers compares a gate: who passed was counted, or is declared lost, and the device was told that all of it is durable.
func gateDiffers(gate venuesim.GateTruth, have venuesim.Passages, lost uint64) (differences []string) {
	if have.In > gate.In || have.Out > gate.Out || have.In+have.Out+lost != gate.In+gate.Out {
		differences = append(differences, fmt.Sprintf("%s: %d in and %d out passed; the cloud counts %d and %d, and %d are declared lost", gate.Gate, gate.In, gate.Out, have.In, have.Out, lost))
	}
	if ring := gate.Ring; ring.Written != gate.In+gate.Out || ring.Acknowledged != ring.Written {
		differences = append(differences, fmt.Sprintf("%s: its ring has %d events of %d passages, %d are acknowledged", gate.Gate, ring.Written, gate.In+gate.Out, ring.Acknowledged))
	}
	return differences
}

// auditGates ends the programs in order, and compares what the log holds, read without the venue's code.
func (r *gatesRig) auditGates(v *GatesVerdict) error {
	for _, g := range append(r.gateways, r.aggregator) {
		if !g.End(syscall.SIGTERM) {
			v.Differences = append(v.Differences, g.Name+" did not stop when asked to")
		}
	}
	l, err := readLog(filepath.Join(r.dir, "aggregator", "log"), &v.Audit)
	if err != nil {
		return err
	}
	counted, lost := map[string]int{}, map[string]uint64{}
	for _, g := range l.gateways {
		v.Differences = append(v.Differences, g.accounts(&v.Audit)...)
		if g.unknown > 0 {
			v.Differences = append(v.Differences, fmt.Sprintf("%s: %d losses of rings do not say how many", g.id, g.unknown))
		}
		for name, keys := range g.passed {
			counted[name] = len(keys)
		}
		for device, n := range g.lost {
			lost[device] += n
		}
	}
	for _, gate := range r.sim.Truth().Gates {
		number := strings.TrimPrefix(gate.Gate, "gate-")
		in, out, n := counted["gate/"+number+"/in"], counted["gate/"+number+"/out"], lost["plc-"+gate.Gate]
		if uint64(in) > gate.In || uint64(out) > gate.Out || uint64(in+out)+n != gate.In+gate.Out {
			v.Differences = append(v.Differences, fmt.Sprintf("%s: %d in and %d out passed; the log holds %d and %d, and declares %d lost", gate.Gate, gate.In, gate.Out, in, out, n))
		}
	}
	return nil
}
