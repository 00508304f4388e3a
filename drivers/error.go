package drivers

import (
	"errors"
	"fmt"
)

// Failure says what the one who retries should do.
type Failure uint8

// The kinds of failure.
const (
	// Transient failures may pass by themselves: timeouts, closed connections, busy devices.
	Transient Failure = iota
	// Permanent failures need a person: a refused login, an unknown certificate, an address that the device does not have.
	Permanent
)

// Error is a failure of a device or its connection.
type Error struct {
	Op      string // what was being done: "connect", "read holding registers 100-224 of unit 3"
	Failure Failure
	Err     error
}

// Error returns "op: cause".
func (e *Error) Error() string { return fmt.Sprintf("%s: %v", e.Op, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// IsPermanent reports whether err says that retrying is of no use until a person acts.
func IsPermanent(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Failure == Permanent
}
