package command

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/firmware/config"
	"github.com/courtside-edge/courtside/firmware/diag"
	"github.com/courtside-edge/courtside/firmware/gateway"
	"github.com/courtside-edge/courtside/sync/manual"
	"github.com/courtside-edge/courtside/sync/notify"
)

// DefaultFile is the configuration that is read unless another is named.
const DefaultFile = "/etc/courtside/gateway.yaml"

// Root returns the gateway's command line for the drivers of registry.
func Root(version string, registry drivers.Registry) *cobra.Command {
	c := &cobra.Command{Use: "gateway", Short: "Polls a venue's devices and sends what changed", SilenceUsage: true, SilenceErrors: true, Version: version}
	c.AddCommand(run(version, registry), check(registry), setupCommand(version, registry), probeCommand(registry), schema(), versionCommand(version))
	manual.Strict(c)
	return c
}

// reloadOnHangup reads the configuration again at each SIGHUP, until stop, which waits.
func reloadOnHangup(c *cobra.Command, g *gateway.Gateway, service *notify.Service) (stop func()) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range hangups {
			service.Reloading()
			_, _ = g.Reload(c.Context()) // which logs why not
			service.Ready(g.Summary())
		}
	}()
	return func() {
		signal.Stop(hangups)
		close(hangups)
		<-done
	}
}

// configFaults is a configuration that is refused; it ends the program with diag.ExitRefused.
type configFaults struct{ cause error }

func (f *configFaults) Error() string {
	if errors.Is(f.cause, os.ErrNotExist) && !strings.Contains(f.cause.Error(), "\n") {
		return f.cause.Error() + "; write one, or name another file; docs/configuration.md has an example"
	}
	return "the configuration has faults:\n" + f.cause.Error()
}

func (f *configFaults) Unwrap() []error { return []error{diag.ErrRefused, f.cause} }

func faults(err error) error { return &configFaults{err} }

func logger(w io.Writer, c config.Log) *slog.Logger {
	o := &slog.HandlerOptions{Level: c.Level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

func versionCommand(version string) *cobra.Command {
	return &cobra.Command{Use: "version", Short: "Print the version of this program; that of the gateway that runs is told by gwctl version", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(c.OutOrStdout(), "gateway", version)
			return err
		}}
}

func schema() *cobra.Command {
	return &cobra.Command{Use: "schema", Short: "Print the JSON Schema of the configuration file, for editors", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := c.OutOrStdout().Write(config.Schema())
			return err
		}}
}
