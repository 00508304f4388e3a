package console

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Options say what the console shows and does.
type Options struct {
	In  *os.File
	Out io.Writer
	// Facts says who this is, asked for each banner.
	Facts func() Facts
	// State says in one line how the gateway stands; it ends with ctx.
	State func(ctx context.Context) string
	// Run runs one of gwctl's commands, which this package has permitted.
	Run func(ctx context.Context, args []string, out io.Writer) error
	// Interrupts are the Ctrl-Cs.
	Interrupts <-chan os.Signal
}

const (
	// statePeriod is how often the state is asked for while somebody could type.
	statePeriod = 3 * time.Second
	// statePatience bounds one asking, during which nothing that is typed is answered.
	statePatience = 2 * time.Second
	// maxEnds is how many ends of input in a row are a terminal that hung up, and nobody's finger.
	maxEnds = 50
)

// console is one session.
type console struct {
	o     Options
	in    *input
	out   io.Writer // what commands write, made harmless
	state string    // that was shown last
	asked time.Time
}

// Run serves the console until ctx ends or the line hangs up.
func Run(ctx context.Context, o Options) error {
	c := &console{o: o, in: newInput(o.In), out: &plain{w: o.Out}}
	defer c.in.restore()
	c.in.prepare()
	c.banner(ctx)
	for ends := 0; ; {
		c.drain()
		c.prompt()
		line, err := c.in.line(ctx, func() { c.look(ctx) }, c.o.Interrupts)
		switch {
		case errors.Is(err, errInterrupted):
			ends = 0
			fmt.Fprintln(c.o.Out)
		case errors.Is(err, errEnd) && c.in.terminal && ends < maxEnds:
			ends++
			fmt.Fprintln(c.o.Out)
			c.banner(ctx)
		case errors.Is(err, errEnd), ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("the console's line: %w", err)
		default:
			ends = 0
			c.obey(ctx, line)
		}
	}
}

// drain forgets the Ctrl-Cs that came while nothing ran.
func (c *console) drain() {
	for {
		select {
		case <-c.o.Interrupts:
		default:
			return
		}
	}
}

func (c *console) prompt() { fmt.Fprint(c.o.Out, "gwctl> ") }

// obey does what a line says.
func (c *console) obey(ctx context.Context, line []byte) {
	args, err := split(line)
	switch {
	case err != nil:
		fmt.Fprintln(c.o.Out, err)
		return
	case len(args) == 0:
		return
	}
	if args[0] == "gwctl" { // as it stands in every manual
		args = args[1:]
	}
	if len(args) == 0 || args[0] == "help" || args[0] == "?" {
		if len(args) < 2 {
			c.help()
			return
		}
		args = append(args[1:], "--help")
	}
	if err := permit(args); err != nil {
		fmt.Fprintln(c.o.Out, err)
		return
	}
	out := c.out
	if args[0] == "top" {
		out = c.o.Out // it draws
	}
	if err := c.run(ctx, args, out); err != nil {
		fmt.Fprintln(c.out, "gwctl:", err)
	}
	c.in.prepare() // top leaves the terminal as it found it, other programs may not
}

// run runs a command; a Ctrl-C ends it.
func (c *console) run(ctx context.Context, args []string, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-c.o.Interrupts:
			cancel()
		case <-ctx.Done():
		}
	}()
	err := c.o.Run(ctx, args, out)
	interrupted := ctx.Err() != nil
	cancel()
	<-done
	if interrupted {
		fmt.Fprintln(c.o.Out)
		return nil
	}
	return err
}

// look asks how the gateway stands, and shows it when it is news.
func (c *console) look(ctx context.Context) {
	if time.Since(c.asked) < statePeriod {
		return
	}
	was := c.state
	if c.ask(ctx); c.state != was && ctx.Err() == nil {
		fmt.Fprintf(c.out, "\nstate     %s\n", c.state)
		c.prompt()
	}
}

func (c *console) ask(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, statePatience)
	defer cancel()
	c.state, c.asked = c.o.State(ctx), time.Now()
}
