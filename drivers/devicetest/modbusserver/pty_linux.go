package modbusserver

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// StartPTY serves memory as RTU frames on a new pseudo-terminal, whose path is Addr, until Close.
func StartPTY(memory Memory) (*RTU, error) { return StartPTYAt(memory, 0) }

// StartPTYAt is StartPTY for a device that understands one speed alone: what comes while the terminal is set to another is noise to it, and gets
// no answer.
func StartPTYAt(memory Memory, baud int) (*RTU, error) {
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
	line := terminal{os.NewFile(uintptr(fd), "/dev/ptmx"), r, uint32(baud)}
	r.close = func() error { return nil } // serve closes the line
	r.wg.Go(func() { r.serve(line) })
	return r, nil
}

// terminal is the device's end of a pseudo-terminal. While no client has the other end open, reading it fails; that ends nothing.
type terminal struct {
	*os.File
	rtu  *RTU
	baud uint32 // 0 for any
}

// Read waits for a client as long as the device is not closed.
func (t terminal) Read(b []byte) (int, error) {
	for {
		n, err := t.File.Read(b)
		if n > 0 && t.noise() {
			continue
		}
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

// noise reports whether the client's end is set to a speed that the device does not understand.
func (t terminal) noise() bool {
	if t.baud == 0 {
		return false
	}
	c, err := t.SyscallConn()
	if err != nil {
		return true
	}
	var speed uint32
	err = c.Control(func(fd uintptr) {
		if s, err := unix.IoctlGetTermios(int(fd), unix.TCGETS2); err == nil {
			speed = s.Ospeed
		}
	})
	return err != nil || speed != t.baud
}

// over reports whether a line was closed.
func (r *RTU) over(t terminal) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ended
}
