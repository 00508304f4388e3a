// Package manual writes the man pages of a program from its own command line, so that they say what the program does, and refuses lines that are not on them.
package manual

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Command returns the command that writes man pages; packages of distributions call it.
func Command() *cobra.Command {
	return &cobra.Command{Use: "man DIR", Short: "Write man pages into a folder", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return Write(c.Root(), args[0]) }}
}

// Write writes one page for root and one for each command below it that people are shown into dir, which it makes.
func Write(root *cobra.Command, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("writing man pages: %w", err)
	}
	return walk(root, func(c *cobra.Command) error {
		name := strings.ReplaceAll(c.CommandPath(), " ", "-") + ".1"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(page(c)), 0o644); err != nil {
			return fmt.Errorf("writing man pages: %w", err)
		}
		return nil
	})
}

// walk calls f for c and each command below it that people are shown.
func walk(c *cobra.Command, f func(*cobra.Command) error) error {
	if err := f(c); err != nil {
		return err
	}
	for _, sub := range shown(c) {
		if err := walk(sub, f); err != nil {
			return err
		}
	}
	return nil
}

// shown returns the commands below c that people are shown.
func shown(c *cobra.Command) (subs []*cobra.Command) {
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() && sub.Name() != "help" && sub.Name() != "completion" {
			subs = append(subs, sub)
		}
	}
	return subs
}

// page writes one page in man(7).
func page(c *cobra.Command) string {
	var b strings.Builder
	name := strings.ReplaceAll(c.CommandPath(), " ", "-")
	fmt.Fprintf(&b, ".TH %s 1 \"\" Courtside\n.SH NAME\n%s \\- %s\n.SH SYNOPSIS\n.B %s\n", strings.ToUpper(name), roff(name), roff(c.Short), roff(c.UseLine()))
	text := c.Long
	if text == "" {
		text = c.Short
	}
	fmt.Fprintf(&b, ".SH DESCRIPTION\n.nf\n%s\n.fi\n", roff(text))
	if c.HasAvailableFlags() {
		b.WriteString(".SH OPTIONS\n")
		c.Flags().VisitAll(func(f *pflag.Flag) { flag(&b, f) })
		c.InheritedFlags().VisitAll(func(f *pflag.Flag) { flag(&b, f) })
	}
	if subs := shown(c); len(subs) > 0 {
		b.WriteString(".SH COMMANDS\n")
		for _, sub := range subs {
			fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", roff(sub.Name()), roff(sub.Short))
		}
	}
	if c.Example != "" {
		fmt.Fprintf(&b, ".SH EXAMPLES\n.nf\n%s\n.fi\n", roff(c.Example))
	}
	return b.String()
}

func flag(b *strings.Builder, f *pflag.Flag) {
	short := ""
	if f.Shorthand != "" {
		short = "-" + f.Shorthand + ", "
	}
	fmt.Fprintf(b, ".TP\n.B %s\n%s\n", roff(short+"--"+f.Name), roff(f.Usage))
}

// roff keeps man from reading text as requests.
func roff(s string) string {
	s = strings.ReplaceAll(s, `\`, `\e`)
	s = strings.ReplaceAll(s, "-", `\-`)
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") || strings.HasPrefix(l, "'") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}
