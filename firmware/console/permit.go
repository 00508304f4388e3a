package console

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// command is what may be typed.
type command struct {
	words []string // its name, and its subcommand's
	args  string   // how help shows its arguments; empty for a command that takes none
	help  string
	flags []string // that take no value
	takes []string // flags that take one
	check func(args []string) error
}

// commands lists everything that may be typed; what is not here is refused.
func commands() []command {
	output := []string{"-o", "--output"}
	return []command{
		{words: []string{"status"}, help: "the gateway on one screen", takes: output},
		{words: []string{"doctor"}, help: "what does not work, why, and what to do", flags: []string{"--all"}, takes: output},
		{words: []string{"devices"}, help: "devices and their connections", takes: output},
		{words: []string{"points"}, args: "[SEARCH]", help: "points, their values and where these come from",
			flags: []string{"--bad", "--why"}, takes: append([]string{"--limit", "--look"}, output...)},
		{words: []string{"watch"}, args: "POINT", help: "a point's readings as they come, until Ctrl-C", takes: append([]string{"--count"}, output...)},
		{words: []string{"plan"}, args: "DEVICE", help: "how a device is read", takes: output},
		{words: []string{"spool"}, help: "what is kept until the cloud has it", takes: output, check: none},
		{words: []string{"uplink"}, help: "the way to the cloud", takes: output},
		{words: []string{"logs"}, help: "the newest log records", takes: append([]string{"-n", "--lines", "--level"}, output...)},
		{words: []string{"top"}, help: "the gateway live; needs a terminal, or --once", flags: []string{"--once"}, takes: []string{"--every"}},
		{words: []string{"version"}, help: "the versions of gwctl and gateway", takes: output},
		{words: []string{"update", "status"}, help: "the two slots, and an update under way", takes: output},
		// Not --allow-downgrade: whoever opens the cabinet could bring an old hole back.
		{words: []string{"update", "install"}, args: "https://…", help: "install an update; it is checked, and rolled back if it does not hold",
			flags: []string{"--force", "--reboot"}, takes: output, check: address},
		{words: []string{"update", "reboot"}, help: "start the slot that is next", flags: []string{"--force"}, takes: output},
		{words: []string{"event", "status"}, help: "the event window that is on, or next", takes: output},
		{words: []string{"event", "begin"}, help: "no update and no reboot for so long: event begin --for 4h", takes: append([]string{"--for"}, output...)},
		{words: []string{"event", "end"}, help: "ends what event begin began", takes: output},
	}
}

// Commands returns what may be typed, each as its words followed by the flags that it takes there.
func Commands() (all [][2][]string) {
	for _, c := range commands() {
		all = append(all, [2][]string{c.words, append(slices.Clone(c.flags), c.takes...)})
	}
	return all
}

// none refuses arguments of a command that has subcommands, which are not for the console.
func none(args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%q is not for the console: it needs a file", args[0])
	}
	return nil
}

// address permits one address of an update.
func address(args []string) error {
	if len(args) != 1 {
		return errors.New("the address of the update is wanted: update install https://…")
	}
	u, err := url.Parse(args[0])
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("%q is no https address; from this console an update is installed from the network only", args[0])
	}
	return nil
}

// permit returns why what was typed is not for the console, nil when it is.
func permit(args []string) error {
	c, rest, err := lookup(args)
	if err != nil {
		return err
	}
	var plain []string
	for i := 0; i < len(rest); i++ {
		a := rest[i]
		name, _, given := strings.Cut(a, "=")
		switch {
		case a == "--help", a == "-h":
		case !strings.HasPrefix(a, "-"):
			plain = append(plain, a)
		case slices.Contains(c.flags, a):
		case slices.Contains(c.takes, name) && given:
		case slices.Contains(c.takes, a):
			i++ // its value, which gwctl judges
		default:
			return fmt.Errorf("the flag %s is not for the console; those of %s are: %s", name, strings.Join(c.words, " "), strings.Join(append(slices.Clone(c.flags), c.takes...), " "))
		}
	}
	if slices.Contains(rest, "--help") || slices.Contains(rest, "-h") {
		return nil
	}
	if c.check != nil {
		return c.check(plain)
	}
	if c.args == "" && len(plain) > 0 {
		return fmt.Errorf("%s takes no %q", strings.Join(c.words, " "), plain[0])
	}
	return nil
}

// lookup returns the command that args begin with, and what follows.
func lookup(args []string) (command, []string, error) {
	var subs []string
	for _, c := range commands() {
		if c.words[0] != args[0] {
			continue
		}
		if len(c.words) == 1 {
			return c, args[1:], nil
		}
		if len(args) > 1 && args[1] == c.words[1] {
			return c, args[2:], nil
		}
		subs = append(subs, strings.Join(c.words, " "))
	}
	if len(subs) > 0 {
		return command{}, nil, fmt.Errorf("one of these is wanted: %s", strings.Join(subs, ", "))
	}
	return command{}, nil, fmt.Errorf("%q is not for the console; help lists what is", args[0])
}

func (c *console) help() {
	for _, k := range commands() {
		fmt.Fprintf(c.o.Out, "  %-26s %s\n", strings.TrimSpace(strings.Join(k.words, " ")+" "+k.args), k.help)
	}
	fmt.Fprint(c.o.Out, "\nhelp COMMAND says more. Ctrl-C ends a command, Ctrl-D shows who this is.\n")
}
