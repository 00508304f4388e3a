// Command gateway is what runs on the device: it polls, filters, batches, keeps and sends.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/courtside-edge/courtside/drivers/all"
	"github.com/courtside-edge/courtside/firmware/config"
	"github.com/courtside-edge/courtside/firmware/gateway"
)

// version is set by the linker.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := root().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "gateway:", err)
		os.Exit(1)
	}
}

func root() *cobra.Command {
	c := &cobra.Command{Use: "gateway", Short: "Polls a venue's devices and sends what changed", SilenceUsage: true, SilenceErrors: true, Version: version}
	c.AddCommand(runCommand(), checkCommand())
	return c
}

func runCommand() *cobra.Command {
	c := &cobra.Command{Use: "run", Short: "Run until told to stop", Args: cobra.NoArgs}
	path := c.Flags().StringP("config", "c", "/etc/courtside/gateway.yaml", "configuration file")
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := config.Load(*path, all.All())
		if err != nil {
			return fmt.Errorf("the configuration has faults:\n%w", err)
		}
		log := logger(cfg.Log)
		g, err := gateway.Start(c.Context(), cfg, gateway.Deps{Version: version, Log: log})
		if err != nil {
			return err
		}
		log.Info("gateway runs", "venue", cfg.Venue, "gateway", cfg.Gateway, "version", version, "devices", len(cfg.Devices), "points", len(cfg.Table))
		return g.Wait()
	}
	return c
}

func checkCommand() *cobra.Command {
	return &cobra.Command{Use: "check FILE…", Short: "Check configuration files without touching a device, and say everything that is wrong", Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, files []string) error {
			var faults []error
			for _, f := range files {
				cfg, err := config.Load(f, all.All())
				if err != nil {
					faults = append(faults, err)
					continue
				}
				fmt.Fprintf(c.OutOrStdout(), "%s: ok, %d devices, %d points\n", f, len(cfg.Devices), len(cfg.Table))
			}
			if err := errors.Join(faults...); err != nil {
				return fmt.Errorf("the configuration has faults:\n%w", err)
			}
			return nil
		}}
}

func logger(c config.Log) *slog.Logger {
	o := &slog.HandlerOptions{Level: c.Level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, o))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, o))
}
