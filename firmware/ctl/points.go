package ctl

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/courtside-edge/courtside/firmware/diag"
)

func pointsCommand(o *asker) *cobra.Command {
	c := &cobra.Command{Use: "points [SEARCH…]", Short: "Points with their values, quality and age, and why a value was or was not reported",
		Long: "points looks for a moment at what the devices give and shows it beside what was last reported. Words of SEARCH have to occur in\n" +
			"device/point, '*' stands for anything. With few points, or --why, each says why it was or was not reported.",
		Example: "  gwctl points seat/101\n  gwctl points --bad\n  gwctl points plc-gates-1 in --why"}
	q := diag.Query{}
	f := c.Flags()
	f.BoolVar(&q.Bad, "bad", false, "only points that are not good")
	f.IntVar(&q.Limit, "limit", diag.DefaultLimit, "most points")
	f.DurationVar(&q.Look, "look", 1200*time.Millisecond, "how long to look at what devices give, 0s to 10s")
	why := f.Bool("why", false, "say why for each, however many there are")
	c.RunE = func(c *cobra.Command, args []string) error {
		if q.Look < 0 || q.Look > diag.MaxLook {
			return diag.Usage("--look %v: 0s to %v", q.Look, diag.MaxLook)
		}
		q.Search = strings.Join(args, " ")
		p, err := o.client().Points(c.Context(), q)
		if err != nil {
			return err
		}
		return o.print(c.OutOrStdout(), p, func(w io.Writer) error { return writePoints(w, p, *why || len(p.Points) <= 20) })
	}
	return c
}

func writePoints(w io.Writer, p diag.Points, why bool) error {
	var rows bytes.Buffer
	err := table(&rows, func(t io.Writer) {
		fmt.Fprint(t, "POINT\tREAD\tREPORTED\tAGE\tQUALITY\n")
		for _, one := range p.Points {
			read, reported, age, quality := "–", "–", "–", "–"
			if one.Reported != nil {
				reported, age, quality = withUnit(one.Reported.Value, one.Unit), ago(one.Reported.Age), one.Reported.Quality
			}
			if one.Read != nil {
				read, quality = withUnit(one.Read.Value, one.Unit), one.Read.Quality
			}
			fmt.Fprintf(t, "%s/%s\t%s\t%s\t%s\t%s\n", one.Device, one.Name, oneLine(read), oneLine(reported), age, quality)
		}
	})
	if err != nil {
		return err
	}
	var out strings.Builder
	at := -1 // the head
	for line := range strings.Lines(rows.String()) {
		if out.WriteString(line); why && at >= 0 {
			fmt.Fprintf(&out, "  %s\n", oneLine(p.Points[at].Why))
		}
		at++
	}
	if p.Total > len(p.Points) {
		fmt.Fprintf(&out, "%d of %d points; --limit shows more\n", len(p.Points), p.Total)
	}
	_, err = io.WriteString(w, out.String())
	return err
}

// oneLine keeps a text value, or what a device said, from breaking the table, and from telling the terminal what to do.
func oneLine(s string) string {
	s = strings.NewReplacer("\n", "\\n", "\t", " ").Replace(s)
	if strings.IndexFunc(s, unicode.IsControl) < 0 {
		return s
	}
	quoted := strconv.Quote(s)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

func withUnit(v, unit string) string {
	if unit == "" || v == "–" {
		return v
	}
	return v + " " + unit
}

// ago writes an age for people: two figures are enough.
func ago(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d < time.Hour:
		return d.Round(time.Second).String()
	}
	return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
}

func watchCommand(o *asker) *cobra.Command {
	c := &cobra.Command{Use: "watch POINT…", Short: "Every reading of points as it comes, and what becomes of it", Args: cobra.MinimumNArgs(1),
		Example: "  gwctl watch plc-gates-1/gate/03/1/in\n  gwctl watch seat/101/a/12 --count 5"}
	count := c.Flags().Int("count", 0, "end after so many readings; 0 for never")
	c.RunE = func(c *cobra.Command, args []string) error {
		w, n := c.OutOrStdout(), 0
		e := json.NewEncoder(w)
		var failed error
		err := o.client().Watch(c.Context(), strings.Join(args, " "), func(ch diag.Change) bool {
			if o.output == "json" {
				failed = e.Encode(ch)
			} else {
				_, failed = fmt.Fprintf(w, "%s  %s  %s  %s  %s\n", ch.Value.At.Local().Format("15:04:05.000"), ch.Name, oneLine(ch.Value.Value), ch.Value.Quality, oneLine(ch.Why))
			}
			n++
			return failed == nil && (*count == 0 || n < *count)
		})
		if err == nil {
			err = failed
		}
		return err
	}
	return c
}
