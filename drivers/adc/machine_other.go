//go:build !linux

package adc

import (
	"errors"
	"os"

	"periph.io/x/conn/v3/i2c"
)

var errNoKernel = errors.New("converters can be read on Linux only")

// machine is a board without buses.
type machine struct{}

// openI2C implements opener.
func (machine) openI2C(options) (i2c.BusCloser, error) { return nil, errNoKernel }

// openSPI implements opener.
func (machine) openSPI(options, int) (spiChip, error) { return nil, errNoKernel }

func isGone(err error) bool { return errors.Is(err, os.ErrClosed) }

func isTimeout(error) bool { return false }
