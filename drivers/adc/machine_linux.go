package adc

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/driver/driverreg"
	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/i2c/i2creg"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi"
	"periph.io/x/conn/v3/spi/spireg"
	_ "periph.io/x/host/v3/gpioioctl" // which sysfs asks for
	_ "periph.io/x/host/v3/sysfs"     // finds the board's buses
)

// The kernel's interface to I2C buses, include/uapi/linux/i2c-dev.h.
const (
	i2cRetries = 0x0701
	i2cTimeout = 0x0702 // in units of 10 ms
	i2cRdWr    = 0x0707
	flagRead   = 0x0001
)

// machine is the board that the gateway runs on.
type machine struct{}

// openI2C implements opener. periph.io knows which buses there are. Exchanges are made here: periph's own keeps addresses of
// variables that may move, and has no timeout.
func (machine) openI2C(o options) (i2c.BusCloser, error) {
	if _, err := driverreg.Init(); err != nil {
		return nil, fmt.Errorf("looking at the board: %w", err)
	}
	f, err := os.OpenFile(fmt.Sprintf("/dev/i2c-%d", o.number), os.O_RDWR, 0)
	if err != nil {
		var have []string
		for _, b := range i2creg.All() {
			have = append(have, fmt.Sprintf("i2c-%d", b.Number))
		}
		return nil, fmt.Errorf("%w; the board's I2C buses are %v", err, have)
	}
	b := &bus{file: f}
	for request, arg := range map[uintptr]uintptr{i2cRetries: 0, i2cTimeout: uintptr((o.Timeout + 10*time.Millisecond - 1) / (10 * time.Millisecond))} {
		if err := b.control(func(fd uintptr) unix.Errno {
			_, _, e := unix.Syscall(unix.SYS_IOCTL, fd, request, arg)
			return e
		}); err != nil {
			return nil, errors.Join(fmt.Errorf("setting the timeout of bus %s: %w", o.Bus, err), f.Close())
		}
	}
	return b, nil
}

// openSPI implements opener with periph's own port.
func (machine) openSPI(o options, selected int) (spiChip, error) {
	if _, err := driverreg.Init(); err != nil {
		return nil, fmt.Errorf("looking at the board: %w", err)
	}
	name := fmt.Sprintf("SPI%d.%d", o.number, selected)
	port, err := spireg.Open(name)
	if err != nil {
		var have []string
		for _, p := range spireg.All() {
			have = append(have, p.Name)
		}
		return nil, fmt.Errorf("open %s: %w; the board's SPI chip selects are %v", name, err, have)
	}
	c, err := port.Connect(physic.Frequency(o.Speed)*physic.Hertz, spi.Mode0, 8)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("connect to %s: %w", name, err), port.Close())
	}
	return &selectedChip{Conn: c, port: port}, nil
}

// selectedChip is a chip select that is closed with its port.
type selectedChip struct {
	spi.Conn
	port spi.PortCloser
}

// Close implements spiChip.
func (s *selectedChip) Close() error { return s.port.Close() }

// bus is an I2C bus of the kernel's.
type bus struct {
	file *os.File
	once sync.Once
	err  error
}

// message is struct i2c_msg. Its buffer stays a pointer, so that whatever it points to stays where it is.
type message struct {
	address, flags, length uint16
	buffer                 unsafe.Pointer
}

// exchange is struct i2c_rdwr_ioctl_data.
type exchange struct {
	messages unsafe.Pointer
	count    uint32
}

// String returns the bus's path.
func (b *bus) String() string { return b.file.Name() }

// SetSpeed implements i2c.Bus; the device tree sets it.
func (b *bus) SetSpeed(physic.Frequency) error {
	return errors.New("the speed of an I2C bus is set in the device tree")
}

// Tx implements i2c.Bus: it writes w and then reads r without giving up the bus between.
func (b *bus) Tx(address uint16, w, r []byte) error {
	messages := make([]message, 0, 2)
	if len(w) > 0 {
		messages = append(messages, message{address: address, length: uint16(len(w)), buffer: unsafe.Pointer(&w[0])})
	}
	if len(r) > 0 {
		messages = append(messages, message{address: address, flags: flagRead, length: uint16(len(r)), buffer: unsafe.Pointer(&r[0])})
	}
	if len(messages) == 0 {
		return nil
	}
	e := &exchange{messages: unsafe.Pointer(&messages[0]), count: uint32(len(messages))}
	return b.control(func(fd uintptr) unix.Errno {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, fd, i2cRdWr, uintptr(unsafe.Pointer(e)))
		return errno
	})
}

func (b *bus) control(call func(fd uintptr) unix.Errno) error {
	raw, err := b.file.SyscallConn()
	if err != nil {
		return err
	}
	var e unix.Errno
	if err := raw.Control(func(fd uintptr) { e = call(fd) }); err != nil {
		return err
	}
	if e != 0 {
		return e
	}
	return nil
}

// Close implements i2c.BusCloser.
func (b *bus) Close() error {
	b.once.Do(func() { b.err = b.file.Close() })
	return b.err
}

// isGone reports whether an exchange failed for the bus itself.
func isGone(err error) bool {
	return errors.Is(err, unix.ENODEV) || errors.Is(err, unix.EBADF) || errors.Is(err, os.ErrClosed)
}

func isTimeout(err error) bool { return errors.Is(err, unix.ETIMEDOUT) }
