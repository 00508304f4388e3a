package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Each kind of failure has its exit code, and says what to do.
func TestExitCodes(t *testing.T) {
	dir := t.TempDir()
	faulty := filepath.Join(dir, "faulty.yaml")
	if err := os.WriteFile(faulty, []byte("data_dri: d\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	absent := filepath.Join(dir, "absent.yaml")
	for _, c := range []struct {
		line string
		code int
		want string
	}{
		{"nosuch", exitUsage, `unknown command "nosuch" for "aggregator"`},
		{"frames nosuch", exitUsage, `unknown command "nosuch" for "aggregator frames"`},
		{"token creat dal-001/gw-north", exitUsage, "did you mean create?"},
		{"token create", exitUsage, "it is aggregator token create VENUE/GATEWAY"},
		{"run --confg x", exitUsage, "unknown flag: --confg; see aggregator run --help"},
		{"frames show x", exitUsage, "not an offset"},
		{"frames reprocess", exitUsage, "--all"},
		{"update gw-north https://x/y.raucb", exitUsage, "not VENUE/GATEWAY"},
		{"check " + faulty, exitRefused, `did you mean "data_dir"`},
		{"run -c " + faulty, exitRefused, "the configuration has faults:"},
		{"run -c " + absent, exitRefused, "no such file or directory; write one, or name another file with --config"},
		{"token list -c " + absent, exitRefused, "no such file or directory; write one"},
		{"frames list --api 127.0.0.1:1", exitFailed, "has to run"},
	} {
		_, err := run(strings.Fields(c.line)...)
		if err == nil || exitOf(err) != c.code || !strings.Contains(err.Error(), c.want) {
			t.Errorf("aggregator %s: %v; want code %d and %q", c.line, err, c.code, c.want)
		}
	}
	if said, err := run("version"); err != nil || said != "aggregator dev\n" {
		t.Errorf("%q, %v", said, err)
	}
}

// The file that docs/configuration.md shows as a refused one is refused as it says.
func TestRefusedFileIsTrue(t *testing.T) {
	raw, err := os.ReadFile("../../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)```yaml\n([^`]*)```\n\n```\n\\$ aggregator check aggregator.yaml\n(.*?)```").FindSubmatch(raw)
	if m == nil {
		t.Fatal("there is no refused file")
	}
	t.Chdir(t.TempDir())
	if err := os.WriteFile("aggregator.yaml", m[1], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := run("check", "aggregator.yaml"); err == nil || "aggregator: "+err.Error()+"\n" != string(m[2]) {
		t.Errorf("it says\naggregator: %v\nand there stands\n%s", err, m[2])
	}
}
