package manual_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/courtside-edge/courtside/sync/manual"
)

func TestAWrongLineIsRefused(t *testing.T) {
	for line, want := range map[string]string{
		"":                   "",
		"sets":               "",
		"sets list":          "",
		"read a":             "",
		"--help":             "",
		"reed":               `unknown command "reed" for "gauge"; did you mean read?; see gauge --help`,
		"sets lisd":          `unknown command "lisd" for "gauge sets"; did you mean list?; see gauge sets --help`,
		"sets nothing":       `unknown command "nothing" for "gauge sets"; see gauge sets --help`,
		"read":               "gauge read: accepts 1 arg(s), received 0; it is gauge read NAME; see gauge read --help",
		"read a --nosuch":    "unknown flag: --nosuch; see gauge read --help",
		"sets list too much": `unknown command "too" for "gauge sets list"`,
	} {
		root := program()
		for _, c := range root.Commands() {
			if c.Name() == "read" {
				c.Args = cobra.ExactArgs(1)
			}
		}
		sets := &cobra.Command{Use: "sets", Short: "Sets of gauges"}
		sets.AddCommand(&cobra.Command{Use: "list", Args: cobra.NoArgs, Run: run})
		root.AddCommand(sets)
		root.SilenceErrors, root.SilenceUsage = true, true
		manual.Strict(root)
		var out bytes.Buffer
		root.SetOut(&out)
		root.SetArgs(strings.Fields(line))
		err := root.Execute()
		_, usage := errors.AsType[*manual.UsageError](err)
		if want == "" && err != nil || want != "" && (!usage || !strings.Contains(err.Error(), want)) {
			t.Errorf("gauge %s: %v, want %q", line, err, want)
		}
		if line == "sets" && !strings.Contains(out.String(), "list") {
			t.Errorf("gauge sets shows no help: %s", out.String())
		}
	}
}
