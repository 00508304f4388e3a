package modbus

import (
	"encoding/binary"
	"fmt"

	goburrow "github.com/goburrow/modbus"

	"github.com/courtside-edge/courtside/sync/point"
)

// The sizes of a Modbus TCP frame: transaction id, protocol id and length, then length bytes, the first of which is the unit id.
const (
	prefixSize = 6
	minLength  = 2   // unit id and function
	maxLength  = 254 // unit id and the longest PDU
)

// nextFrame returns the first frame of b, or nil when b does not hold all of it yet. An error means
// that b is not Modbus, and that nothing after it can be trusted.
func nextFrame(b []byte) ([]byte, error) {
	if len(b) < prefixSize {
		return nil, nil
	}
	if p := binary.BigEndian.Uint16(b[2:]); p != 0 {
		return nil, fmt.Errorf("not a Modbus frame: protocol id %d", p)
	}
	n := int(binary.BigEndian.Uint16(b[4:]))
	if n < minLength || n > maxLength {
		return nil, fmt.Errorf("not a Modbus frame: length %d, %d to %d are possible", n, minLength, maxLength)
	}
	if len(b) < prefixSize+n {
		return nil, nil
	}
	return b[:prefixSize+n], nil
}

// frameID returns the transaction id of a frame.
func frameID(f []byte) uint16 { return binary.BigEndian.Uint16(f) }

// expectation is what the answer to a request has to look like.
type expectation struct {
	unit, function byte
	size           byte // of the data
}

// expect returns what the answer to a request has to look like. body begins with the unit id.
func expect(body []byte) expectation {
	e := expectation{unit: body[0], function: body[1]}
	switch quantity := int(binary.BigEndian.Uint16(body[4:])); e.function {
	case goburrow.FuncCodeReadCoils, goburrow.FuncCodeReadDiscreteInputs:
		e.size = byte((quantity + 7) / 8)
	case goburrow.FuncCodeReadInputRegisters, goburrow.FuncCodeReadHoldingRegisters:
		e.size = byte(2 * quantity)
	default:
		e.size = writtenSize
	}
	return e
}

// writtenSize is the size of what answers a write: its address, and its value or quantity.
const writtenSize = 4

// mayBeSent reports whether body, a request from its unit id on, is one that this driver makes.
func mayBeSent(body []byte) bool {
	if len(body) < 6 {
		return false
	}
	switch body[1] {
	case goburrow.FuncCodeReadCoils, goburrow.FuncCodeReadDiscreteInputs, goburrow.FuncCodeReadHoldingRegisters, goburrow.FuncCodeReadInputRegisters:
		return len(body) == 6
	case goburrow.FuncCodeWriteSingleRegister, goburrow.FuncCodeWriteMultipleRegisters:
		return true
	}
	return false
}

// writes reports whether the request was a write.
func (e expectation) writes() bool { return e.function > goburrow.FuncCodeReadInputRegisters }

// length returns how long an answer as expected is, from its unit id on and without a checksum.
func (e expectation) length() int {
	if e.writes() {
		return 2 + writtenSize
	}
	return 3 + int(e.size)
}

// judge returns the data of an answer as expected, or the code of the exception that it is. body begins with the unit id.
// Anything else gives neither.
func (e expectation) judge(body []byte) (data []byte, code byte) {
	if len(body) < 3 || body[0] != e.unit {
		return nil, 0
	}
	if body[1] == e.function|0x80 && len(body) == 3 {
		return nil, body[2]
	}
	if body[1] != e.function || len(body) != e.length() {
		return nil, 0
	}
	if e.writes() {
		return body[2:], 0
	}
	if body[2] != e.size {
		return nil, 0
	}
	return body[3:], 0
}

// isUnreachable reports whether an exception says that a gateway could not reach the unit.
func isUnreachable(code byte) bool {
	return code == goburrow.ExceptionCodeGatewayPathUnavailable || code == goburrow.ExceptionCodeGatewayTargetDeviceFailedToRespond
}

// exceptionQuality returns the quality of points whose request was refused with code.
func exceptionQuality(code byte) point.Quality {
	switch code {
	case goburrow.ExceptionCodeIllegalFunction, goburrow.ExceptionCodeIllegalDataValue:
		return point.BadConfigurationError
	case goburrow.ExceptionCodeIllegalDataAddress:
		return point.BadNodeIDUnknown
	case goburrow.ExceptionCodeAcknowledge, goburrow.ExceptionCodeServerDeviceBusy:
		return point.BadResourceUnavailable
	case goburrow.ExceptionCodeGatewayPathUnavailable, goburrow.ExceptionCodeGatewayTargetDeviceFailedToRespond:
		return point.BadNotConnected
	}
	return point.BadDeviceFailure
}
