// Command faults runs scenarios of faults against real gateways and a real aggregator, and judges the cloud by the ground truth.
package main

import (
	"context"
	"flag"
	"fmt"
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
	keep := flag.String("keep", "", "keep configuration, logs and data in this folder")
	quiet := flag.Bool("q", false, "do not print each step")
	flag.Usage = func() {
		fmt.Fprintf(os.Stderr, "faults [flags] SCENARIO.yaml…\nfaults [flags] -soak MINUTES\n")
		flag.PrintDefaults()
	}
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	scenarios, err := choose(*minutes, *seed, *gateways, flag.Args())
	equal := true
	for i := 0; i < len(scenarios) && err == nil; i++ {
		var ok bool
		ok, err = run(ctx, scenarios[i], *bin, *keep, *quiet)
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

// choose returns the scenarios that the flags ask for.
func choose(minutes float64, seed uint64, gateways int, files []string) ([]faults.Scenario, error) {
	if minutes > 0 {
		if seed == 0 {
			seed = rand.Uint64N(1_000_000) + 1
		}
		fmt.Printf("seed %d\n", seed)
		return []faults.Scenario{faults.Random(seed, time.Duration(minutes*float64(time.Minute)), gateways)}, nil
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("name a scenario file, or use -soak")
	}
	var all []faults.Scenario
	for _, f := range files {
		s, err := faults.Load(f)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// run runs one scenario in a folder that is kept only when the verdict is not the wanted one.
func run(ctx context.Context, s faults.Scenario, bin, keep string, quiet bool) (equal bool, err error) {
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
	v, err := faults.Run(ctx, s, o)
	if err != nil {
		return false, fmt.Errorf("seed %d: %w", s.Seed, err)
	}
	v.Print(os.Stdout)
	return v.Equal(), nil
}
