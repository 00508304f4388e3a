package faults

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"syscall"
	"time"

	"github.com/courtside-edge/courtside/sync/faulttest"
)

// settlePatience is how long the cloud may take to hold everything after the last fault: the longest pause before a new
// connection, the longest timeout of a lost ack, and room for a busy machine.
const settlePatience = 150 * time.Second

// quietBefore is how long the venue stands still before the verdict, so that every register is read.
const quietBefore = time.Second

// Verdict is what a scenario came to.
type Verdict struct {
	Scenario     Scenario
	Took, Settle time.Duration // the steps; from the last fault until the cloud was right
	Kills, Cuts  int
	Connections  int      // that were made through the links
	Differences  []string // from the ground truth; none is what everybody wants
	Audit        Audit
}

// Equal reports whether the cloud is right.
func (v *Verdict) Equal() bool { return len(v.Differences) == 0 }

// maxPrinted bounds the differences that are printed.
const maxPrinted = 30

// Print writes the verdict for people.
func (v *Verdict) Print(w io.Writer) {
	fmt.Fprintf(w, "scenario %q, seed %d: %d gateways, %d kills, %d cuts, %d connections in %v; settled after %v\n", v.Scenario.Name, v.Scenario.Seed,
		v.Scenario.Gateways, v.Kills, v.Cuts, v.Connections, v.Took.Round(time.Second), v.Settle.Round(100*time.Millisecond))
	v.Audit.print(w)
	printDifferences(w, v.Differences, v.Scenario.Seed)
}

// printDifferences ends what is printed of a verdict.
func printDifferences(w io.Writer, differences []string, seed uint64) {
	for i, d := range differences {
		if i == maxPrinted {
			fmt.Fprintf(w, "  and %d more\n", len(differences)-i)
			break
		}
		fmt.Fprintln(w, "  "+d)
	}
	word := "equal"
	if len(differences) > 0 {
		word = "DIFFERENT"
	}
	fmt.Fprintf(w, "verdict: %s (seed %d)\n", word, seed)
}

// Run runs one scenario. An error means that there is no verdict: something could not be started, or a program ended by itself.
func Run(ctx context.Context, s Scenario, o Options) (v Verdict, err error) {
	v = Verdict{Scenario: s, Kills: s.Count(Kills()...), Cuts: s.Count(Cuts()...)}
	r, err := open(ctx, &s, o)
	if err != nil {
		return v, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	began := time.Now()
	if err := r.play(ctx, &s); err != nil {
		return v, err
	}
	v.Took = time.Since(began)
	if err := r.settle(ctx, &v); err != nil {
		return v, err
	}
	for _, l := range r.links {
		v.Connections += l.Stats().Connections
	}
	return v, r.audit(&v)
}

// settle lets the venue stand still and waits until the cloud is right or patience ends.
func (r *Rig) settle(ctx context.Context, v *Verdict) error {
	for _, l := range r.links {
		l.Set(faulttest.Link{})
	}
	began := time.Now()
	r.freeze()
	r.moving.Wait()
	if err := r.pause(ctx, quietBefore, nil); err != nil {
		return err
	}
	for {
		differences, err := r.compare()
		v.Settle = time.Since(began)
		if err == nil && len(differences) == 0 {
			return nil
		}
		if v.Settle > settlePatience {
			v.Differences = append(v.Differences, differences...)
			return err
		}
		if err := r.pause(ctx, 250*time.Millisecond, nil); err != nil {
			return err
		}
	}
}

// audit ends the programs in order and reads the log that is left.
func (r *Rig) audit(v *Verdict) error {
	for _, g := range r.gateways {
		if !g.End(syscall.SIGTERM) {
			v.Differences = append(v.Differences, g.Name+" did not stop when asked to")
		}
	}
	if !r.aggregator.End(syscall.SIGTERM) {
		v.Differences = append(v.Differences, "the aggregator did not stop when asked to")
	}
	l, err := readLog(filepath.Join(r.dir, "aggregator", "log"), &v.Audit)
	if err != nil {
		return err
	}
	for _, g := range l.gateways {
		v.Differences = append(v.Differences, g.accounts(&v.Audit)...)
	}
	for n, p := range r.plants {
		g := l.gateways[gatewayID(n)]
		if g == nil {
			v.Differences = append(v.Differences, fmt.Sprintf("the log has nothing of gateway %d", n))
			continue
		}
		v.Differences = append(v.Differences, g.counters(p)...)
		v.Differences = append(v.Differences, g.beats(r, n, &v.Audit)...)
	}
	return nil
}
