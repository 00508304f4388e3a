//go:build !linux

package console

import "os"

type tty struct{}

// IsTerminal reports whether f is a terminal; elsewhere than on Linux, that nobody knows better.
func IsTerminal(*os.File) bool { return true }

func isTerminal(*os.File) bool { return false }

func (in *input) prepare() {}

func (in *input) restore() {}

func wait(*os.File) (bool, error) { return true, nil }

func hungUp(error) bool { return false }
