package ctl

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/spf13/cobra"
)

// checkCommand runs the gateway's own check, so that both can never disagree and gwctl needs no driver.
func checkCommand(o *asker) *cobra.Command {
	return &cobra.Command{Use: "check FILE…", Short: "Check configuration files without touching a device", Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, files []string) error {
			return runGateway(c, append([]string{"check", "--output", o.output, "--"}, files...))
		}}
}

// probeCommand runs the gateway's own probe; every argument is the gateway's to judge.
func probeCommand() *cobra.Command {
	return &cobra.Command{Use: "probe modbus|opcua|gpio|i2c …", Short: "Ask a device by hand: read, browse, search units and addresses, one value in all word orders",
		Long: "probe asks a device by hand, through the gateway's own driver; it only reads. It needs no running gateway. Everything behind it goes to\n" +
			"`gateway probe`; see `gwctl probe modbus --help` and so on.",
		Example:            "  gwctl probe modbus 192.168.1.10:502 --units 1-20\n  gwctl probe modbus 192.168.1.10:502 --value 100\n  gwctl probe opcua opc.tcp://192.168.1.20:4840",
		DisableFlagParsing: true,
		RunE:               func(c *cobra.Command, args []string) error { return runGateway(c, append([]string{"probe"}, args...)) }}
}

func runGateway(c *cobra.Command, args []string) error {
	program, err := gatewayProgram()
	if err != nil {
		return err
	}
	run := exec.CommandContext(c.Context(), program, args...)
	run.Stdout, run.Stderr = c.OutOrStdout(), c.ErrOrStderr()
	return run.Run()
}

// gatewayProgram finds the gateway beside this program, or on the path.
func gatewayProgram() (string, error) {
	if self, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(self), "gateway")
		if s, err := os.Stat(beside); err == nil && s.Mode().IsRegular() {
			return beside, nil
		}
	}
	path, err := exec.LookPath("gateway")
	if err != nil {
		return "", fmt.Errorf("the gateway program is neither beside gwctl nor on the path: %w", err)
	}
	return path, nil
}
