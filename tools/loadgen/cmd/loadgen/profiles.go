package main

import (
	"errors"
	"fmt"
	"os"
	"runtime/pprof"
)

// profiles are what `go tool pprof` reads; empty paths for none.
type profiles struct {
	cpu, memory string
	file        *os.File
}

func (p *profiles) start() (err error) {
	if p.cpu == "" {
		return nil
	}
	if p.file, err = os.Create(p.cpu); err != nil {
		return fmt.Errorf("--cpuprofile: %w", err)
	}
	if err := pprof.StartCPUProfile(p.file); err != nil {
		return errors.Join(fmt.Errorf("--cpuprofile: %w", err), p.file.Close())
	}
	return nil
}

// stop writes what is wanted. The heap is as the last collection left it, with the gateway's memory still counted.
func (p *profiles) stop() error {
	var errs []error
	if p.file != nil {
		pprof.StopCPUProfile()
		errs = append(errs, p.file.Close())
	}
	if p.memory == "" {
		return errors.Join(errs...)
	}
	f, err := os.Create(p.memory)
	if err != nil {
		return errors.Join(append(errs, fmt.Errorf("--memprofile: %w", err))...)
	}
	return errors.Join(append(errs, pprof.WriteHeapProfile(f), f.Close())...)
}
