// Command gateway is what runs on the device: it polls, filters, batches, keeps and sends.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/courtside-edge/courtside/drivers/all"
	"github.com/courtside-edge/courtside/firmware/command"
	"github.com/courtside-edge/courtside/firmware/diag"
	"github.com/courtside-edge/courtside/sync/manual"
)

// version is set by the linker.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	root, man := command.Root(version, all.All()), manual.Command()
	man.Hidden = true // for packages
	root.AddCommand(man)
	err := root.ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "gateway:", err)
		os.Exit(int(diag.ExitOf(err)))
	}
}
