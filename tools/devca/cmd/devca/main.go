// Devca runs a development authority until it is interrupted:
//
//	devca -dir /tmp/devca -trust-domain courtside.test /aggregator /venue/dal-001/gateway/gw-north
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/tools/devca"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run serves the identities that args name until ctx ends. It writes a line for each to out, and logs to diag.
func run(ctx context.Context, args []string, out, diag io.Writer) error {
	flags := flag.NewFlagSet("devca", flag.ContinueOnError)
	flags.SetOutput(diag)
	dir := flags.String("dir", "", "folder for the authority, sockets and PEM files")
	domain := flags.String("trust-domain", "courtside.test", "trust domain")
	life := flags.Duration("life", devca.DefaultLife, "life of an SVID; it is rotated at half")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *dir == "" || flags.NArg() == 0 {
		return errors.New("devca: name a folder with -dir, and SPIFFE paths such as /aggregator or /venue/dal-001/gateway/gw-north")
	}
	authority, err := devca.Open(devca.Config{Dir: *dir, TrustDomain: *domain, Life: *life, Log: slog.New(slog.NewTextHandler(diag, nil))})
	if err != nil {
		return err
	}
	defer func() { _ = authority.Close() }() // the process ends
	for _, path := range flags.Args() {
		id, err := identity.ParseID("spiffe://" + *domain + path)
		if err != nil {
			return fmt.Errorf("devca: %w", err)
		}
		e, err := authority.Add(id)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(out, "%s %s\n", e.ID, e.WorkloadAPI); err != nil {
			return fmt.Errorf("devca: %w", err)
		}
	}
	authority.Run(ctx)
	return nil
}
