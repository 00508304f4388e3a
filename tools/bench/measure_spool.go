package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"time"
)

// spooled runs the spool's own benchmarks over a large backlog of frames of 3 KB, in the bench's folder: what they write goes with it.
func spooled() measurement {
	m := measurement{name: "spool", rows: []row{
		info("start-up", "opening a gateway's stores and spool with a backlog", "ms"),
		info("spill-rate", "spilling a backlog to flash", "MB/s"),
		info("drain-rate", "reading it back, newest first, and releasing it", "MB/s"),
		atMost("spill-rss", "VmRSS of the spool's process with the backlog spilled (aim: at 8 GiB)", 80, "MB"),
		atMost("drain-rss", "the same, drained", 80, "MB"),
	}}
	m.patience = func(b *bench) time.Duration { return time.Duration(b.backlog>>20) * 200 * time.Millisecond } // 5 MB/s is slow
	m.run = func(ctx context.Context, b *bench) ([]row, error) {
		open, err := b.benchmark(ctx, "OpenABacklog", "3x")
		if err != nil {
			return nil, err
		}
		memory, err := b.benchmark(ctx, "MemoryOfSpillAndDrain", "1x")
		if err != nil {
			return nil, err
		}
		out := make([]row, len(m.rows))
		for i, f := range []struct{ out, name, unit string }{{open, "OpenABacklog", "ns/op"}, {memory, "MemoryOfSpillAndDrain", "spill-MB/s"},
			{memory, "MemoryOfSpillAndDrain", "drain-MB/s"}, {memory, "MemoryOfSpillAndDrain", "MB-spilled"}, {memory, "MemoryOfSpillAndDrain", "MB-drained"}} {
			v, err := benchMetric(f.out, "Benchmark"+f.name, f.unit)
			if err != nil {
				return nil, err
			}
			if f.unit == "ns/op" {
				v /= 1e6
			}
			out[i] = m.rows[i].is(v, "%.2f GiB", float64(b.backlog)/(1<<30))
		}
		return out, nil
	}
	return m
}

// benchmark runs one of firmware/store's benchmarks with the bench's backlog and returns what it printed.
func (b *bench) benchmark(ctx context.Context, name, times string) (string, error) {
	root, err := moduleRoot(ctx)
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^Benchmark"+name+"$", "-benchtime", times, "-timeout", "0", "./firmware/store")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "TMPDIR="+b.dir, fmt.Sprintf("BACKLOG_MIB=%d", b.backlog>>20))
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go test -bench %s: %w: %s", name, err, out)
	}
	return string(out), nil
}
