package ctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/courtside-edge/courtside/firmware/diag"
	"github.com/courtside-edge/courtside/firmware/slot"
)

const (
	// rebootFile is what, when it appears, makes the machine reboot.
	rebootFile = "/run/courtside/reboot"
	// followEvery is how often an install is asked for its progress.
	followEvery = 500 * time.Millisecond
)

func updateCommand(o *asker) *cobra.Command {
	c := &cobra.Command{Use: "update", Short: "The image that this machine runs: its slots, installing an update, confirming one"}
	c.AddCommand(updateStatusCommand(o), installCommand(o), confirmCommand(o), rebootCommand(o))
	return c
}

func updateStatusCommand(o *asker) *cobra.Command {
	return &cobra.Command{Use: "status", Short: "Which version runs in which slot, and how the last install went", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			u, err := o.client().Update(c.Context())
			if err != nil {
				return err
			}
			return o.print(c.OutOrStdout(), u, func(w io.Writer) error { return writeUpdate(w, u) })
		}}
}

func writeUpdate(w io.Writer, u diag.Update) error {
	if u.Problem != "" {
		fmt.Fprintln(w, u.Problem)
	}
	if u.Slot != "" {
		state := "confirmed"
		if u.Trial {
			state = "on trial; slot " + u.Good + " is the one to go back to"
		} else if u.Good == "" {
			state = "not confirmed yet; there is no other version"
		}
		fmt.Fprintf(w, "%s, version %s in slot %s: %s\n", u.Image, u.Version, u.Slot, state)
	}
	if err := table(w, func(t io.Writer) {
		for _, s := range u.Slots {
			fmt.Fprintf(t, "  slot %s\t%s\t%s\t%s\n", s.Name, s.Slot, orNone(s.Version), strings.Join(slotWords(s), ", "))
		}
	}); err != nil {
		return err
	}
	writeInstall(w, u.Install)
	if u.Event != nil {
		fmt.Fprintf(w, "event: %s; no update is installed meanwhile\n", u.Event)
	} else if u.Next != nil {
		fmt.Fprintf(w, "next event: %s, from %s\n", u.Next.Name, u.Next.From.Format("Mon 2006-01-02 15:04 MST"))
	}
	for reason, n := range u.Refused {
		fmt.Fprintf(w, "refused since the gateway's start: %d (%s)\n", n, reason)
	}
	return nil
}

func slotWords(s diag.UpdateSlot) (words []string) {
	for _, w := range []struct {
		is   bool
		word string
	}{{s.Booted, "runs"}, {s.Next, "is booted next"}, {!s.Good, "bad"}} {
		if w.is {
			words = append(words, w.word)
		}
	}
	return words
}

func writeInstall(w io.Writer, in diag.Install) {
	switch in.State {
	case "running":
		fmt.Fprintf(w, "installing version %s from %s: %d %%, %s; %s fetched, %d retries\n", in.Version, in.Source, in.Percent, in.Step, size(int64(in.Fetched)), in.Retries)
	case "done":
		fmt.Fprintf(w, "installed version %s from %s in %s", in.Version, in.Source, in.Ended.Sub(in.Begun).Round(time.Second))
		if in.Fetched > 0 {
			fmt.Fprintf(w, "; %s fetched, %d retries", size(int64(in.Fetched)), in.Retries)
		}
		fmt.Fprintln(w)
		if in.Reboot != "" {
			fmt.Fprintf(w, "reboot: %s\n", in.Reboot)
		} else {
			fmt.Fprintln(w, "it is booted next: gwctl update reboot")
		}
	case "failed":
		fmt.Fprintf(w, "version %s from %s could not be installed; the version that runs is untouched: %s\n", in.Version, in.Source, in.Error)
	}
}

func installCommand(o *asker) *cobra.Command {
	c := &cobra.Command{Use: "install URL|FILE", Short: "Install an update into the slot that does not run", Args: cobra.ExactArgs(1),
		Long: "install has the update's signature, board and version judged, and writes it into the slot that does not run while the gateway goes on. An update comes\n" +
			"from an https address that answers under the aggregator's identity, or from a file. The next boot runs it, on trial. During an event it is refused.",
		Example: "  gwctl update install https://aggregator.example:8884/courtside-raspberrypi4-20261123.140501.raucb --reboot\n  gwctl update install /media/stick/courtside-raspberrypi4-20261123.140501.raucb"}
	var r diag.InstallRequest
	f := c.Flags()
	f.BoolVar(&r.Force, "force", false, "install during an event")
	f.BoolVar(&r.Downgrade, "allow-downgrade", false, "install a version that is not newer")
	f.BoolVar(&r.Reboot, "reboot", false, "reboot when it is installed")
	c.RunE = func(c *cobra.Command, args []string) error {
		r.Source = args[0]
		if !strings.Contains(r.Source, "://") {
			path, err := filepath.Abs(r.Source)
			if err != nil {
				return err
			}
			r.Source = path
		}
		client := o.client()
		if _, err := client.InstallUpdate(c.Context(), r); err != nil {
			return err
		}
		u, err := o.follow(c.Context(), client, c.ErrOrStderr())
		if err != nil {
			return err
		}
		if u.Install.State == "failed" {
			return errors.New(u.Install.Error)
		}
		return o.print(c.OutOrStdout(), u.Install, func(w io.Writer) error { writeInstall(w, u.Install); return nil })
	}
	return c
}

// follow shows an install's progress until it ends. The install itself does not need anybody to look on.
func (o *asker) follow(ctx context.Context, client *diag.Client, w io.Writer) (diag.Update, error) {
	shown := ""
	for {
		u, err := client.Update(ctx)
		if err != nil {
			return u, fmt.Errorf("%w; the install may go on: gwctl update status", err)
		}
		if u.Install.State != "running" {
			return u, nil
		}
		if line := fmt.Sprintf("%3d %%  %s", u.Install.Percent, u.Install.Step); line != shown && u.Install.Step != "" {
			fmt.Fprintln(w, line)
			shown = line
		}
		select {
		case <-ctx.Done():
			return u, fmt.Errorf("%w; the install goes on: gwctl update status", ctx.Err())
		case <-time.After(followEvery):
		}
	}
}

func rebootCommand(o *asker) *cobra.Command {
	c := &cobra.Command{Use: "reboot", Short: "Reboot this machine, when no event is on and nothing is being installed", Args: cobra.NoArgs}
	force := c.Flags().Bool("force", false, "reboot during an event")
	c.RunE = func(c *cobra.Command, _ []string) error {
		err := o.client().Reboot(c.Context(), *force)
		if errors.Is(err, diag.ErrNotRunning) && *force {
			err = leave(rebootFile, "asked by gwctl\n")
		}
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(c.OutOrStdout(), "the machine reboots")
		return err
	}
	return c
}

func confirmCommand(o *asker) *cobra.Command {
	c := &cobra.Command{Use: "confirm", Short: "Judge the version on trial: confirm it, or roll it back", Args: cobra.NoArgs,
		Long: "confirm is what an image runs at each boot, as root. A slot that was confirmed before gets its boots back at once. A version on trial is judged by what\n" +
			"answered under the version before: devices, the link and the gateway itself (docs/updates.md has the rule). It says on standard error what it waits\n" +
			"for. It ends with 9 when the version was rolled back: then the machine is to be rebooted; and with 0 when it is confirmed, when there is nothing to\n" +
			"confirm, and when it is told to stop."}
	var l slot.Limits
	d := slot.DefaultLimits()
	f := c.Flags()
	f.DurationVar(&l.Answer, "answer", d.Answer, "roll back when the gateway does not answer for so long")
	f.DurationVar(&l.Settle, "settle", d.Settle, "how long the gateway has to run without a restart")
	f.DurationVar(&l.Patience, "patience", d.Patience, "roll back when something that used to answer is missing for so long while the network is on")
	f.DurationVar(&l.Dark, "dark", d.Dark, "roll back when nothing at all answers for so long though the network is on")
	now := f.Bool("now", false, "confirm the version as it is, without judging it")
	c.RunE = func(c *cobra.Command, _ []string) error {
		m, err := slot.Read(os.DirFS("/"))
		if err != nil {
			fmt.Fprintln(c.ErrOrStderr(), "courtside:", err)
		}
		net := os.DirFS("/sys/class/net")
		t := &trial{machine: m, dir: filepath.Dir(o.socket), limits: l, now: *now, say: c.ErrOrStderr(), ask: o.client().Status,
			wires: func() slot.Wires { return slot.ReadWires(net) }, child: child, note: noteConfirmed}
		return t.run(c.Context())
	}
	return c
}

// noteConfirmed notes which slot is confirmed.
func noteConfirmed(n slot.Name) error {
	if err := leave(slot.ConfirmedFile, string(n)+"\n"); err != nil {
		return fmt.Errorf("noting the confirmation: %w", err)
	}
	return nil
}

// leave writes a file into the gateway's runtime directory. The directory is the gateway's and this program may be root's: it follows no link out of it.
func leave(path, text string) error {
	root, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer root.Close()
	name := filepath.Base(path)
	if err := root.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, text)
	return errors.Join(err, f.Close())
}
