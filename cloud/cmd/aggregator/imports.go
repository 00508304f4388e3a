package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/courtside-edge/courtside/cloud/api"
)

func importCommand() *cobra.Command {
	f := &asker{client: http.Client{}} // a file of gigabytes takes its time
	age := api.MaxExportAge
	c := &cobra.Command{Use: "import FILE…", Short: "Take in what gateways exported to files that were carried here", Args: cobra.MinimumNArgs(1),
		Long: "import gives exports of gateways (gwctl spool export) to the running aggregator on this machine. Each is taken on the signature of its gateway's SVID\n" +
			"alone, which must have been valid when the export was made. What is here already is counted and left out.",
		RunE: func(c *cobra.Command, files []string) error {
			var all []error
			for _, file := range files {
				all = append(all, f.carry(c.Context(), c.OutOrStdout(), file, age))
			}
			return errors.Join(all...)
		}}
	f.flags(c)
	c.Flags().DurationVar(&age, "max-age", age, "how long ago an export may have been made, by the clock of its gateway")
	return c
}

// carry sends one file and says what became of it.
func (f *asker) carry(ctx context.Context, w io.Writer, path string, age time.Duration) error {
	if err := f.reach(); err != nil {
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("importing: %w", err)
	}
	defer file.Close()
	var got api.Imported
	if err := f.send(ctx, http.MethodPost, "/v1/import?max_age="+age.String(), file, &got); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	fmt.Fprintf(w, "%s: gateway %s of venue %s, made %s: %d batches taken in, %d were here already, %d refused\n", path, got.Gateway, got.Venue, got.Made.Format(time.RFC3339),
		got.Batches, got.Duplicates, got.Refused)
	switch {
	case got.Problem != "":
		return fmt.Errorf("%s: the rest was not read: %s", path, got.Problem)
	case got.Refused > 0:
		return fmt.Errorf("%s: %d records were refused, the first because: %s", path, got.Refused, got.Reason)
	}
	return nil
}
