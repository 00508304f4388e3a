package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/pprof"
)

// profiles are files that `go tool pprof` reads; empty paths for none.
type profiles struct{ cpu, memory string }

// start begins to profile. The heap is written when ctx ends, while the gateway still has its memory; stopped waits for that.
func (p profiles) start(ctx context.Context) (stopped func() error, err error) {
	var cpu *os.File
	if p.cpu != "" {
		if cpu, err = os.Create(p.cpu); err != nil {
			return nil, fmt.Errorf("--cpuprofile: %w", err)
		}
		if err := pprof.StartCPUProfile(cpu); err != nil {
			return nil, errors.Join(fmt.Errorf("--cpuprofile: %w", err), cpu.Close())
		}
	}
	heap := make(chan error, 1)
	cancel := context.AfterFunc(ctx, func() { heap <- p.heap() })
	return func() error {
		var failed error
		if !cancel() {
			failed = <-heap
		}
		if cpu != nil {
			pprof.StopCPUProfile()
			failed = errors.Join(failed, cpu.Close())
		}
		return failed
	}, nil
}

func (p profiles) heap() error {
	if p.memory == "" {
		return nil
	}
	f, err := os.Create(p.memory)
	if err != nil {
		return fmt.Errorf("--memprofile: %w", err)
	}
	return errors.Join(pprof.WriteHeapProfile(f), f.Close())
}
