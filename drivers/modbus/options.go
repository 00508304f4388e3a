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
	Serial       *serial       `yaml:"serial"`        // instead of address: a serial line
	Framing      string        `yaml:"framing"`       // of address: tcp (default), or rtu through a serial server
	Unit         int           `yaml:"unit"`          // 0 to 255, of sources that name none
	Timeout      time.Duration `yaml:"timeout"`       // of connecting, and of each request
	Depth        int           `yaml:"depth"`         // requests outstanding at once
	MaxRegisters int           `yaml:"max_registers"` // of a request
	MaxBits      int           `yaml:"max_bits"`      // of a request
	MaxGap       int           `yaml:"max_gap"`       // unused registers that a request may read to stay one
	Pause        time.Duration `yaml:"pause"`         // between an answer and the next request
	Proxy        string        `yaml:"proxy"`         // host:port at which others may read the last values; empty for none
	Shared       bool          `yaml:"shared"`        // another gateway reads the device too
	Acknowledges *bool         `yaml:"acknowledges"`  // whether rings are told what is durable; by default unless shared
	Tickets      string        `yaml:"tickets"`       // of rings: hash (default), plain or none
	TicketKey    string        `yaml:"ticket_key_file"`
}

// rtu reports whether frames are RTU frames.
func (o *options) rtu() bool { return o.Serial != nil || o.Framing == framingRTU }

// acknowledges reports whether rings are told what is durable.
func (o *options) acknowledges() bool {
	if o.Acknowledges != nil {
		return *o.Acknowledges
	}
	return !o.Shared
}

// where returns the device's place as errors name it.
func (o *options) where() string {
	if o.Serial != nil {
		return o.Serial.Port
	}
	return o.Address
}

// The framings of a TCP connection.
const (
	framingTCP = "tcp"
	framingRTU = "rtu"
)

// defaults returns what holds for keys that are not given.
func defaults() options {
	return options{Unit: 1, Timeout: 500 * time.Millisecond, Depth: 1, MaxRegisters: maxRegisters, MaxBits: maxBits, MaxGap: 8, Tickets: ticketsHashed}
}

// parseOptions returns the section's options with defaults for what is absent, and all its faults joined.
// The options are within their limits even then, so that the points can be checked too.
func parseOptions(s drivers.Section) (options, error) {
	o := defaults()
	errs := []error{s.Decode(&o)} // what could be decoded is checked all the same
	errs = append(errs, o.checkLine(s))
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
	if o.rtu() && o.Depth > 1 {
		errs = append(errs, s.Fault("depth", "an RTU line carries one request at a time, not %d; leave depth out", o.Depth))
	}
	if o.Proxy != "" {
		if err := checkAddress(o.Proxy); err != "" {
			errs = append(errs, s.Fault("proxy", "%s", err))
		}
	}
	switch o.Tickets {
	case ticketsHashed, ticketsPlain, ticketsNone:
	default:
		errs = append(errs, s.Fault("tickets", "%q is nothing to do with tickets; use hash (the default), plain or none", o.Tickets))
		o.Tickets = ticketsNone
	}
	return o, errors.Join(errs...)
}

// checkLine reports what is wrong with the place of the device.
func (o *options) checkLine(s drivers.Section) error {
	switch o.Framing {
	case "", framingTCP, framingRTU:
	default:
		return s.Fault("framing", "%q is no framing; use tcp (the default) or rtu", o.Framing)
	}
	if o.Serial != nil {
		if o.Address != "" {
			return s.Fault("address", "address and serial contradict each other; leave one of them out")
		}
		if o.Framing == framingTCP {
			return s.Fault("framing", "a serial line carries rtu frames; leave framing out")
		}
		return o.Serial.check(s)
	}
	if err := checkAddress(o.Address); err != "" {
		return s.Fault("address", "%s", err)
	}
	return nil
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
		return "address is missing; give the device's host:port, such as 192.168.1.10:502, or serial: {port: …}"
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
