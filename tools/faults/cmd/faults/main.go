// Command faults runs scenarios of faults against real gateways and a real aggregator, and judges the cloud by the ground truth.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/courtside-edge/courtside/tools/faults"
)

func main() {
	bin := flag.String("bin", "bin", "folder of the programs (make build)")
	minutes := flag.Float64("soak", 0, "run a random scenario for so many minutes instead of files")
	seed := flag.Uint64("seed", 0, "of the random scenario; 0 draws one")
	gateways := flag.Int("gateways", 2, "of the random scenario")
	gates := flag.Float64("gates", 0, "run the simulated arena, whose gates have rings, for so many minutes instead of files")
	slots := flag.Int("slots", 0, "of each gate's ring, a power of two; 0 for the usual")
	small := flag.Bool("too-small", false, "the rings are meant to be overrun: what is declared lost has to make up for what is missing")
	keep := flag.String("keep", "", "keep configuration, logs and data in this folder")
	quiet := flag.Bool("q", false, "do not print each step")
	flag.Usage = func() {
		fmt.Fprintf(os.Stderr, "faults [flags] SCENARIO.yaml…\nfaults [flags] -soak MINUTES\nfaults [flags] -gates MINUTES\n")
		flag.PrintDefaults()
	}
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	runs, err := choose(*minutes, *seed, *gateways, flag.Args())
	if *gates > 0 {
		runs, err = []judged{gatesRun(faults.Gates{Seed: seeded(*seed), Length: time.Duration(*gates * float64(time.Minute)), Slots: *slots, TooSmall: *small})}, nil
	}
	equal := true
	for i := 0; i < len(runs) && err == nil; i++ {
		var ok bool
		ok, err = run(ctx, runs[i], *bin, *keep, *quiet)
		equal = equal && ok
	}
	stop()
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "faults:", err)
		os.Exit(2)
	case !equal:
		os.Exit(1)
	}
}

// verdict is what a run came to.
type verdict interface {
	Equal() bool
	Print(io.Writer)
}

// judged is something that runs and ends with a verdict.
type judged func(context.Context, faults.Options) (verdict, error)

func scenarioRun(s faults.Scenario) judged {
	return func(ctx context.Context, o faults.Options) (verdict, error) {
		v, err := faults.Run(ctx, s, o)
		return &v, seedError(s.Seed, err)
	}
}

func gatesRun(g faults.Gates) judged {
	return func(ctx context.Context, o faults.Options) (verdict, error) {
		v, err := faults.RunGates(ctx, g, o)
		return &v, seedError(g.Seed, err)
	}
}

// seedError says what repeats a run that has no verdict.
func seedError(seed uint64, err error) error {
	if err != nil {
		return fmt.Errorf("seed %d: %w", seed, err)
	}
	return nil
}

// seeded returns the seed, or draws one for 0, and prints it.
func seeded(seed uint64) uint64 {
	if seed == 0 {
		seed = rand.Uint64N(1_000_000) + 1
	}
	fmt.Printf("seed %d\n", seed)
	return seed
}

// choose returns the scenarios that the flags ask for.
func choose(minutes float64, seed uint64, gateways int, files []string) ([]judged, error) {
	if minutes > 0 {
		return []judged{scenarioRun(faults.Random(seeded(seed), time.Duration(minutes*float64(time.Minute)), gateways))}, nil
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("name a scenario file, or use -soak or -gates")
	}
	var all []judged
	for _, f := range files {
		s, err := faults.Load(f)
		if err != nil {
			return nil, err
		}
		all = append(all, scenarioRun(s))
	}
	return all, nil
}

// run runs something in a folder that is kept only when the verdict is not the wanted one.
func run(ctx context.Context, what judged, bin, keep string, quiet bool) (equal bool, err error) {
	dir := keep
	if dir == "" {
		if dir, err = os.MkdirTemp("", "courtside-faults-"); err != nil {
			return false, err
		}
		defer func() {
			if equal {
				_ = os.RemoveAll(dir) // nothing in it is worth a complaint
				return
			}
			fmt.Printf("everything is kept in %s\n", dir)
		}()
	}
	o := faults.Options{Dir: dir, Gateway: faults.Command{Path: filepath.Join(bin, "gateway")}, Aggregator: faults.Command{Path: filepath.Join(bin, "aggregator")}}
	if !quiet {
		o.Out = os.Stdout
	}
	v, err := what(ctx, o)
	if err != nil {
		return false, err
	}
	v.Print(os.Stdout)
	return v.Equal(), nil
}
