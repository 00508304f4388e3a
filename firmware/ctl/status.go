package ctl

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/courtside-edge/courtside/firmware/diag"
)

func statusCommand(o *asker) *cobra.Command {
	return &cobra.Command{Use: "status", Short: "The gateway on one screen", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := o.client().Status(c.Context())
			if err != nil {
				return err
			}
			return o.print(c.OutOrStdout(), s, func(w io.Writer) error { return writeStatus(w, s) })
		}}
}

func versionCommand(o *asker) *cobra.Command {
	return &cobra.Command{Use: "version", Short: "The versions of this program and of the gateway that runs", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			v := struct {
				Gwctl   string `json:"gwctl"`
				Gateway string `json:"gateway,omitempty"`
			}{Gwctl: o.version}
			if s, err := o.client().Status(c.Context()); err == nil { // it works without a gateway too
				v.Gateway = s.Version
			}
			return o.print(c.OutOrStdout(), v, func(w io.Writer) error {
				gateway := v.Gateway
				if gateway == "" {
					gateway = "none answers"
				}
				_, err := fmt.Fprintf(w, "gwctl    %s\ngateway  %s\n", v.Gwctl, gateway)
				return err
			})
		}}
}

// writeStatus writes the status for people, 80 columns wide where names allow.
func writeStatus(w io.Writer, s diag.Status) error {
	if s.Waiting != "" {
		_, err := fmt.Fprintf(w, "WAITING  version %s (%s), up %s\n%s\n", s.Version, s.Platform, time.Since(s.Since).Round(time.Second), s.Waiting)
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s/%s  version %s (%s), up %s, %.1f MB resident, %.1f %% of a processor\n", s.Venue, s.Gateway, s.Version, s.Platform, time.Since(s.Since).Round(time.Second), float64(s.RSSBytes)/1e6,
		100*s.CPU.Seconds()/max(time.Since(s.Since).Seconds(), 1))
	fmt.Fprintf(&b, "epoch %.8s, %d points, table %.8s, clock %s ± %s\n", s.Epoch, s.Points, s.Table, s.Clock.Source, s.Clock.Uncertainty.Round(time.Millisecond))
	if s.Identity.Error != "" {
		fmt.Fprintf(&b, "identity  NONE: %s\n", s.Identity.Error)
	} else {
		fmt.Fprintf(&b, "identity  %s, %s\n", s.Identity.ID, validity(s.Identity.NotAfter))
	}
	fmt.Fprintf(&b, "link      %s %s, %d sessions, %d lost, %d acks\n", strings.ToUpper(s.Link.State), s.Link.Broker, s.Link.Connects, s.Link.Lost, s.Link.Acks)
	if s.Link.Cause != "" {
		fmt.Fprintf(&b, "          %s\n", s.Link.Cause)
	}
	if s.Link.SetAside != "" {
		fmt.Fprintf(&b, "          SET ASIDE by the cloud: %s\n", oneLine(s.Link.SetAside))
	}
	writeUpdating(&b, s.Update)
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "\nLANE\tSAMPLES\tBATCHES\tIN RAM\tSTORED\tBACKLOG\tLOST\n")
	for _, l := range s.Lanes {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d (%s)\t%d (%s)\t%d\t%d\n", l.Lane, l.Samples, l.Batches, l.RAM.Batches, size(l.RAM.Bytes), l.Stored.Batches, size(l.Stored.Bytes), l.Backlog.Batches, l.Lost)
	}
	fmt.Fprint(t, "\nDEVICE\tSTATE\tPOINTS\tBAD\tVALUES\tPASSED\tOVERRUNS\tSCAN\n")
	for _, d := range s.Devices {
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%s\n", d.Device, d.State, d.Points, d.Bad, d.Values, d.Passed, d.Overruns, short(d.Latency))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, d := range s.Devices {
		switch {
		case d.Cause != "":
			fmt.Fprintf(&b, "%s: %s\n", d.Device, oneLine(d.Cause))
		case d.Bad > 0 && d.State == "up":
			fmt.Fprintf(&b, "%s: %d of %d points are bad; gwctl points --bad %s, and gwctl doctor, say why\n", d.Device, d.Bad, d.Points, d.Device)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// writeUpdating writes the image's line, and what keeps updates out.
func writeUpdating(b *strings.Builder, u *diag.Updating) {
	if u == nil {
		return
	}
	if u.Slot != "" {
		trial := ""
		if u.Trial {
			trial = ", ON TRIAL"
		}
		if u.Install == "running" {
			trial += ", an update is being installed"
		}
		fmt.Fprintf(b, "image     %s in slot %s%s\n", u.Version, u.Slot, trial)
	}
	if u.Event != nil {
		fmt.Fprintf(b, "event     %s; no update is installed meanwhile, %d refused\n", u.Event, u.Refused["event"])
	}
}

func size(n int64) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d B", n)
	case n < 1<<20:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	case n < 1<<30:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
}
