package faults

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/courtside-edge/courtside/sync/interval"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// samples takes in what one batch says of counters and beats.
func (g *account) samples(b *wire.Batch, table []point.Point, e point.Epoch) {
	g.events(b, table)
	runs := map[uint32]point.CounterRun{}
	for _, s := range b.Samples {
		p := &table[s.Index]
		at := time.Unix(0, b.Map.Wall(s.Time))
		if first, ok := g.first[e]; !ok || at.Before(first) {
			g.first[e] = at
		}
		if at.After(g.last[e]) {
			g.last[e] = at
		}
		name := string(p.Name)
		switch {
		case s.Quality.IsBad():
			if strings.HasPrefix(name, "beat/") {
				g.bad = append(g.bad, at)
			}
		case p.Class == point.Counter:
			if len(runs) == 0 {
				for _, r := range b.Runs {
					runs[r.Index] = r
				}
			}
			if g.totals[name] == nil {
				g.totals[name] = map[uint64]uint64{}
			}
			g.reads = append(g.reads, at)
			run := runs[s.Index].Run
			g.totals[name][run] = max(g.totals[name][run], s.Bits)
		case strings.HasPrefix(name, "beat/"):
			if g.beaten[name] == nil {
				g.beaten[name] = map[uint16]bool{}
			}
			g.beaten[name][uint16(s.Bits)] = true
		}
	}
}

// events takes in the keys of what occurred.
func (g *account) events(b *wire.Batch, table []point.Point) {
	for _, e := range b.Events {
		name := string(table[b.Samples[e.Position].Index].Name)
		if g.passed[name] == nil {
			g.passed[name] = map[[16]byte]bool{}
		}
		g.passed[name][e.Key] = true
	}
}

// accounts wants each seq below next in the log, pending at the end of the gateway's life, or in a gap, and a gap
// for each epoch that did not end cleanly (I1, I10).
func (g *account) accounts(a *Audit) (differences []string) {
	differences = g.conflicts
	a.Epochs += len(g.order)
	for i, e := range g.order {
		if !g.clean[e] {
			a.Unclean++
		}
		for _, l := range []point.Lane{point.Critical, point.Telemetry} {
			k := laneKey{e, l}
			from, open := g.openFrom[k]
			if i < len(g.order)-1 && !g.clean[e] && !open {
				differences = append(differences, fmt.Sprintf("I10: %s: epoch %s ended uncleanly, lane %s has no open gap", g.id, e, l))
			}
			covered := setOf(g.held, k).Clone()
			for _, more := range []*interval.Set{setOf(g.gaps, k), setOf(g.pending, k)} {
				for iv := range more.All() {
					covered.Add(iv)
				}
			}
			next := g.next[k]
			if last, ok := covered.Last(); ok {
				next = max(next, last.To)
			}
			if open {
				next = min(next, from)
			}
			for hole := range covered.Missing(interval.Interval{To: next}) {
				differences = append(differences, fmt.Sprintf("I10: %s: epoch %s (clean %v) %s seqs %d to %d are nowhere", g.id, e, g.clean[e], l, hole.From, hole.To))
			}
		}
	}
	return differences
}

// counters wants each counter's runs to add up to the truth, in one run.
func (g *account) counters(p *plant) (differences []string) {
	for c := range counters {
		name := fmt.Sprintf("gate/%d/%s", c/2, [...]string{"in", "out"}[c%2])
		sum := uint64(0)
		for _, total := range g.totals[name] {
			sum += total
		}
		if want := p.passages(c); sum != want || len(g.totals[name]) != 1 {
			differences = append(differences, fmt.Sprintf("%s: %s: %d passages in the log's %d runs, want %d in one", g.id, name, sum, len(g.totals[name]), want))
		}
	}
	return differences
}

const (
	// promised is what a kill may cost: spill_after and the time until a spill is synced.
	promised = 500*time.Millisecond + slack
	// slack covers linger, a scan, the sync, and a machine that is busy with everything at once.
	slack = 1500 * time.Millisecond
)

// beats wants every value that a register held for long enough to be read in the log, or in a loss that a kill explains and a gap declares.
func (g *account) beats(r *Rig, n int, a *Audit) (differences []string) {
	p := r.plants[n]
	for i, at := range p.beaten {
		value := uint16(i + 1)
		a.Beats += beats
		missing := 0
		for b := range beats {
			if !g.beaten[fmt.Sprintf("beat/%d", b+1)][value] {
				missing++
			}
		}
		if missing == 0 {
			continue
		}
		a.LostBeats += missing
		why, early := r.explains(n, at)
		switch {
		case !why && (!g.read(at, p.shownUntil(i)) || g.wasBad(at)):
			a.Unread += missing
		case !why:
			differences = append(differences, fmt.Sprintf("%s: value %d of %d beating registers, shown at %s, is not in the log and no kill explains it", g.id, value, missing, at.Format("15:04:05.000")))
		case !g.declares(at):
			differences = append(differences, fmt.Sprintf("%s: value %d of %d beating registers, shown at %s, is not in the log and no gap declares it", g.id, value, missing, at.Format("15:04:05.000")))
		}
		a.LongestLoss = max(a.LongestLoss, early)
	}
	return differences
}

// read reports whether the gateway surely read every register between two times: it did once a counter was read in two scans.
func (g *account) read(from, to time.Time) bool {
	first, last := to, from
	for _, at := range g.reads {
		if at.Before(from) || at.After(to) {
			continue
		}
		if at.Before(first) {
			first = at
		}
		if at.After(last) {
			last = at
		}
	}
	return last.Sub(first) > scanPeriod/2
}

// shownUntil returns until when the i-th value of the beating registers was surely shown.
func (p *plant) shownUntil(i int) time.Time {
	if i+1 < len(p.gone) {
		return p.gone[i+1]
	}
	return p.beaten[i].Add(time.Hour)
}

// explains reports whether the harness did something to gateway n that may cost a value shown at that time, and how long before.
func (r *Rig) explains(n int, at time.Time) (ok bool, early time.Duration) {
	for _, k := range slices.Concat(r.kills[n], r.away[n]) {
		from := k.at
		if k.hard {
			from = from.Add(-promised)
		}
		if at.Before(from.Add(-beatEvery)) || at.After(k.back.Add(restartTakes)) {
			continue
		}
		if before := max(0, k.at.Sub(at)); !ok || before < early {
			ok, early = true, before
		}
	}
	return ok, early
}

// restartTakes is how long a gateway may take from its start to its first reading.
const restartTakes = 5 * time.Second

// wasBad reports whether a beating register was declared bad about then.
func (g *account) wasBad(at time.Time) bool {
	return slices.ContainsFunc(g.bad, func(bad time.Time) bool { return bad.After(at.Add(-5*time.Second)) && bad.Before(at.Add(beatEvery)) })
}

// declares reports whether the cloud can tell that something is missing at that time: between an epoch's beginning and
// the next one's first sample, of which the gap's presence is judged by accounts, or since the value went bad.
func (g *account) declares(at time.Time) bool {
	if g.wasBad(at) {
		return true
	}
	for i, e := range g.order {
		if i+1 < len(g.order) && at.After(g.first[e].Add(-beatEvery)) && at.Before(g.first[g.order[i+1]]) {
			return true // a new epoch begins with a full report; what lay between is declared, or the gateway was away
		}
	}
	return false
}
