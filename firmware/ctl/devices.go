package ctl

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/courtside-edge/courtside/firmware/diag"
)

func devicesCommand(o *asker) *cobra.Command {
	return &cobra.Command{Use: "devices", Short: "Devices, their connections and scan classes", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := o.client().Status(c.Context())
			if err != nil {
				return err
			}
			if s.Waiting != "" {
				return fmt.Errorf("%w: the gateway waits for its configuration: %s", diag.ErrRefused, s.Waiting)
			}
			return o.print(c.OutOrStdout(), s.Devices, func(w io.Writer) error { return writeDevices(w, s.Devices) })
		}}
}

func writeDevices(w io.Writer, devices []diag.Device) error {
	for i, d := range devices {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%s (%s)  %s for %s, %d points, %d of them bad, %d connections failed\n", d.Device, d.Driver, d.State, ago(time.Since(d.Since)), d.Points, d.Bad, d.Failures)
		if d.Cause != "" {
			fmt.Fprintf(w, "  cause        %s\n", oneLine(d.Cause))
		}
		last := "never"
		if !d.LastAnswer.IsZero() {
			last = ago(time.Since(d.LastAnswer)) + " ago"
		}
		fmt.Fprintf(w, "  last answer  %s; %d values read, %d reported\n", last, d.Values, d.Passed)
		if err := writeClasses(w, d.Classes); err != nil {
			return err
		}
	}
	return nil
}

func writeClasses(w io.Writer, classes []diag.Class) error {
	return table(w, func(t io.Writer) {
		for _, c := range classes {
			fmt.Fprintf(t, "  class %s\tevery %s\t%d scans\t%s last, %s mean, %s worst\t%d overruns\n", c.Name, c.Period, c.Scans, short(c.Latency), short(c.Mean), short(c.MaxLatency), c.Overruns)
		}
	})
}

// short writes a latency with three figures.
func short(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < time.Second:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}

func planCommand(o *asker) *cobra.Command {
	return &cobra.Command{Use: "plan DEVICE", Short: "The requests that a device's polling plan makes, what they waste, and how long they take", Args: cobra.ExactArgs(1),
		ValidArgsFunction: o.completeDevices,
		RunE: func(c *cobra.Command, args []string) error {
			p, err := o.client().Plan(c.Context(), args[0])
			if err != nil {
				return err
			}
			return o.print(c.OutOrStdout(), p, func(w io.Writer) error { return writePlan(w, p) })
		}}
}

func writePlan(w io.Writer, p diag.Plan) error {
	if len(p.Lines) == 0 {
		fmt.Fprintf(w, "%s: its driver, %s, makes no plan: the device reports by itself, or is read as a whole\n", p.Device, p.Driver)
	}
	for _, l := range append(p.Lines, p.Stats...) {
		fmt.Fprintln(w, l)
	}
	fmt.Fprintln(w, "measured:")
	return writeClasses(w, p.Scans)
}

// completeDevices offers the running gateway's devices to the shell.
func (o *asker) completeDevices(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	s, err := o.client().Status(c.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, d := range s.Devices {
		names = append(names, d.Device)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
