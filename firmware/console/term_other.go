//go:build !linux

package console

import "os"

type tty struct{}

func isTerminal(*os.File) bool { return false }

func (in *input) prepare() {}

func (in *input) restore() {}

func wait(*os.File) (bool, error) { return true, nil }

func hungUp(error) bool { return false }
