package faults_test

import (
	"bytes"
	"context"
	"flag"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/courtside-edge/courtside/cloud/aggregator"
	cloudconfig "github.com/courtside-edge/courtside/cloud/config"
	"github.com/courtside-edge/courtside/drivers/all"
	"github.com/courtside-edge/courtside/firmware/config"
	"github.com/courtside-edge/courtside/firmware/gateway"
	"github.com/courtside-edge/courtside/sync/faulttest"
	"github.com/courtside-edge/courtside/tools/faults"
)

// The programs of a rig are this test's binary in another role, so that they are what the tests were built from.
func TestMain(m *testing.M) {
	// Scenarios mostly wait: they run beside each other however few cores there are.
	if os.Getenv("COURTSIDE_FAULTTEST_ROLE") == "" {
		flag.Parse()
		if err := flag.Set("test.parallel", "12"); err != nil {
			panic(err)
		}
	}
	os.Exit(faulttest.Main(m, map[string]faulttest.Role{"gateway": runGateway, "aggregator": runAggregator}))
}

func role(name string) faults.Command {
	return faults.Command{Path: os.Args[0], Env: []string{"COURTSIDE_FAULTTEST_ROLE=" + name}}
}

func logger() *slog.Logger { return slog.New(slog.NewTextHandler(os.Stderr, nil)) }

// args are those of the programs: run --config FILE.
func runGateway(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	c, err := config.Load(args[2], all.All())
	if err != nil {
		return err
	}
	g, err := gateway.Start(ctx, c, gateway.Deps{Version: "test", Log: logger()})
	if err != nil {
		return err
	}
	return g.Wait()
}

func runAggregator(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	c, err := cloudconfig.Load(args[2])
	if err != nil {
		return err
	}
	a, err := aggregator.Start(ctx, c, aggregator.Deps{Version: "test", Log: logger()})
	if err != nil {
		return err
	}
	return a.Wait()
}

// TestScenarios runs every scenario of testdata/faults; each ends with the ground truth equal.
func TestScenarios(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds of real time")
	}
	files, err := filepath.Glob("../../testdata/faults/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			t.Parallel()
			s, err := faults.Load(f)
			if err != nil {
				t.Fatal(err)
			}
			if s.Count(faults.FillDisk) > 0 && os.Getuid() != 0 {
				t.Skip("needs the right to mount")
			}
			var steps bytes.Buffer
			dir := t.TempDir()
			v, err := faults.Run(t.Context(), s, faults.Options{Dir: dir, Gateway: role("gateway"), Aggregator: role("aggregator"), Out: &steps})
			if err != nil {
				t.Fatalf("%v\n%s", err, tails(dir))
			}
			if v.Print(&steps); !v.Equal() {
				t.Errorf("%s\n%s", steps.String(), tails(dir))
			}
		})
	}
}

// tails returns the ends of the programs' logs.
func tails(dir string) string {
	var b bytes.Buffer
	logs, _ := filepath.Glob(filepath.Join(dir, "*.log")) // the pattern is well formed
	for _, l := range logs {
		raw, err := os.ReadFile(l)
		if err != nil {
			continue
		}
		io.WriteString(&b, filepath.Base(l)+":\n")
		b.Write(raw[max(0, len(raw)-3000):])
	}
	return b.String()
}
