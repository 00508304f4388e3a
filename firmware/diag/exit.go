package diag

import (
	"errors"
	"fmt"
)

// Exit is what a program of the device ends with.
type Exit int

// The exit codes, by kind of failure. Documented in docs/cli.md from Exits; never renumber.
const (
	ExitOK           Exit = 0
	ExitFailed       Exit = 1
	ExitUsage        Exit = 2
	ExitNotRunning   Exit = 3
	ExitNotPermitted Exit = 4
	ExitNotFound     Exit = 5
	ExitRefused      Exit = 6
	ExitFindings     Exit = 7
	ExitSilent       Exit = 8
	ExitRolledBack   Exit = 9
)

// ExitMeaning is one line of the table of exit codes.
type ExitMeaning struct {
	Code    Exit
	Meaning string
}

// Exits returns the table of exit codes.
func Exits() []ExitMeaning {
	return []ExitMeaning{
		{ExitOK, "all went well"},
		{ExitFailed, "something failed that has no code of its own; the message says what"},
		{ExitUsage, "the command line is wrong: no such command, flag or argument"},
		{ExitNotRunning, "no gateway answers on the socket"},
		{ExitNotPermitted, "the socket, or the gateway, does not take this user"},
		{ExitNotFound, "no such device or point"},
		{ExitRefused, "the configuration has faults, or the gateway refuses; nothing has changed"},
		{ExitFindings, "the doctor found something that fails"},
		{ExitSilent, "the device that was probed does not answer"},
		{ExitRolledBack, "the version on trial was rolled back: the machine is to be rebooted"},
	}
}

var (
	// ErrUsage is what a wrong command line wraps.
	ErrUsage = errors.New("usage")
	// ErrFindings is what a doctor's failed check wraps.
	ErrFindings = errors.New("the doctor found faults")
	// ErrSilent is what a probe of a device that does not answer wraps.
	ErrSilent = errors.New("the device does not answer")
	// ErrRolledBack is what a version on trial wraps that was given up.
	ErrRolledBack = errors.New("rolled back")
)

// ExitOf returns the exit code of err.
func ExitOf(err error) Exit {
	var child interface{ ExitCode() int }
	var line interface{ Usage() bool } // of the command line's parser
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &child) && child.ExitCode() > 0:
		return Exit(child.ExitCode())
	case errors.Is(err, ErrUsage), errors.As(err, &line) && line.Usage():
		return ExitUsage
	case errors.Is(err, ErrNotRunning):
		return ExitNotRunning
	case errors.Is(err, ErrNotPermitted):
		return ExitNotPermitted
	case errors.Is(err, ErrNotFound):
		return ExitNotFound
	case errors.Is(err, ErrRefused):
		return ExitRefused
	case errors.Is(err, ErrFindings):
		return ExitFindings
	case errors.Is(err, ErrSilent):
		return ExitSilent
	case errors.Is(err, ErrRolledBack):
		return ExitRolledBack
	}
	return ExitFailed
}

// Usage returns an error of the command line.
func Usage(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrUsage}, args...)...)
}
