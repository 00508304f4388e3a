// Package all lists the drivers that the product has. A new protocol is one line here.
package all

import (
	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/drivers/adc"
	"github.com/courtside-edge/courtside/drivers/gpio"
	"github.com/courtside-edge/courtside/drivers/modbus"
	"github.com/courtside-edge/courtside/drivers/opcua"
	"github.com/courtside-edge/courtside/drivers/tracking"
)

// All returns every driver by the name that configuration uses.
func All() drivers.Registry {
	return drivers.Registry{
		"adc":      adc.Driver{},
		"gpio":     gpio.Driver{},
		"modbus":   modbus.Driver{},
		"opcua":    opcua.Driver{},
		"tracking": tracking.Driver{},
	}
}
