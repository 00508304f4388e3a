//go:build !linux

package gpio

import "errors"

var errNoKernel = errors.New("lines can be read on Linux only")

func chipsOf(string) ([]chip, error) { return nil, errNoKernel }

// free implements board.
func (machine) free(place) error { return errNoKernel }

// request implements board.
func (machine) request(string, []wish) (lines, error) { return nil, errNoKernel }

func (machine) drive(place, bool) (output, error) { return nil, errNoKernel }
