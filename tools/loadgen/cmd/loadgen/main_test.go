package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/courtside-edge/courtside/tools/loadgen"
)

// command runs the command line and returns what it printed.
func command(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	c := root()
	c.SetOut(&out)
	c.SetErr(&out)
	c.SetArgs(args)
	err := c.ExecuteContext(t.Context())
	return out.String(), err
}

func TestConfigWritesThreeFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "site")
	out, err := command(t, "config", "--out", dir, "--points", "20", "--rate", "5000")
	if err != nil {
		t.Fatal(err)
	}
	for path := range strings.FieldsSeq(out) {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
	if strings.Count(out, "\n") != 3 {
		t.Errorf("it printed %q, three paths are wanted", out)
	}
	if _, err := command(t, "config"); err == nil || !strings.Contains(err.Error(), "--out") {
		t.Errorf("without --out: %v", err)
	}
}

// TestRunEndsWithItsFigures runs without an aggregator for a moment: the final figures come all the same, and the profiles.
func TestRunEndsWithItsFigures(t *testing.T) {
	dir := t.TempDir()
	if _, err := command(t, "config", "--out", dir, "--points", "20", "--rate", "5000", "--broker", "127.0.0.1:1", "--workload-api", "unix://"+filepath.Join(dir, "nobody.sock")); err != nil {
		t.Fatal(err)
	}
	cpu, heap := filepath.Join(dir, "cpu"), filepath.Join(dir, "heap")
	out, err := command(t, "run", "--json", "--for", "300ms", "--config", filepath.Join(dir, "gateway.yaml"), "--cpuprofile", cpu, "--memprofile", heap)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	var f loadgen.Figures
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &f); err != nil {
		t.Fatalf("%q: %v", out, err)
	}
	if !f.Final || f.Produced == 0 || f.Acked != 0 {
		t.Errorf("the final figures are %+v", f)
	}
	for _, path := range []string{cpu, heap} {
		if info, err := os.Stat(path); err != nil || info.Size() == 0 {
			t.Errorf("profile %s: %v", path, err)
		}
	}
}

func TestRunRefusesFaultyFiles(t *testing.T) {
	if _, err := command(t, "run", "--config", filepath.Join(t.TempDir(), "absent.yaml")); err == nil || !strings.Contains(err.Error(), "absent.yaml") {
		t.Errorf("an absent file: %v", err)
	}
	if _, err := (profiles{cpu: filepath.Join(t.TempDir(), "no", "folder")}).start(context.Background()); err == nil {
		t.Error("a profile goes nowhere, and nobody says so")
	}
}
