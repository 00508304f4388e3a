// Command loadgen runs the real gateway with a generator in the driver's place, against a real aggregator.
//
//	loadgen config --out DIR       writes gateway.yaml, aggregator.yaml and the venue map
//	loadgen run --config FILE      runs until told to stop: a line of figures a second, and at the end all of them as JSON
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/courtside-edge/courtside/firmware/config"
	"github.com/courtside-edge/courtside/tools/loadgen"
)

// version is set by the linker.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := root().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "loadgen:", err)
		os.Exit(1)
	}
}

func root() *cobra.Command {
	c := &cobra.Command{Use: "loadgen", Short: "The real gateway with a generator in the driver's place", SilenceUsage: true, SilenceErrors: true, Version: version}
	c.AddCommand(runCommand(), configCommand())
	return c
}

func configCommand() *cobra.Command {
	var s loadgen.Site
	c := &cobra.Command{Use: "config", Short: "Write the files of gateway and aggregator, and the venue map", Args: cobra.NoArgs}
	f := c.Flags()
	out := f.String("out", "", "folder to write into")
	f.IntVar(&s.Points, "points", loadgen.DefaultPoints, "how many points: the arena's seats, then generic ones")
	f.Float64Var(&s.Rate, "rate", 0, "readings a second; 0 for as many as the spool takes")
	f.IntVar(&s.Block, "block", 0, "readings in a block; 0 for a block a millisecond")
	f.Uint64Var(&s.Seed, "seed", 1, "of the crowd")
	f.BoolVar(&s.NoProbes, "no-probes", false, "without the device whose points hold the wall clock")
	f.StringVar(&s.TrustDomain, "trust-domain", "courtside.test", "")
	f.StringVar(&s.CertFile, "cert-file", "", "PEM file; {name} stands for aggregator or "+loadgen.Gateway)
	f.StringVar(&s.KeyFile, "key-file", "", "likewise")
	f.StringVar(&s.BundleFile, "bundle-file", "", "likewise")
	f.StringVar(&s.WorkloadAPI, "workload-api", "", "address of the Workload API when there are no files; {name} likewise")
	f.StringVar(&s.DataDir, "data-dir", "", "below it, one folder each")
	f.StringVar(&s.BrokerListen, "broker", "127.0.0.1:8883", "where the aggregator's broker listens")
	f.StringVar(&s.APIListen, "api", "127.0.0.1:8080", "where the aggregator's API listens")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *out == "" {
			return errors.New("--out is missing: name the folder to write into")
		}
		files, err := s.Write(*out)
		if err == nil {
			fmt.Fprintf(c.OutOrStdout(), "%s\n%s\n%s\n", files.Gateway, files.Aggregator, files.Map)
		}
		return err
	}
	return c
}

func runCommand() *cobra.Command {
	c := &cobra.Command{Use: "run", Short: "Run until told to stop", Args: cobra.NoArgs}
	path := c.Flags().StringP("config", "c", "", "the gateway's configuration, of devices with driver: "+loadgen.DriverName)
	length := c.Flags().Duration("for", 0, "stop by itself after this long; 0 for never")
	warmup := c.Flags().Duration("warmup", 2*time.Second, "round trips are not counted before")
	hold := c.Flags().Int64("hold", loadgen.DefaultHold, "bytes in the spool at which a generator at \"max\" waits")
	asJSON := c.Flags().Bool("json", false, "a JSON object a second instead of a line")
	var p profiles
	c.Flags().StringVar(&p.cpu, "cpuprofile", "", "write a CPU profile of the run into this file")
	c.Flags().StringVar(&p.memory, "memprofile", "", "write a profile of the heap, as it is when the stop begins, into this file")
	c.RunE = func(c *cobra.Command, _ []string) (err error) {
		ctx := c.Context()
		if *length > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, *length)
			defer cancel()
		}
		control := loadgen.NewControl(*hold)
		cfg, err := config.Load(*path, loadgen.Registry(control))
		if err != nil {
			return fmt.Errorf("the configuration has faults:\n%w", err)
		}
		stopped, err := p.start(ctx)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, stopped()) }()
		log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: cfg.Log.Level}))
		final, err := loadgen.Run(ctx, loadgen.Options{Config: cfg, Control: control, Version: version, Log: log, Warmup: *warmup,
			Report: report(c.OutOrStdout(), *asJSON)})
		if err != nil {
			return err
		}
		return json.NewEncoder(c.OutOrStdout()).Encode(final)
	}
	return c
}

// report prints figures as they come. A reader who has gone is nobody to tell.
func report(out io.Writer, asJSON bool) func(now, before loadgen.Figures) {
	if asJSON {
		enc := json.NewEncoder(out)
		return func(now, _ loadgen.Figures) { _ = enc.Encode(now) }
	}
	return func(now, before loadgen.Figures) { fmt.Fprintln(out, now.Line(before)) }
}
