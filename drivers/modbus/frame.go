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

// expectation is what the answer to a read request has to look like.
type expectation struct {
	unit, function byte
	size           byte // of the data
}

// expect returns what the answer to a read request has to look like.
func expect(request []byte) expectation {
	e := expectation{unit: request[6], function: request[7]}
	quantity := int(binary.BigEndian.Uint16(request[10:]))
	if e.function == goburrow.FuncCodeReadCoils || e.function == goburrow.FuncCodeReadDiscreteInputs {
		e.size = byte((quantity + 7) / 8)
	} else {
		e.size = byte(2 * quantity)
	}
	return e
}

// judge returns the data of a frame that answers as expected, or the code of the exception that it is.
// Anything else gives neither.
func (e expectation) judge(f []byte) (data []byte, code byte) {
	if len(f) < 9 || f[6] != e.unit {
		return nil, 0
	}
	if f[7] == e.function|0x80 && len(f) == 9 {
		return nil, f[8]
	}
	if f[7] != e.function || f[8] != e.size || len(f) != 9+int(e.size) {
		return nil, 0
	}
	return f[9:], 0
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
