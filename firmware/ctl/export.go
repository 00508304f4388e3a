package ctl

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/courtside-edge/courtside/firmware/diag"
)

func exportCommand(o *asker) *cobra.Command {
	return &cobra.Command{Use: "export FILE", Short: "Write what waits for the cloud to a file that can be carried there by hand", Args: cobra.ExactArgs(1),
		Long: "export writes every batch that the spool holds to FILE, signed by the gateway's SVID, with its chain. `aggregator import FILE` takes it in on that\n" +
			"alone. Nothing leaves the spool: what was imported is acknowledged when the gateway is next connected, and nothing counts twice.\n" +
			"Nobody may change the file unseen, but whoever has it can read it.",
		Example: "  gwctl spool export /media/stick/gw-north.export\n  aggregator import /media/stick/gw-north.export    # at the cloud's end",
		RunE: func(c *cobra.Command, args []string) error {
			out, err := exportTo(c.Context(), o.client(), args[0])
			if err != nil {
				return err
			}
			return o.print(c.OutOrStdout(), out, func(w io.Writer) error {
				fmt.Fprintf(w, "%d batches, %s, written to %s\n", out.Batches, size(int64(out.Bytes)), args[0])
				if out.Unread > 0 {
					fmt.Fprintf(w, "%d batches could not be read and stay in the spool; see gwctl logs\n", out.Unread)
				}
				_, err := fmt.Fprintf(w, "next: carry it to the aggregator's machine and run: aggregator import %s\n", filepath.Base(args[0]))
				return err
			})
		}}
}

// exportTo writes the file in one step: an export is whole, and on the medium, or not there.
func exportTo(ctx context.Context, client *diag.Client, path string) (out diag.Export, err error) {
	part := filepath.Clean(path) + ".part"
	f, err := os.OpenFile(part, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return out, fmt.Errorf("writing the export: %w", err)
	}
	defer func() {
		if err != nil {
			_ = f.Close() // closed already, or of no use
			_ = os.Remove(part)
		}
	}()
	w := bufio.NewWriterSize(f, 1<<20)
	if out, err = client.Export(ctx, w); err != nil {
		return out, err
	}
	for _, step := range []func() error{w.Flush, f.Sync, f.Close, func() error { return os.Rename(part, path) }} {
		if err = step(); err != nil {
			return out, fmt.Errorf("writing the export: %w", err)
		}
	}
	return out, nil
}
