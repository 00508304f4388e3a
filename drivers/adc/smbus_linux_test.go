package adc

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"unsafe"
)

// TestSMBusHasFewForms refuses exchanges that SMBus has no call for before anything is asked of the kernel, and passes on what the kernel says of others.
func TestSMBusHasFewForms(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "i2c-1"))
	if err != nil {
		t.Fatal(err)
	}
	b := &smbus{bus: &bus{file: f}}
	for _, x := range []struct {
		write, read int
		known       bool
	}{{3, 0, true}, {1, 2, true}, {0, 1, true}, {2, 0, false}, {1, 1, false}, {0, 0, false}, {0, 2, false}, {4, 0, false}} {
		err := b.Tx(0x48, make([]byte, x.write), make([]byte, x.read))
		if err == nil || errors.Is(err, errForm) == x.known {
			t.Errorf("%d written, %d read: %v", x.write, x.read, err) // a file is no bus either
		}
		if b.address != 0 {
			t.Error("the kernel was told no address")
		}
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if err := b.Tx(0x48, []byte{1}, make([]byte, 2)); !isGone(err) {
		t.Errorf("closed: %v", err)
	}
}

// TestWordsAreInTheOrderOfTheWire: SMBus's number has the first byte as its lower one.
func TestWordsAreInTheOrderOfTheWire(t *testing.T) {
	var data [34]byte
	putWord(&data, 0xc3, 0x83)
	if n := binary.NativeEndian.Uint16(data[:]); n != 0x83c3 {
		t.Errorf("%#x", n)
	}
	if first, second := word(&data); first != 0xc3 || second != 0x83 {
		t.Errorf("%#x %#x", first, second)
	}
	if at := unsafe.Offsetof(call{}.data); at != 8 {
		t.Errorf("the pointer of struct i2c_smbus_ioctl_data is at %d", at)
	}
}
