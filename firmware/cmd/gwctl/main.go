// Command gwctl asks the gateway on this device what works, what does not, why, and what to do next.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/courtside-edge/courtside/firmware/ctl"
	"github.com/courtside-edge/courtside/firmware/diag"
)

// version is set by the linker.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := ctl.Root(version).ExecuteContext(ctx)
	stop()
	if err == nil {
		return
	}
	if _, ok := errors.AsType[*exec.ExitError](err); !ok { // a child has said it itself
		fmt.Fprintln(os.Stderr, "gwctl:", err)
	}
	if errors.Is(err, diag.ErrUsage) {
		fmt.Fprintln(os.Stderr, "gwctl: see gwctl --help")
	}
	os.Exit(int(diag.ExitOf(err)))
}
