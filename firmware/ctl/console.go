package ctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/courtside-edge/courtside/firmware/console"
	"github.com/courtside-edge/courtside/firmware/diag"
	"github.com/courtside-edge/courtside/firmware/slot"
)

func consoleCommand(o *asker) *cobra.Command {
	return &cobra.Command{Use: "console", Short: "What a serial console shows: who this is, how it stands, and a prompt for some of these commands", Args: cobra.NoArgs,
		Long: "console is what an image runs on its serial console in place of a login. It shows board, image, gateway, addresses and state, and takes commands that\n" +
			"look, and those that update; none that reads or writes a file, and no shell. Ctrl-C ends a command, Ctrl-D shows the banner again.",
		RunE: func(c *cobra.Command, _ []string) error {
			in, ok := c.InOrStdin().(*os.File)
			if !ok {
				return errors.New("the console reads a file or a terminal")
			}
			// Ctrl-C ends a command and not the console, so that it is not to end the context that main made of it.
			ctx, stop := signal.NotifyContext(context.WithoutCancel(c.Context()), syscall.SIGTERM, syscall.SIGHUP)
			defer stop()
			interrupts := make(chan os.Signal, 1)
			signal.Notify(interrupts, os.Interrupt)
			defer signal.Stop(interrupts)
			run := func(ctx context.Context, args []string, out io.Writer) error {
				root := Root(o.version)
				root.SetArgs(append([]string{"--socket", o.socket}, args...))
				root.SetOut(out)
				root.SetErr(out)
				return root.ExecuteContext(ctx)
			}
			return console.Run(ctx, console.Options{In: in, Out: c.OutOrStdout(), Interrupts: interrupts, Run: run,
				Facts: func() console.Facts { return o.facts(ctx) }, State: o.state})
		}}
}

// facts gathers who this is, from the image and from the gateway as far as it answers.
func (o *asker) facts(ctx context.Context) console.Facts {
	f := console.Facts{Board: os.Getenv("COURTSIDE_BOARD"), Network: console.Addresses()}
	if m, err := slot.Read(os.DirFS("/")); err == nil && m.Image != "" {
		f.Image = fmt.Sprintf("%s %s", m.Image, m.Version)
		if m.Slot != "" {
			f.Image += fmt.Sprintf(", slot %s", m.Slot)
		}
	}
	if s, err := o.client().Status(ctx); err == nil && s.Gateway != "" {
		f.Gateway = fmt.Sprintf("%s of venue %s, %s", s.Gateway, s.Venue, s.Version)
	}
	return f
}

// state asks how the gateway stands.
func (o *asker) state(ctx context.Context) string {
	s, err := o.client().Status(ctx)
	return stateLine(s, err)
}

// stateLine says in one line how the gateway stands, without what changes all the time.
func stateLine(s diag.Status, err error) string {
	switch {
	case errors.Is(err, diag.ErrNotRunning):
		return "the gateway does not run; it is started again by itself"
	case err != nil:
		return "the gateway does not answer: " + err.Error()
	case s.Waiting != "":
		first, _, _ := strings.Cut(s.Waiting, "\n")
		return "WAITING: " + first
	}
	up := 0
	for _, d := range s.Devices {
		if d.State == "up" {
			up++
		}
	}
	line := fmt.Sprintf("%d of %d devices answer, link %s", up, len(s.Devices), strings.ToUpper(s.Link.State))
	if u := s.Update; u != nil {
		switch {
		case u.Install == "running":
			line += "; an update is being installed"
		case u.Trial:
			line += fmt.Sprintf("; version %s is on trial in slot %s", u.Version, u.Slot)
		}
		if u.Event != nil {
			line += "; event: " + u.Event.Name
		}
	}
	if len(s.Problems) > 0 {
		line += "; " + s.Problems[0]
	}
	return line
}
