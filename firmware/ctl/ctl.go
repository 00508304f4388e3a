// Package ctl is the command line of gwctl, through which people ask the gateway on a device. Each command asks over the socket and writes what comes for people or as JSON;
// check and probe run the gateway program itself. It knows no protocol, store or identity, so that gwctl stays small.
//
// The program is a main that runs Root, so that tests run the very same commands.
package ctl

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/courtside-edge/courtside/firmware/diag"
	"github.com/courtside-edge/courtside/sync/manual"
)

// asker is what every command that asks the gateway has.
type asker struct {
	socket  string
	output  string
	version string // of this program
}

func (o *asker) client() *diag.Client { return diag.NewClient(o.socket) }

// print writes v as JSON when that is wanted, and otherwise lets text write it for people.
func (o *asker) print(w io.Writer, v any, text func(w io.Writer) error) error {
	if o.output == "json" {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(v)
	}
	return text(w)
}

// Root returns gwctl's command line.
func Root(version string) *cobra.Command {
	o := &asker{version: version}
	c := &cobra.Command{Use: "gwctl", Short: "Asks the gateway on this device what works, what does not, why, and what to do next",
		Long: "gwctl asks the gateway on this device what works, what does not, why, and what to do next. It talks to the running gateway over a\n" +
			"socket in its data directory; check and probe work without it.\n\nThe exit codes:\n\n" + exitTable(),
		SilenceUsage: true, SilenceErrors: true, Version: version}
	f := c.PersistentFlags()
	f.StringVar(&o.socket, "socket", filepath.Join("/var/lib/courtside", diag.SocketName), "the gateway's socket: gateway.sock in its data_dir")
	f.StringVarP(&o.output, "output", "o", "text", "text or json")
	c.PersistentPreRunE = func(*cobra.Command, []string) error {
		if o.output != "text" && o.output != "json" {
			return diag.Usage("--output %q: text or json", o.output)
		}
		return nil
	}
	c.AddCommand(statusCommand(o), topCommand(o), devicesCommand(o), pointsCommand(o), watchCommand(o), planCommand(o), spoolCommand(o), uplinkCommand(o),
		logsCommand(o), doctorCommand(o), reloadCommand(o), bundleCommand(o), updateCommand(o), eventCommand(o), versionCommand(o), consoleCommand(o), checkCommand(o), probeCommand(), manual.Command())
	manual.Strict(c)
	return c
}

func exitTable() string {
	var b strings.Builder
	for _, e := range diag.Exits() {
		fmt.Fprintf(&b, "  %d  %s\n", e.Code, e.Meaning)
	}
	return b.String()
}

// table writes rows in columns, for people.
func table(w io.Writer, rows func(t io.Writer)) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	rows(t)
	return t.Flush()
}

// cut shortens s to one line of n columns.
func cut(s string, n int) string {
	r := []rune(strings.ReplaceAll(s, "\n", "; "))
	if len(r) <= n {
		return string(r)
	}
	return string(r[:max(n-1, 0)]) + "…"
}
