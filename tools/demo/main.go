// Command demo runs the whole of Courtside on one machine: a development authority, a simulated venue that
// speaks Modbus TCP and OPC UA, two gateways that share no device, and the aggregator with its page.
//
// Authority and venue live in this process; gateways and aggregator are the real programs, as their own
// processes. Ctrl-C ends everything and leaves nothing behind. With -seconds it ends by itself, compares what
// the cloud says with the ground truth, and exits 1 if they differ.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

type options struct {
	seconds   float64
	speed     float64
	seed      uint64
	bin       string
	api       string
	mosquitto string
	runner    string
	keep      string
	killAt    float64
	plain     bool
}

func main() {
	var o options
	flag.Float64Var(&o.seconds, "seconds", 0, "length of the event in real seconds; then a verdict; 0 runs until Ctrl-C")
	flag.Float64Var(&o.speed, "speed", 60, "simulated time by real time")
	flag.Uint64Var(&o.seed, "seed", 1, "of the crowd")
	flag.StringVar(&o.bin, "bin", "bin", "folder of the programs (make build)")
	flag.StringVar(&o.api, "api", "127.0.0.1:8080", "where the page and the API listen; a free port when this one is taken")
	flag.StringVar(&o.mosquitto, "mosquitto", "", "run this mosquitto as the broker instead of the embedded one")
	flag.StringVar(&o.runner, "gateway-runner", "", "run the gateways through this program, such as qemu-arm-static")
	flag.StringVar(&o.keep, "keep", "", "keep configuration, logs and data in this folder")
	flag.Float64Var(&o.killAt, "kill-at", 0, "kill the aggregator with SIGKILL after this share of the event (0.5: half-way) and start it again")
	flag.BoolVar(&o.plain, "plain", false, "print a line now and then instead of a screen")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o)
	stop()
	switch {
	case errors.Is(err, errDiffers):
		os.Exit(1)
	case err != nil && !errors.Is(err, context.Canceled):
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(2)
	}
}

// errDiffers is the verdict that nobody wants; the table above it says where.
var errDiffers = errors.New("the cloud differs from the ground truth")

func run(ctx context.Context, o options) (err error) {
	dir, cleanup, err := folder(o.keep)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil && !errors.Is(err, context.Canceled) && o.keep == "" {
			fmt.Fprintf(os.Stderr, "logs are kept in %s\n", dir)
			return
		}
		cleanup()
	}()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := openSite(ctx, dir, o)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.startPrograms(ctx, o.bin); err != nil {
		return err
	}
	return s.watch(ctx, newScreen(o.plain))
}

// watch shows live figures until the event ends or somebody stops it.
func (s *site) watch(ctx context.Context, screen *screen) error {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	final := make(chan error, 1)
	go func() { final <- s.sim.Wait(ctx) }()
	killed := s.options.killAt <= 0
	for {
		select {
		case <-ctx.Done():
			screen.end("stopping")
			return ctx.Err()
		case err := <-s.failed:
			return err
		case err := <-final:
			if err != nil {
				return err
			}
			if s.options.seconds > 0 {
				return s.judge(ctx, screen)
			}
			final = nil // the house is empty; the page stays up until Ctrl-C
		case <-tick.C:
			screen.draw(s)
			st := s.sim.State()
			if !killed && st.SimulatedSeconds > s.options.killAt*st.EventSeconds {
				killed = true
				screen.note("aggregator killed with SIGKILL half-way and started again")
				if err := s.restartAggregator(ctx); err != nil {
					return err
				}
			}
		}
	}
}
