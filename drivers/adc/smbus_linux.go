package adc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"
)

// The kernel's interface to adapters that know SMBus's calls alone, as those of PCs do, include/uapi/linux/i2c-dev.h and i2c.h.
const (
	i2cSlave  = 0x0703 // the address of the calls that follow
	i2cSMBus  = 0x0720
	smbusByte = 1
	smbusWord = 3
)

// errForm is an exchange that SMBus has no call for.
var errForm = errors.New("the bus's adapter speaks SMBus alone, which has no such exchange")

// smbus is a bus whose adapter makes no exchanges but SMBus's. An ADS needs none but these: words are written to registers and read from them.
type smbus struct {
	*bus
	address uint16 // that the kernel was told last; 0 for none
}

// call is struct i2c_smbus_ioctl_data. SMBus sends a word's lower byte first: its bytes here are in the order of the wire.
type call struct {
	read, command uint8
	size          uint32
	data          unsafe.Pointer
}

// Tx implements i2c.Bus.
func (b *smbus) Tx(address uint16, w, r []byte) error {
	var data [34]byte // union i2c_smbus_data
	c := &call{data: unsafe.Pointer(&data)}
	switch {
	case len(w) == 3 && len(r) == 0:
		c.size, c.command = smbusWord, w[0]
		putWord(&data, w[1], w[2])
	case len(w) == 1 && len(r) == 2:
		c.size, c.command, c.read = smbusWord, w[0], 1
	case len(w) == 0 && len(r) == 1:
		c.size, c.read = smbusByte, 1
	default:
		return fmt.Errorf("%w: %d bytes written, %d read", errForm, len(w), len(r))
	}
	if address != b.address {
		b.address = 0
		if err := b.ioctl(i2cSlave, uintptr(address)); err != nil {
			return fmt.Errorf("turning to address %#x: %w", address, err) // a driver of the kernel's has it
		}
		b.address = address
	}
	if err := b.ask(i2cSMBus, unsafe.Pointer(c)); err != nil {
		return err
	}
	if len(r) == 2 {
		r[0], r[1] = word(&data)
	} else if len(r) == 1 {
		r[0] = data[0]
	}
	return nil
}

// putWord puts a word's bytes, in the order of the wire, where the kernel looks for the number that they are.
func putWord(data *[34]byte, first, second byte) {
	binary.NativeEndian.PutUint16(data[:], uint16(first)|uint16(second)<<8)
}

// word returns the bytes of the number that the kernel put there, in the order of the wire.
func word(data *[34]byte) (first, second byte) {
	n := binary.NativeEndian.Uint16(data[:])
	return byte(n), byte(n >> 8)
}
