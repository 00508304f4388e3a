package modbus

import (
	"errors"
	"time"

	"github.com/courtside-edge/courtside/drivers"
)

// serial is a device's "serial" option: the line of an RTU bus.
type serial struct {
	Port     string `yaml:"port"`      // /dev/serial/by-id/… survives replugging, /dev/ttyUSB0 may not
	Baud     int    `yaml:"baud"`      // bits a second; 19200 by default
	Parity   string `yaml:"parity"`    // even (default), odd or none
	StopBits int    `yaml:"stop_bits"` // 1 by default, 2 without parity
	DataBits int    `yaml:"data_bits"` // 8 by default
}

// The limits of a serial line.
const (
	minBaud     = 300
	maxBaud     = 4_000_000
	defaultBaud = 19200
)

// check sets the defaults and reports what is wrong.
func (s *serial) check(section drivers.Section) error {
	var errs []error
	fault := func(key, format string, args ...any) {
		errs = append(errs, section.Fault("serial."+key, format, args...))
	}
	if s.Port == "" {
		fault("port", "port is missing; give the line's device file, such as /dev/serial/by-id/usb-…")
	}
	if s.Baud == 0 {
		s.Baud = defaultBaud
	}
	if s.Baud < minBaud || s.Baud > maxBaud {
		fault("baud", "baud %d is out of range; use %d to %d", s.Baud, minBaud, maxBaud)
		s.Baud = defaultBaud
	}
	switch s.Parity {
	case "":
		s.Parity = "even"
	case "even", "odd", "none":
	default:
		fault("parity", "%q is not a parity; use even (the default), odd or none", s.Parity)
		s.Parity = "even"
	}
	if s.StopBits == 0 {
		s.StopBits = 1
		if s.Parity == "none" {
			s.StopBits = 2
		}
	}
	if s.StopBits < 1 || s.StopBits > 2 {
		fault("stop_bits", "stop_bits %d is out of range; use 1 or 2", s.StopBits)
		s.StopBits = 1
	}
	if s.DataBits == 0 {
		s.DataBits = 8
	}
	if s.DataBits != 8 {
		fault("data_bits", "RTU needs 8 data bits, not %d; leave data_bits out", s.DataBits)
		s.DataBits = 8
	}
	return errors.Join(errs...)
}

// perByte returns how long a byte is on the wire: start bit, data, parity, stop bits.
func (s *serial) perByte() time.Duration {
	bits := 1 + s.DataBits + s.StopBits
	if s.Parity != "none" {
		bits++
	}
	return time.Duration(bits) * time.Second / time.Duration(s.Baud)
}

// gap returns the silence that ends a frame: three and a half characters, and no less than 1.75 ms above 19,200 baud.
func (s *serial) gap() time.Duration {
	return max(1750*time.Microsecond, time.Duration(38.5*float64(time.Second)/float64(s.Baud)))
}
