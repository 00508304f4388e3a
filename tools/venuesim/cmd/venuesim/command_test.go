package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// execute runs the command line and returns what it printed.
func execute(ctx context.Context, t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out, log strings.Builder
	cmd := newCommand()
	cmd.SetArgs(args)
	cmd.SetOut(&out)
	cmd.SetErr(&log)
	err := cmd.ExecuteContext(ctx)
	return out.String(), err
}

func TestConfigWritesEveryFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "site")
	out, err := execute(t.Context(), t, "config", "--out", dir, "--gateways", "4", "--speed", "120", "--modbus-port", "6020", "--trust-domain", "a.example")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"gw-1.yaml", "gw-2.yaml", "gw-3.yaml", "gw-4.yaml", "aggregator.yaml", "arena.geojson"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil || !strings.Contains(out, name) {
			t.Errorf("%s: %v; printed %q", name, err, out)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "gw-1.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"127.0.0.1:6020", "a.example", "max_rate: 1000"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("gw-1.yaml lacks %q", want)
		}
	}
}

func TestCommandLineIsChecked(t *testing.T) {
	dir := t.TempDir()
	for want, args := range map[string][]string{
		"required flag":   {"config"},
		"run --out":       {"config", "--out", dir, "--modbus-port", "0"},
		"speed -1":        {"config", "--out", dir, "--speed", "-1"},
		"9 gateways":      {"config", "--out", dir, "--gateways", "9"},
		"unknown command": {"serve"},
		"unknown flag":    {"run", "--fast"},
		"event of 1s":     {"run", "--event-length", "1s"},
		"no colon":        {"run", "--fault", "building"},
		"a power of two":  {"run", "--gates", "rings", "--ring-slots", "100"},
		"turnstiles":      {"config", "--out", dir, "--gates", "turnstiles"},
	} {
		if _, err := execute(t.Context(), t, args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v ends with %v, want an error about %q", args, err, want)
		}
	}
}

func TestRunServesUntilItIsInterrupted(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // before it starts: it opens everything, prints, and ends
	out, err := execute(ctx, t, "run", "--modbus-port", "0", "--opcua-port", "0", "--tracking-port", "0", "--http-port", "0", "--out", dir, "--gates", "both", "--fault", "building:drop,after=1m")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"plc-seats-101", "plc-gates-4", "plc-gate-24", "building", "ground truth", "gw-north.yaml"} {
		if !strings.Contains(out, want) {
			t.Errorf("it printed no %s:\n%s", want, out)
		}
	}
	if strings.Contains(out, ":0\n") {
		t.Errorf("an address is not known:\n%s", out)
	}
}
