package manual

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// UsageError is a command line that is wrong.
type UsageError struct {
	Command string // as far as it is right
	Err     error
}

// Error says what is wrong, and where help is.
func (e *UsageError) Error() string { return e.Err.Error() + "; see " + e.Command + " --help" }

// Usage tells it from other errors by whoever may not import this package.
func (e *UsageError) Usage() bool { return true }

// Unwrap returns what is wrong.
func (e *UsageError) Unwrap() error { return e.Err }

// Strict makes root and each command below it refuse a wrong line with a UsageError: an unknown subcommand, for which cobra shows the help as if all were
// well, wrong arguments, and wrong flags. A command that has its own parser for these keeps it.
func Strict(root *cobra.Command) {
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return &UsageError{c.CommandPath(), err} })
	strict(root)
}

func strict(c *cobra.Command) {
	for _, sub := range c.Commands() {
		strict(sub)
	}
	switch {
	case c.HasSubCommands():
		if !c.Runnable() { // otherwise cobra never asks about its arguments
			c.DisableFlagsInUseLine = true
			c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
		}
		c.Args = subcommand
	case c.Args != nil:
		judge := c.Args
		c.Args = func(c *cobra.Command, args []string) error {
			if err := judge(c, args); err != nil {
				return &UsageError{c.CommandPath(), fmt.Errorf("%s: %w; it is %s", c.CommandPath(), err, strings.TrimSuffix(c.UseLine(), " [flags]"))}
			}
			return nil
		}
	}
}

// subcommand refuses what is none of c's.
func subcommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if c.SuggestionsMinimumDistance <= 0 {
		c.SuggestionsMinimumDistance = 2
	}
	meant := ""
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		meant = "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return &UsageError{c.CommandPath(), fmt.Errorf("unknown command %q for %q%s", args[0], c.CommandPath(), meant)}
}
