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
		length := fmt.Sprintf("%.1fs", max(b.seconds.Seconds()/4, 1))
		out, err := modbusBenchmark(ctx, "^BenchmarkRoundTrip$/^depth=16$", length)
		if err != nil {
			return nil, err
		}
		v, err := benchMetric(out, "BenchmarkRoundTrip/depth=16", "requests/s")
		if err != nil {
			return nil, err
		}
		return []row{m.rows[0].is(v, "drivers/modbus BenchmarkRoundTrip, device in another process")}, nil
	}
	return m
}

// fleets runs the driver's own benchmarks of 64 slow PLCs, once as they are and once with a dead one among them.
func fleets() measurement {
	m := measurement{name: "fleet", rows: []row{
		info("fleet-rate", "values polled from 64 PLCs that answer after 20 ms, 100 registers each, every 100 ms", "values/s"),
		info("fleet-cpu", "CPU of the driver per polled value, 100 values a request", "ns"),
		atMost("fleet-dead", "P99 of a scan beside one dead PLC, over that of a whole fleet polled at the same time", 1.05, "×"),
	}}
	m.run = func(ctx context.Context, b *bench) ([]row, error) {
		scans := int(max(b.seconds.Seconds()*10, 20))
		out, err := modbusBenchmark(ctx, "^Benchmark(ManyPLCs|OneDeadPLC)$", fmt.Sprintf("%dx", scans))
		if err != nil {
			return nil, err
		}
		figures := map[string]float64{}
		for _, f := range []struct{ key, name, unit string }{
			{"op", "BenchmarkManyPLCs", "ns/op"}, {"cpu", "BenchmarkManyPLCs", "cpu-ns/value"}, {"p99", "BenchmarkManyPLCs", "p99-ms-all"},
			{"whole", "BenchmarkOneDeadPLC", "p99-ms-whole"}, {"beside", "BenchmarkOneDeadPLC", "p99-ms-beside-dead"},
		} {
			if figures[f.key], err = benchMetric(out, f.name, f.unit); err != nil {
				return nil, err
			}
		}
		const values = 64 * 100
		return []row{m.rows[0].is(values/figures["op"]*1e9, "scans take %.1f ms at P99, warm-up included in the rate", figures["p99"]),
			m.rows[1].is(figures["cpu"], "drivers/modbus BenchmarkManyPLCs"),
			m.rows[2].is(figures["beside"]/figures["whole"], "%.1f ms over %.1f ms", figures["beside"], figures["whole"])}, nil
	}
	return m
}

// modbusBenchmark runs benchmarks of the Modbus driver and returns what they print.
func modbusBenchmark(ctx context.Context, pattern, length string) (string, error) {
	root, err := moduleRoot(ctx)
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", pattern, "-benchtime", length, "./drivers/modbus")
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go test -bench: %w: %s", err, out)
	}
	return string(out), nil
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
