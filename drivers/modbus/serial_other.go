//go:build !linux

package modbus

import (
	"errors"

	"github.com/courtside-edge/courtside/drivers"
)

// openSerial refuses: the gateway's serial lines are Linux'.
func openSerial(s serial) (port, error) {
	return nil, &drivers.Error{Op: "open serial port " + s.Port, Failure: drivers.Permanent, Err: errors.ErrUnsupported}
}
