package manual_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/courtside-edge/courtside/sync/manual"
)

func run(*cobra.Command, []string) {}

func program() *cobra.Command {
	root := &cobra.Command{Use: "gauge", Short: "Reads gauges"}
	read := &cobra.Command{Use: "read NAME", Short: "Read one gauge", Long: "read asks once.\n.It never -repeats.\n'Quoted' \\ back.", Example: "  gauge read a-1", Run: run}
	read.Flags().BoolP("raw", "r", false, "print what came")
	root.AddCommand(read, &cobra.Command{Use: "calibrate", Short: "Not for people", Hidden: true, Run: run})
	return root
}

func TestOnePageForEachCommandThatPeopleAreShown(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "man")
	if err := manual.Write(program(), dir); err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(pages) != 2 {
		t.Fatalf("%q, %v", pages, err)
	}
	root, read := text(t, dir, "gauge.1"), text(t, dir, "gauge-read.1")
	for _, want := range []string{".TH GAUGE 1", "gauge \\- Reads gauges", ".SH COMMANDS\n.TP\n.B read\nRead one gauge"} {
		if !strings.Contains(root, want) {
			t.Errorf("%q is not in\n%s", want, root)
		}
	}
	for _, want := range []string{"\\&.It never \\-repeats.", "\\&'Quoted' \\e back.", ".B \\-r, \\-\\-raw\nprint what came", "gauge read a\\-1"} {
		if !strings.Contains(read, want) {
			t.Errorf("%q is not in\n%s", want, read)
		}
	}
	if strings.Contains(root, "calibrate") {
		t.Error("a hidden command is shown")
	}
}

func TestGroffHasNoComplaint(t *testing.T) {
	groff, err := exec.LookPath("groff")
	if err != nil {
		t.Skip("no groff here")
	}
	dir := t.TempDir()
	if err := manual.Write(program(), dir); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(groff, "-man", "-Tascii", "-ww", "-z", filepath.Join(dir, "gauge.1"), filepath.Join(dir, "gauge-read.1")).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestAFolderThatCannotBeWrittenIsSaid(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c := program()
	c.AddCommand(manual.Command())
	c.SetArgs([]string{"man", file})
	c.SilenceErrors, c.SilenceUsage = true, true
	if err := c.Execute(); err == nil || !strings.Contains(err.Error(), "writing man pages") {
		t.Errorf("got %v", err)
	}
}

func text(t *testing.T, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
