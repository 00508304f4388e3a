package gwctltest

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"

	"github.com/courtside-edge/courtside/drivers/all"
	"github.com/courtside-edge/courtside/firmware/command"
	"github.com/courtside-edge/courtside/firmware/ctl"
	"github.com/courtside-edge/courtside/firmware/diag"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"gwctl":   func() { program(ctl.Root("v1-test")) },
		"gateway": func() { program(command.Root("v1-test", all.All())) },
	})
}

// program is what the mains do.
func program(c *cobra.Command) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := c.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, c.Name()+":", err)
		os.Exit(int(diag.ExitOf(err)))
	}
}

func TestScripts(t *testing.T) { testscript.Run(t, params(t)) }

func params(t *testing.T) testscript.Params {
	return testscript.Params{Dir: "testdata/script", RequireExplicitExec: true, Setup: setup, WorkdirRoot: shortRoot(t), Condition: condition,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"gateway-start": gatewayStart, "gateway-stop": gatewayStop, "svid": svid, "plc": plc, "await": await, "ends": ends, "old-broker": oldBroker, "aggregator-start": aggregatorStart,
			"cloud": cloud, "import": imports, "fault": fault, "screen": screen, "step": step, "collector": collector, "traced": traced, "serial": serial, "absent": absent, "small-disk": smallDisk, "fill-disk": fillDisk, "open-socket": openSocket,
		}}
}

// condition knows [mounts]: this process may mount a small disk.
func condition(name string) (bool, error) {
	if name != "mounts" {
		return false, fmt.Errorf("there is no condition %q", name)
	}
	dir, err := os.MkdirTemp("", "mounts")
	if err != nil {
		return false, err
	}
	defer os.Remove(dir)
	if syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m") != nil {
		return false, nil
	}
	return true, syscall.Unmount(dir, 0)
}

// shortRoot is a folder with a short name: Unix sockets lie below it.
func shortRoot(t *testing.T) string {
	dir, err := os.MkdirTemp("", "gw")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { // one script asks as another user
		t.Fatal(err)
	}
	return dir
}
