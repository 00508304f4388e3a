package ctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/courtside-edge/courtside/firmware/diag"
)

func doctorCommand(o *asker) *cobra.Command {
	c := &cobra.Command{Use: "doctor", Short: "Check everything, and say what fails, the likely cause and the next step", Args: cobra.NoArgs}
	all := c.Flags().Bool("all", false, "show what is in order too")
	c.RunE = func(c *cobra.Command, _ []string) error {
		findings := examine(c.Context(), o.client(), o.socket)
		err := o.print(c.OutOrStdout(), findings, func(w io.Writer) error { return writeFindings(w, findings, *all) })
		if err != nil {
			return err
		}
		var failed []string
		for _, f := range findings {
			if f.Grade == diag.Fail {
				failed = append(failed, f.Check)
			}
		}
		if len(failed) > 0 {
			return fmt.Errorf("%w: %s", diag.ErrFindings, strings.Join(failed, ", "))
		}
		return nil
	}
	return c
}

// examine asks the gateway for its findings; a gateway that cannot be asked is one.
func examine(ctx context.Context, client *diag.Client, socket string) []diag.Finding {
	findings, err := client.Doctor(ctx)
	switch {
	case err == nil:
		return append([]diag.Finding{{Check: "gateway", Grade: diag.OK, Saw: "it runs and answers"}}, findings...)
	case errors.Is(err, diag.ErrNotRunning):
		return []diag.Finding{{Check: "gateway", Grade: diag.Fail, Saw: err.Error(), Cause: "the gateway does not run, or its data_dir is another than that of " + socket,
			Next: "systemctl status courtside-gateway; journalctl -u courtside-gateway -n 50; gwctl check FILE says whether its configuration has faults; --socket names another socket"}}
	case errors.Is(err, diag.ErrNotPermitted):
		return []diag.Finding{{Check: "gateway", Grade: diag.Fail, Saw: err.Error(), Cause: "the gateway runs, but this user may not ask it",
			Next: "use sudo, or: usermod -aG " + diag.Group + " USER, then log in again"}}
	}
	return []diag.Finding{{Check: "gateway", Grade: diag.Fail, Saw: err.Error(), Cause: "the gateway runs, but does not answer as it should",
		Next: "journalctl -u courtside-gateway -n 50; is gwctl of the same version?"}}
}

func writeFindings(w io.Writer, findings []diag.Finding, all bool) error {
	grades := map[diag.Grade]int{}
	for _, f := range findings {
		grades[f.Grade]++
		if f.Grade == diag.OK && !all {
			continue
		}
		fmt.Fprintf(w, "%-5s %s: %s\n", strings.ToUpper(string(f.Grade)), f.Check, f.Saw)
		if f.Cause != "" {
			fmt.Fprintf(w, "      cause  %s\n", f.Cause)
		}
		if f.Next != "" {
			fmt.Fprintf(w, "      next   %s\n", f.Next)
		}
	}
	_, err := fmt.Fprintf(w, "%d checks: %d in order, %d warnings, %d failed, %d skipped\n", len(findings), grades[diag.OK], grades[diag.Warn], grades[diag.Fail], grades[diag.Skip])
	return err
}
