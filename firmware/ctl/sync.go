package ctl

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/courtside-edge/courtside/firmware/diag"
)

func spoolCommand(o *asker) *cobra.Command {
	c := &cobra.Command{Use: "spool", Short: "What waits for the cloud: counts, bytes, age, gaps, time to full and to drain, flash written", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := o.client().Storage(c.Context())
			if err != nil {
				return err
			}
			return o.print(c.OutOrStdout(), s, func(w io.Writer) error { return writeStorage(w, s) })
		}}
	c.AddCommand(exportCommand(o))
	return c
}

func writeStorage(w io.Writer, s diag.Storage) error {
	err := table(w, func(t io.Writer) {
		fmt.Fprint(t, "LANE\tIN RAM\tSTORED\tBACKLOG\tBATCHES\tSAMPLES\tLOST\n")
		for _, l := range s.Lanes {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%d\t%d\n", l.Lane, count(l.RAM), count(l.Stored), count(l.Backlog), l.Batches, l.Samples, l.Lost)
		}
	})
	if err != nil {
		return err
	}
	oldest := "nothing is held"
	if !s.Oldest.IsZero() {
		oldest = fmt.Sprintf("%s (%s ago)", s.Oldest.Local().Format("2006-01-02 15:04:05"), ago(time.Since(s.Oldest)))
	}
	return table(w, func(t io.Writer) {
		fmt.Fprintf(t, "\noldest\t%s\n", oldest)
		fmt.Fprintf(t, "settled\t%d batches acknowledged, %d refused by the cloud, %d bad acks\n", s.Spool.Acked, s.Spool.Refused, s.Spool.BadAcks)
		fmt.Fprintf(t, "lost\t%d batches dropped (%d samples), %d corrupt, %d gaps wait to be declared\n", s.Spool.Dropped, s.Spool.DroppedSamples, s.Spool.Corrupt, s.Gaps)
		fmt.Fprintf(t, "disk\t%s free of %s, the spool may take %s\n", size(s.DiskFree), size(s.DiskSize), size(s.LimitBytes))
		fmt.Fprintf(t, "time to full\t%s\n", forecast(s.TimeToFull, "not at the present rate"))
		fmt.Fprintf(t, "time to drain\t%s\n", forecast(s.TimeToDrain, "it does not shrink at present"))
		fmt.Fprintf(t, "flash\t%s written since the start, %s a day at that rate; %s of telemetry\n", size(int64(s.WrittenBytes)), size(int64(s.WrittenADay)), size(s.Spool.SpilledBytes))
		for _, e := range s.Errors {
			fmt.Fprintf(t, "FAILS\t%s\n", e)
		}
	})
}

func count(c diag.Count) string { return fmt.Sprintf("%d (%s)", c.Batches, size(c.Bytes)) }

func forecast(d time.Duration, never string) string {
	if d == 0 {
		return never
	}
	if d > 48*time.Hour {
		return fmt.Sprintf("%d days", int(d.Hours()/24))
	}
	return ago(d)
}

func uplinkCommand(o *asker) *cobra.Command {
	return &cobra.Command{Use: "uplink", Short: "The way to the broker: state, SVID, window, round trip", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			l, err := o.client().Connection(c.Context())
			if err != nil {
				return err
			}
			return o.print(c.OutOrStdout(), l, func(w io.Writer) error { return writeConnection(w, l) })
		}}
}

func writeConnection(w io.Writer, l diag.Connection) error {
	return table(w, func(t io.Writer) {
		fmt.Fprintf(t, "link\t%s, %s\n", strings.ToUpper(l.Link.State), l.Link.Broker)
		if l.Link.Cause != "" {
			fmt.Fprintf(t, "cause\t%s\n", l.Link.Cause)
		}
		if l.Link.SetAside != "" {
			fmt.Fprintf(t, "SET ASIDE\t%s\n", oneLine(l.Link.SetAside))
		}
		fmt.Fprintf(t, "sessions\t%d begun, %d lost, %d given up for a fresh SVID\n", l.Link.Connects, l.Link.Lost, l.Rotations)
		if l.Identity.Error != "" {
			fmt.Fprintf(t, "SVID\tNONE: %s\n", l.Identity.Error)
		} else {
			fmt.Fprintf(t, "SVID\t%s, %s\n", l.Identity.ID, validity(l.Identity.NotAfter))
		}
		if l.Identity.Enrolment != "" {
			fmt.Fprintf(t, "enrolment\t%s\n", l.Identity.Enrolment)
		}
		if l.Identity.Next != "" {
			fmt.Fprintf(t, "next\t%s\n", l.Identity.Next)
		}
		fmt.Fprintf(t, "window\t%s, of it %s in %d batches on their way\n", size(l.Window), size(l.InFlight), l.Batches)
		if l.RoundTrip > 0 {
			fmt.Fprintf(t, "round trip\t%s from publish to the cloud's ack; late after %s\n", short(l.RoundTrip), short(l.Timeout))
		} else {
			fmt.Fprintf(t, "round trip\tnot measured yet\n")
		}
		fmt.Fprintf(t, "sent\t%d live, %d replayed, %d critical batches, %s; %d probes\n", l.Live, l.Replay, l.Critical, size(int64(l.SentBytes)), l.Probes)
		fmt.Fprintf(t, "acks\t%d, of them %d late\n", l.Link.Acks, l.Link.Late)
		if l.Judged {
			fmt.Fprintf(t, "clock\t%s off the cloud's time, the ack's way included\n", short(l.Ahead.Abs()))
		}
	})
}

func validity(until time.Time) string {
	left := time.Until(until)
	if left <= 0 {
		return "EXPIRED " + ago(-left) + " ago"
	}
	return "valid for " + ago(left)
}

func logsCommand(o *asker) *cobra.Command {
	c := &cobra.Command{Use: "logs", Short: "The gateway's newest log records", Args: cobra.NoArgs}
	n := c.Flags().IntP("lines", "n", 50, "how many of the newest; 0 for all that are kept")
	level := c.Flags().String("level", "info", "least level: debug, info, warn or error")
	c.RunE = func(c *cobra.Command, _ []string) error {
		ranks := map[string]int{"DEBUG": 0, "INFO": 1, "WARN": 2, "ERROR": 3}
		least, ok := ranks[strings.ToUpper(*level)]
		if !ok {
			return diag.Usage("--level %q: debug, info, warn or error", *level)
		}
		all, err := o.client().Logs(c.Context())
		if err != nil {
			return err
		}
		picked := make([]diag.Record, 0, len(all))
		for _, r := range all {
			if ranks[r.Level] >= least {
				picked = append(picked, r)
			}
		}
		if *n > 0 && len(picked) > *n {
			picked = picked[len(picked)-*n:]
		}
		return o.print(c.OutOrStdout(), picked, func(w io.Writer) error {
			for _, r := range picked {
				if _, err := fmt.Fprintf(w, "%s %-5s %s\n", r.Time.Local().Format("2006-01-02 15:04:05.000"), r.Level, r.Text); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return c
}

func reloadCommand(o *asker) *cobra.Command {
	return &cobra.Command{Use: "reload", Short: "Read the configuration again; only devices that changed restart, a file with faults changes nothing", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			r, err := o.client().Reload(c.Context())
			if err != nil {
				return err
			}
			return o.print(c.OutOrStdout(), r, func(w io.Writer) error { return writeReload(w, r) })
		}}
}

func writeReload(w io.Writer, r diag.Reload) error {
	return table(w, func(t io.Writer) {
		for _, l := range []struct {
			what  string
			names []string
		}{{"restarted", r.Restarted}, {"added", r.Added}, {"removed", r.Removed}, {"wait for a start", r.Waiting}} {
			if len(l.names) > 0 {
				fmt.Fprintf(t, "%s\t%s\n", l.what, strings.Join(l.names, ", "))
			}
		}
		fmt.Fprintf(t, "kept\t%d devices on their connections\n", r.Kept)
		table := "as before"
		if r.NewTable {
			table = "new"
		}
		fmt.Fprintf(t, "point table\t%.8s, %s\n", r.Table, table)
	})
}
