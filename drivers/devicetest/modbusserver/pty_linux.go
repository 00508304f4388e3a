package modbusserver

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// StartPTY serves memory as RTU frames on a new pseudo-terminal, whose path is Addr, until Close.
func StartPTY(memory Memory) (*RTU, error) {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("opening a pseudo-terminal: %w", err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("setting up a pseudo-terminal: %w", err)
	}
	r := newRTU(memory)
	r.addr = fmt.Sprintf("/dev/pts/%d", n)
	line := terminal{os.NewFile(uintptr(fd), "/dev/ptmx"), r}
	r.close = func() error { return nil } // serve closes the line
	r.wg.Go(func() { r.serve(line) })
	return r, nil
}

// terminal is the device's end of a pseudo-terminal. While no client has the other end open, reading it fails; that ends nothing.
type terminal struct {
	*os.File
	rtu *RTU
}

// Read waits for a client as long as the device is not closed.
func (t terminal) Read(b []byte) (int, error) {
	for {
		n, err := t.File.Read(b)
		if n > 0 || err == nil {
			return n, err
		}
		select {
		case <-t.rtu.done:
			return 0, err
		case <-time.After(time.Millisecond):
		}
		if t.rtu.over(t) {
			return 0, err
		}
	}
}

// over reports whether a line was closed.
func (r *RTU) over(t terminal) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ended
}
