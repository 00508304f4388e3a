package modbus

import (
	"errors"
	"net"
	"strconv"
	"time"

	"github.com/courtside-edge/courtside/drivers"
)

// The protocol's own limits.
const (
	maxRegisters = 125  // registers of one answer
	maxBits      = 2000 // bits of one answer
	maxDepth     = 16   // requests outstanding on one connection; more is faster on no device that was seen
)

// The limits of time. Beyond them a value is refused as a slip of the pen.
const (
	minTimeout = time.Millisecond
	maxTimeout = time.Minute
	maxPause   = 10 * time.Second
)

// options is a device's "options" section.
type options struct {
	Address      string        `yaml:"address"`       // host:port
	Unit         int           `yaml:"unit"`          // 0 to 255
	Timeout      time.Duration `yaml:"timeout"`       // of connecting, and of each request
	Depth        int           `yaml:"depth"`         // requests outstanding at once
	MaxRegisters int           `yaml:"max_registers"` // of a request
	MaxBits      int           `yaml:"max_bits"`      // of a request
	MaxGap       int           `yaml:"max_gap"`       // unused registers that a request may read to stay one
	Pause        time.Duration `yaml:"pause"`         // between an answer and the next request
}

// defaults returns what holds for keys that are not given.
func defaults() options {
	return options{Unit: 1, Timeout: 500 * time.Millisecond, Depth: 1, MaxRegisters: maxRegisters, MaxBits: maxBits, MaxGap: 8}
}

// parseOptions returns the section's options with defaults for what is absent, and all its faults joined.
// The options are within their limits even then, so that the points can be checked too.
func parseOptions(s drivers.Section) (options, error) {
	o := defaults()
	errs := []error{s.Decode(&o)} // what could be decoded is checked all the same
	if err := checkAddress(o.Address); err != "" {
		errs = append(errs, s.Fault("address", "%s", err))
	}
	within(&errs, s, "unit", &o.Unit, 0, 255, 1)
	within(&errs, s, "depth", &o.Depth, 1, maxDepth, 1)
	within(&errs, s, "max_registers", &o.MaxRegisters, 1, maxRegisters, maxRegisters)
	within(&errs, s, "max_bits", &o.MaxBits, 1, maxBits, maxBits)
	within(&errs, s, "max_gap", &o.MaxGap, 0, maxRegisters, 0)
	within(&errs, s, "timeout", &o.Timeout, minTimeout, maxTimeout, maxTimeout)
	within(&errs, s, "pause", &o.Pause, 0, maxPause, 0)
	if o.Pause > 0 && o.Depth > 1 {
		errs = append(errs, s.Fault("pause", "a pause between requests and depth %d contradict each other; leave one of them out", o.Depth))
	}
	return o, errors.Join(errs...)
}

// within reports a value outside lo to hi and replaces it.
func within[T int | time.Duration](errs *[]error, s drivers.Section, key string, v *T, lo, hi, instead T) {
	if *v < lo || *v > hi {
		*errs = append(*errs, s.Fault(key, "%s %v is out of range; use %v to %v", key, *v, lo, hi))
		*v = instead
	}
}

// checkAddress returns what is wrong with a host:port, or "".
func checkAddress(s string) string {
	if s == "" {
		return "address is missing; give the device's host:port, such as 192.168.1.10:502"
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil || host == "" {
		return strconv.Quote(s) + " is not host:port; use one such as 192.168.1.10:502"
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return strconv.Quote(port) + " is not a port; use 1 to 65535 (Modbus is 502)"
	}
	return ""
}
