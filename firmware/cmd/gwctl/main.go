// Command gwctl asks the gateway on this device what works, what does not, and why.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/courtside-edge/courtside/firmware/diag"
)

// version is set by the linker.
var version = "dev"

// The exit codes, by kind of failure.
const (
	exitFailed     = 1
	exitNotRunning = 3
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := root().ExecuteContext(ctx)
	stop()
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "gwctl:", err)
	var child *exec.ExitError
	switch {
	case errors.Is(err, diag.ErrNotRunning):
		os.Exit(exitNotRunning)
	case errors.As(err, &child):
		os.Exit(child.ExitCode())
	}
	os.Exit(exitFailed)
}

func root() *cobra.Command {
	c := &cobra.Command{Use: "gwctl", Short: "Asks the gateway on this device", SilenceUsage: true, SilenceErrors: true, Version: version}
	c.AddCommand(statusCommand(), checkCommand(), versionCommand())
	return c
}

func statusCommand() *cobra.Command {
	c := &cobra.Command{Use: "status", Short: "The gateway on one screen", Args: cobra.NoArgs}
	socket := c.Flags().String("socket", filepath.Join("/var/lib/courtside", diag.SocketName), "the gateway's socket: gateway.sock in its data_dir")
	output := c.Flags().StringP("output", "o", "text", "text or json")
	c.RunE = func(c *cobra.Command, _ []string) error {
		s, err := diag.NewClient(*socket).Status(c.Context())
		if err != nil {
			return err
		}
		if *output == "json" {
			e := json.NewEncoder(c.OutOrStdout())
			e.SetIndent("", "  ")
			return e.Encode(s)
		}
		return writeStatus(c.OutOrStdout(), s)
	}
	return c
}

// checkCommand runs the gateway's own check, so that both can never disagree and gwctl needs no driver.
func checkCommand() *cobra.Command {
	return &cobra.Command{Use: "check FILE…", Short: "Check configuration files without touching a device", Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, files []string) error {
			program, err := gatewayProgram()
			if err != nil {
				return err
			}
			run := exec.CommandContext(c.Context(), program, append([]string{"check"}, files...)...)
			run.Stdout, run.Stderr = c.OutOrStdout(), c.ErrOrStderr()
			return run.Run()
		}}
}

// gatewayProgram finds the gateway beside this program, or on the path.
func gatewayProgram() (string, error) {
	if self, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(self), "gateway")
		if _, err := os.Stat(beside); err == nil {
			return beside, nil
		}
	}
	path, err := exec.LookPath("gateway")
	if err != nil {
		return "", fmt.Errorf("the gateway program is neither beside gwctl nor on the path: %w", err)
	}
	return path, nil
}

func versionCommand() *cobra.Command {
	return &cobra.Command{Use: "version", Short: "The version of this program", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(c.OutOrStdout(), version)
			return err
		}}
}
