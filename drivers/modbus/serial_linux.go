package modbus

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/courtside-edge/courtside/drivers"
)

// openSerial opens the line for this process alone, raw and at its speed. A port that is not there may be plugged in; one that may not be
// opened, or is none, needs a person.
func openSerial(s serial) (port, error) {
	fd, err := unix.Open(s.Port, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		failure := drivers.Transient
		if errors.Is(err, fs.ErrPermission) {
			failure = drivers.Permanent
		}
		return nil, &drivers.Error{Op: "open serial port " + s.Port, Failure: failure, Err: err}
	}
	if err := s.set(fd); err != nil {
		unix.Close(fd)
		failure := drivers.Transient
		if errors.Is(err, unix.ENOTTY) || errors.Is(err, unix.EINVAL) {
			failure = drivers.Permanent
		}
		return nil, &drivers.Error{Op: "set up serial port " + s.Port, Failure: failure, Err: err}
	}
	return os.NewFile(uintptr(fd), s.Port), nil
}

// set makes the terminal fd the line that s describes.
func (s serial) set(fd int) error {
	if err := unix.IoctlSetInt(fd, unix.TIOCEXCL, 0); err != nil {
		return fmt.Errorf("taking it for this process alone: %w", err)
	}
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS2)
	if err != nil {
		return err
	}
	t.Iflag, t.Oflag, t.Lflag = 0, 0, 0
	t.Cflag = unix.CS8 | unix.CREAD | unix.CLOCAL | unix.BOTHER
	switch s.Parity {
	case "even":
		t.Cflag |= unix.PARENB
	case "odd":
		t.Cflag |= unix.PARENB | unix.PARODD
	}
	if s.StopBits == 2 {
		t.Cflag |= unix.CSTOPB
	}
	t.Ispeed, t.Ospeed = uint32(s.Baud), uint32(s.Baud)
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(fd, unix.TCSETS2, t); err != nil {
		return fmt.Errorf("%d baud, %s parity, %d stop bits: %w", s.Baud, s.Parity, s.StopBits, err)
	}
	return unix.IoctlSetInt(fd, unix.TCFLSH, unix.TCIOFLUSH)
}
