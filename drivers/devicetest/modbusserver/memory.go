package modbusserver

import (
	"fmt"

	"github.com/simonvetter/modbus"
)

// Table is one of the four tables of a Modbus device.
type Table uint8

// The tables, by what Modbus calls them.
const (
	Coils     Table = iota // bits that a client may write
	Discretes              // bits that a client may only read
	Holding                // registers that a client may write
	Input                  // registers that a client may only read
)

// Exception is the code with which a device refuses a request. It is an error, for a Memory to return.
type Exception uint8

// The exceptions of the Modbus application protocol.
const (
	IllegalFunction Exception = 1
	IllegalAddress  Exception = 2
	IllegalValue    Exception = 3
	DeviceFailure   Exception = 4
	Acknowledge     Exception = 5
	DeviceBusy      Exception = 6
	ParityError     Exception = 8
	PathUnavailable Exception = 10
	TargetSilent    Exception = 11
)

// Error returns the exception's number.
func (e Exception) Error() string { return fmt.Sprintf("modbus exception %d", uint8(e)) }

// Memory is what a device holds. Each connection calls it concurrently with the others.
// A method fills or takes the whole slice, or returns an Exception; any other error is answered as
// DeviceFailure. The slices belong to the caller.
type Memory interface {
	ReadBits(unit uint8, table Table, address uint16, into []bool) error
	ReadWords(unit uint8, table Table, address uint16, into []uint16) error
	WriteBits(unit uint8, address uint16, values []bool) error    // coils
	WriteWords(unit uint8, address uint16, values []uint16) error // holding registers
}

// handler offers a Memory to the library.
type handler struct{ memory Memory }

// HandleCoils serves reads and writes of coils.
func (h handler) HandleCoils(r *modbus.CoilsRequest) ([]bool, error) {
	if r.IsWrite {
		return nil, libraryError(h.memory.WriteBits(r.UnitId, r.Addr, r.Args))
	}
	into := make([]bool, r.Quantity)
	return into, libraryError(h.memory.ReadBits(r.UnitId, Coils, r.Addr, into))
}

// HandleDiscreteInputs serves reads of discrete inputs.
func (h handler) HandleDiscreteInputs(r *modbus.DiscreteInputsRequest) ([]bool, error) {
	into := make([]bool, r.Quantity)
	return into, libraryError(h.memory.ReadBits(r.UnitId, Discretes, r.Addr, into))
}

// HandleHoldingRegisters serves reads and writes of holding registers.
func (h handler) HandleHoldingRegisters(r *modbus.HoldingRegistersRequest) ([]uint16, error) {
	if r.IsWrite {
		return nil, libraryError(h.memory.WriteWords(r.UnitId, r.Addr, r.Args))
	}
	into := make([]uint16, r.Quantity)
	return into, libraryError(h.memory.ReadWords(r.UnitId, Holding, r.Addr, into))
}

// HandleInputRegisters serves reads of input registers.
func (h handler) HandleInputRegisters(r *modbus.InputRegistersRequest) ([]uint16, error) {
	into := make([]uint16, r.Quantity)
	return into, libraryError(h.memory.ReadWords(r.UnitId, Input, r.Addr, into))
}

// libraryError returns the library's error for an exception.
func libraryError(err error) error {
	switch err {
	case nil:
		return nil
	case IllegalFunction:
		return modbus.ErrIllegalFunction
	case IllegalAddress:
		return modbus.ErrIllegalDataAddress
	case IllegalValue:
		return modbus.ErrIllegalDataValue
	case Acknowledge:
		return modbus.ErrAcknowledge
	case DeviceBusy:
		return modbus.ErrServerDeviceBusy
	case ParityError:
		return modbus.ErrMemoryParityError
	case PathUnavailable:
		return modbus.ErrGWPathUnavailable
	case TargetSilent:
		return modbus.ErrGWTargetFailedToRespond
	}
	return modbus.ErrServerDeviceFailure
}
