package gpio

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// free implements board.
func (machine) free(p place) error {
	chip, err := os.Open(p.path)
	if err != nil {
		return err
	}
	defer chip.Close()
	info := uapiInfo{offset: p.line}
	if err := control(chip, func(fd uintptr) unix.Errno {
		_, _, e := unix.Syscall(unix.SYS_IOCTL, fd, iowr(lineInfoNr, infoSize), uintptr(unsafe.Pointer(&info)))
		return e
	}); err != nil {
		if errors.Is(err, unix.EINVAL) {
			return fmt.Errorf("%w: %s has no line %d", errNoLine, p.path, p.line)
		}
		return fmt.Errorf("asking %s about line %d: %w", p.path, p.line, err)
	}
	if info.flags&flagUsed != 0 {
		return fmt.Errorf("%w by %q", errInUse, bytes.TrimRight(info.consumer[:], "\x00"))
	}
	return nil
}

// request implements board.
func (machine) request(path string, wishes []wish) (lines, error) {
	chip, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer chip.Close()
	r, ok := requestOf(wishes)
	if !ok {
		return nil, fmt.Errorf("the lines of %s are wished in more than %d ways", path, maxAttrs+1)
	}
	if err := control(chip, func(fd uintptr) unix.Errno {
		_, _, e := unix.Syscall(unix.SYS_IOCTL, fd, iowr(requestNr, requestSize), uintptr(unsafe.Pointer(&r)))
		return e
	}); err != nil {
		return nil, err
	}
	if err := unix.SetNonblock(int(r.fd), true); err != nil { // so that closing ends a read
		return nil, errors.Join(err, unix.Close(int(r.fd)))
	}
	l := &chardev{file: os.NewFile(uintptr(r.fd), path), position: make(map[uint32]int), count: len(wishes)}
	for n, w := range wishes {
		l.position[w.line] = n
	}
	return l, nil
}

// control calls f with the file's descriptor. File.Fd would take the file out of the poller.
func control(f *os.File, call func(fd uintptr) unix.Errno) error {
	raw, err := f.SyscallConn()
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

// chardev is one request of the character device.
type chardev struct {
	file     *os.File
	position map[uint32]int
	count    int
	raw      [atOnce * eventSize]byte // of the one reader
	once     sync.Once
	err      error
}

// read implements lines.
func (l *chardev) read(into []edge) (int, error) {
	for {
		n, err := l.file.Read(l.raw[:min(len(into), atOnce)*eventSize])
		if err != nil {
			return 0, err
		}
		known := decodeEdges(l.raw[:n], func(line uint32) (int, bool) { at, ok := l.position[line]; return at, ok }, into)
		if known > 0 {
			return known, nil
		}
	}
}

// levels implements lines.
func (l *chardev) levels() (uint64, error) {
	v := uapiValues{mask: 1<<l.count - 1}
	err := control(l.file, func(fd uintptr) unix.Errno {
		_, _, e := unix.Syscall(unix.SYS_IOCTL, fd, iowr(getValuesNr, valuesSize), uintptr(unsafe.Pointer(&v)))
		return e
	})
	return v.bits, err
}

// now implements lines: edges are dated by CLOCK_MONOTONIC.
func (l *chardev) now() int64 {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) != nil {
		return 0 // a clock that every Linux has
	}
	return t.Nano()
}

// close implements lines.
func (l *chardev) close() error {
	l.once.Do(func() { l.err = l.file.Close() })
	return l.err
}
