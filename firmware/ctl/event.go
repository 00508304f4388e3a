package ctl

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/courtside-edge/courtside/firmware/diag"
	"github.com/courtside-edge/courtside/firmware/slot"
)

func eventCommand(o *asker) *cobra.Command {
	c := &cobra.Command{Use: "event", Short: "Events during which no update is installed: begin one, end it, ask",
		Long: "While an event is on no update is installed and gwctl reboots nothing, unless forced. Events come from the configuration's calendar (updates.events), or are\n" +
			"begun by command; those outlast restarts, and end by themselves."}
	c.AddCommand(eventBeginCommand(o), eventEndCommand(o), eventStatusCommand(o))
	return c
}

func eventBeginCommand(o *asker) *cobra.Command {
	c := &cobra.Command{Use: "begin", Short: "Begin an event", Args: cobra.NoArgs, Example: "  gwctl event begin --for 6h"}
	lasts := c.Flags().Duration("for", slot.DefaultEvent, "how long it lasts; up to 168h")
	c.RunE = func(c *cobra.Command, _ []string) error {
		e, err := o.client().BeginEvent(c.Context(), *lasts)
		if err != nil {
			return err
		}
		return o.print(c.OutOrStdout(), e, func(w io.Writer) error { return writeEvent(w, &e) })
	}
	return c
}

func eventEndCommand(o *asker) *cobra.Command {
	return &cobra.Command{Use: "end", Short: "End the event that was begun by command", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			e, err := o.client().EndEvent(c.Context())
			if err != nil {
				return err
			}
			return o.print(c.OutOrStdout(), e, func(w io.Writer) error { return writeEvent(w, e) })
		}}
}

func eventStatusCommand(o *asker) *cobra.Command {
	return &cobra.Command{Use: "status", Short: "Whether an event is on, and until when", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			u, err := o.client().Update(c.Context())
			if err != nil {
				return err
			}
			return o.print(c.OutOrStdout(), u.Event, func(w io.Writer) error {
				if u.Event == nil && u.Next != nil {
					_, err := fmt.Fprintf(w, "no event is on; next: %s, from %s\n", u.Next.Name, u.Next.From.Format("Mon 2006-01-02 15:04 MST"))
					return err
				}
				return writeEvent(w, u.Event)
			})
		}}
}

func writeEvent(w io.Writer, e *diag.Event) error {
	if e == nil {
		_, err := fmt.Fprintln(w, "no event is on")
		return err
	}
	_, err := fmt.Fprintf(w, "an event is on: %s\n", e)
	return err
}
