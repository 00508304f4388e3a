package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/courtside-edge/courtside/cloud/config"
	"github.com/courtside-edge/courtside/sync/manual"
)

// What the program ends with, by kind of failure; the same kinds as those of gateway and gwctl. Documented in docs/operations.md, never renumber.
const (
	exitFailed  = 1 // the message says what
	exitUsage   = 2 // the command line is wrong
	exitRefused = 6 // the configuration has faults, or is not there
)

// exitOf returns what the program ends with after err.
func exitOf(err error) int {
	if _, ok := errors.AsType[*manual.UsageError](err); ok {
		return exitUsage
	}
	if _, ok := errors.AsType[*configFaults](err); ok {
		return exitRefused
	}
	return exitFailed
}

// usage returns what is wrong with the line of a command.
func usage(command, format string, args ...any) error {
	return &manual.UsageError{Command: "aggregator " + command, Err: fmt.Errorf(format, args...)}
}

// configFaults is a configuration that is refused, or not there.
type configFaults struct{ cause error }

// Error returns each fault in lines of its own.
func (f *configFaults) Error() string {
	if errors.Is(f.cause, os.ErrNotExist) && !strings.Contains(f.cause.Error(), "\n") {
		return f.cause.Error() + "; write one, or name another file with --config; docs/configuration.md has an example"
	}
	return "the configuration has faults:\n" + f.cause.Error()
}

// Unwrap returns the faults.
func (f *configFaults) Unwrap() error { return f.cause }

// load reads the configuration of a command.
func load(path string) (*config.Config, error) {
	c, err := config.Load(path)
	if err != nil {
		return nil, &configFaults{err}
	}
	return c, nil
}
