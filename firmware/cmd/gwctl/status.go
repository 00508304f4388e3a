package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/courtside-edge/courtside/firmware/diag"
)

// writeStatus writes the status for people, 80 columns wide where names allow.
func writeStatus(w io.Writer, s diag.Status) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s/%s  version %s (%s), up %s, %.1f MB resident\n", s.Venue, s.Gateway, s.Version, s.Platform, time.Since(s.Since).Round(time.Second), float64(s.RSSBytes)/1e6)
	fmt.Fprintf(&b, "epoch %.8s, %d points, table %.8s, clock %s ± %s\n", s.Epoch, s.Points, s.Table, s.Clock.Source, s.Clock.Uncertainty.Round(time.Millisecond))
	if s.Identity.Error != "" {
		fmt.Fprintf(&b, "identity  NONE: %s\n", s.Identity.Error)
	} else {
		fmt.Fprintf(&b, "identity  %s, valid for %s\n", s.Identity.ID, time.Until(s.Identity.NotAfter).Round(time.Second))
	}
	fmt.Fprintf(&b, "link      %s %s, %d sessions, %d lost, %d acks\n", strings.ToUpper(s.Link.State), s.Link.Broker, s.Link.Connects, s.Link.Lost, s.Link.Acks)
	if s.Link.Cause != "" {
		fmt.Fprintf(&b, "          %s\n", s.Link.Cause)
	}
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "\nLANE\tSAMPLES\tBATCHES\tIN RAM\tSTORED\tBACKLOG\tLOST\n")
	for _, l := range s.Lanes {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d (%s)\t%d (%s)\t%d\t%d\n", l.Lane, l.Samples, l.Batches, l.RAM.Batches, size(l.RAM.Bytes), l.Stored.Batches, size(l.Stored.Bytes), l.Backlog.Batches, l.Lost)
	}
	fmt.Fprint(t, "\nDEVICE\tSTATE\tPOINTS\tVALUES\tPASSED\tOVERRUNS\tSCAN\n")
	for _, d := range s.Devices {
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%d\t%s\n", d.Device, d.State, d.Points, d.Values, d.Passed, d.Overruns, d.Latency.Round(10*time.Microsecond))
		if d.Cause != "" {
			fmt.Fprintf(t, "  %s\n", d.Cause)
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(w, b.String())
	return err
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
