package main

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
)

// roundTrips runs the Modbus driver's own benchmark against a device that answers after 2 ms.
func roundTrips() measurement {
	m := measurement{name: "modbus", rows: []row{atLeast("modbus-requests", "Modbus at 2 ms round trip, one connection, depth 16", 5000, "requests/s")}}
	m.run = func(ctx context.Context, b *bench) ([]row, error) {
		root, err := moduleRoot(ctx)
		if err != nil {
			return nil, err
		}
		length := fmt.Sprintf("%.1fs", max(b.seconds.Seconds()/4, 1))
		cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^BenchmarkRoundTrip$/^depth=16$", "-benchtime", length, "./drivers/modbus")
		cmd.Dir = root
		out, err := cmd.CombinedOutput()
		if err != nil {
			return nil, fmt.Errorf("go test -bench: %w: %s", err, out)
		}
		v, err := benchMetric(string(out), "BenchmarkRoundTrip/depth=16", "requests/s")
		if err != nil {
			return nil, err
		}
		return []row{m.rows[0].is(v, "drivers/modbus BenchmarkRoundTrip, device in another process")}, nil
	}
	return m
}

// benchMetric returns one metric of one benchmark from the output of `go test -bench`.
func benchMetric(out, name, unit string) (float64, error) {
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		if len(f) < 4 || f[0] != name && !strings.HasPrefix(f[0], name+"-") {
			continue
		}
		for i := 2; i+1 < len(f); i += 2 {
			if f[i+1] == unit {
				return strconv.ParseFloat(f[i], 64)
			}
		}
	}
	return 0, fmt.Errorf("the output of go test has no %s of %s: %s", unit, name, out)
}
