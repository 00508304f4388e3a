package adc

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi"
	"periph.io/x/host/v3/sysfs"
)

// The kernel's interface to I2C buses, include/uapi/linux/i2c-dev.h.
const (
	i2cRetries = 0x0701
	i2cTimeout = 0x0702 // in units of 10 ms
	i2cFuncs   = 0x0705
	i2cRdWr    = 0x0707
	flagRead   = 0x0001
	plainI2C   = 0x0001 // what an adapter can do: any exchange
)

// machine is the board that the gateway runs on.
type machine struct{}

// openI2C implements opener. Exchanges are made here: periph's own keeps addresses of variables that may move, and has no timeout.
func (machine) openI2C(o options) (i2c.BusCloser, error) {
	f, err := os.OpenFile(fmt.Sprintf("/dev/i2c-%d", o.number), os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("%w; the board's I2C buses are %v", err, devices("i2c-*"))
	}
	b := &bus{file: f}
	timeout := uintptr((o.Timeout + 10*time.Millisecond - 1) / (10 * time.Millisecond))
	var can uintptr // unsigned long
	err = errors.Join(b.ioctl(i2cRetries, 0), b.ioctl(i2cTimeout, timeout), b.ask(i2cFuncs, unsafe.Pointer(&can)))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("setting up bus %s: %w", o.Bus, err), f.Close())
	}
	if can&plainI2C == 0 {
		return &smbus{bus: b}, nil
	}
	return b, nil
}

// devices returns the names below /dev that match.
func devices(pattern string) []string {
	paths, _ := filepath.Glob(filepath.Join("/dev", pattern)) // the pattern is ours
	for i, p := range paths {
		paths[i] = filepath.Base(p)
	}
	return paths
}

// openSPI implements opener with periph's own port. It is opened once before, for periph's errors do not tell what is forbidden.
func (machine) openSPI(o options, selected int) (spiChip, error) {
	f, err := os.OpenFile(fmt.Sprintf("/dev/spidev%d.%d", o.number, selected), os.O_RDWR, 0)
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("%w; the board's SPI chip selects are %v", err, devices("spidev*"))
	}
	name := fmt.Sprintf("SPI%d.%d", o.number, selected)
	port, err := sysfs.NewSPI(o.number, selected)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
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
	return b.ask(i2cRdWr, unsafe.Pointer(e))
}

// ioctl makes a request with a number.
func (b *bus) ioctl(request, arg uintptr) error {
	return b.control(func(fd uintptr) unix.Errno {
		_, _, e := unix.Syscall(unix.SYS_IOCTL, fd, request, arg)
		return e
	})
}

// ask makes a request that reads or writes what into points to.
func (b *bus) ask(request uintptr, into unsafe.Pointer) error {
	return b.control(func(fd uintptr) unix.Errno {
		_, _, e := unix.Syscall(unix.SYS_IOCTL, fd, request, uintptr(into))
		return e
	})
}

func (b *bus) control(call func(fd uintptr) unix.Errno) error {
	raw, err := b.file.SyscallConn()
	if err != nil {
		return err
	}
	var e unix.Errno
	if err := raw.Control(func(fd uintptr) { e = call(fd) }); err != nil {
		return fmt.Errorf("%w: %w", os.ErrClosed, err) // it has no other reason, and a word of its own for it
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

// isGone reports whether an exchange failed for the bus itself. ENODEV is no sign of that: some adapters say it of a chip that does not
// answer. When the bus has gone no chip does, which ends the connection as well.
func isGone(err error) bool {
	return errors.Is(err, unix.EBADF) || errors.Is(err, os.ErrClosed)
}

func isTimeout(err error) bool { return errors.Is(err, unix.ETIMEDOUT) }
