package gwctltest

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/courtside-edge/courtside/drivers/all"
	"github.com/courtside-edge/courtside/firmware/command"
	"github.com/courtside-edge/courtside/firmware/ctl"
	"github.com/courtside-edge/courtside/firmware/diag"
)

var update = flag.Bool("update", false, "write docs/cli.md from the commands")

const cliDoc = "../../docs/cli.md"

// TestCLIDocIsTrue compares docs/cli.md with the commands; -update writes it.
func TestCLIDocIsTrue(t *testing.T) {
	var b bytes.Buffer
	fmt.Fprint(&b, "# The command lines of the device\n\n<!-- Written from the commands: go test ./tools/gwctltest -run TestCLIDoc -update -->\n\n"+
		"`gwctl` asks the gateway that runs on the device; `gateway` is the gateway itself.\n\n"+
		"`gwctl completion bash` (or zsh, fish) prints what completes commands, flags and devices in a shell: `source <(gwctl completion bash)`.\n\n## Exit codes\n\nBoth programs end with one of these, by kind of failure.\n\n| code | meaning |\n|---|---|\n")
	for _, e := range diag.Exits() {
		fmt.Fprintf(&b, "| %d | %s |\n", e.Code, e.Meaning)
	}
	describe(&b, ctl.Root(""))
	describe(&b, command.Root("", all.All()))
	if *update {
		if err := os.WriteFile(cliDoc, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	was, err := os.ReadFile(cliDoc)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(was, b.Bytes()) {
		t.Error("docs/cli.md is not what the commands say; write it anew: go test ./tools/gwctltest -run TestCLIDoc -update")
	}
}

func describe(b *bytes.Buffer, c *cobra.Command) {
	c.InitDefaultHelpFlag()
	level := "##"
	if c.HasParent() {
		level = "###"
	}
	fmt.Fprintf(b, "\n%s %s\n\n%s.\n\n```text\n%s\n```\n", level, c.CommandPath(), strings.TrimSuffix(c.Short, "."), c.UseLine())
	if c.Long != "" && c.HasParent() {
		fmt.Fprintf(b, "\n%s\n", c.Long)
	}
	if c.Example != "" {
		fmt.Fprintf(b, "\n```sh\n%s\n```\n", strings.ReplaceAll(strings.TrimPrefix(c.Example, "  "), "\n  ", "\n"))
	}
	var rows []string
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.Name == "help" || f.Hidden {
			return
		}
		name := "`--" + f.Name + "`"
		if f.Shorthand != "" {
			name += ", `-" + f.Shorthand + "`"
		}
		value := ""
		if f.DefValue != "" && f.DefValue != "[]" {
			value = "`" + f.DefValue + "`"
		}
		rows = append(rows, fmt.Sprintf("| %s | %s | %s |", name, value, strings.ReplaceAll(f.Usage, "|", `\|`)))
	})
	if len(rows) > 0 {
		fmt.Fprintf(b, "\n| flag | default | |\n|---|---|---|\n%s\n", strings.Join(rows, "\n"))
	}
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() && sub.Name() != "help" && sub.Name() != "completion" {
			describe(b, sub)
		}
	}
}

// most is how large a stripped gwctl for armv7 may be.
const most = 12_000_000

func TestGwctlIsSmall(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds a program")
	}
	out := filepath.Join(t.TempDir(), "gwctl")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", out, "github.com/courtside-edge/courtside/firmware/cmd/gwctl")
	build.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm", "GOARM=7", "CGO_ENABLED=0")
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building gwctl: %v\n%s", err, said)
	}
	info, err := os.Stat(out)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > most {
		t.Errorf("gwctl takes %d bytes on armv7, %d are allowed", info.Size(), most)
	}
	t.Logf("gwctl takes %.1f MB on armv7", float64(info.Size())/1e6)
}

func TestGwctlLinksNoLibraryOfTheGateway(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "github.com/courtside-edge/courtside/firmware/cmd/gwctl").Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.ReplaceAll(string(out), "courtside/sync/manual\n", "") // it writes man pages of commands, and knows nothing else
	if !strings.Contains(deps, "firmware/ctl") {
		t.Fatal("the list is not one of gwctl's packages")
	}
	for _, bad := range []string{"goburrow", "gopcua", "periph.io", "paho", "mochi", "badger", "go-spiffe", "sqlite", "klauspost", "goccy/go-yaml", "google.golang.org/grpc",
		"courtside/drivers", "courtside/sync/", "firmware/gateway"} {
		if strings.Contains(deps, bad) {
			t.Errorf("gwctl links %s", bad)
		}
	}
}
