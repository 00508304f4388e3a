// Command venuesim runs the simulated venue dal-001 and writes the configuration that fits it.
//
//	venuesim config --out DIR    writes the gateways' and the aggregator's configuration and the venue map
//	venuesim run                 serves the devices and the ground truth until it is interrupted
//
// Both take the same flags for ports and speed; given the same ones, what is written fits what runs.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// version is set by the linker.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := newCommand().ExecuteContext(ctx)
	interrupted := ctx.Err() != nil
	stop()
	if err != nil && !(interrupted && errors.Is(err, context.Canceled)) {
		fmt.Fprintln(os.Stderr, "venuesim:", err)
		os.Exit(1)
	}
}
