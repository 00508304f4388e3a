package gpio

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// chipsOf returns the chips whose devices are in dir, by number, and what hindered it from telling more.
func chipsOf(dir string) (chips []chip, failed error) {
	paths, err := filepath.Glob(filepath.Join(dir, "gpiochip*"))
	if err != nil {
		return nil, err
	}
	slices.SortFunc(paths, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) }) // gpiochip2 before gpiochip10
	for _, path := range paths {
		var info uapiChip
		if err := ask(path, ior(chipInfoNr, chipSize), unsafe.Pointer(&info)); err != nil {
			failed = fmt.Errorf("looking at %s: %w", path, err)
			continue // it may just have been pulled out
		}
		chips = append(chips, chip{path: path, name: text(info.name), label: text(info.label), lines: info.lines, names: func(line uint32) (string, error) {
			info, err := lineInfo(place{path, line})
			return text(info.name), err
		}})
	}
	return chips, failed
}

// ask makes one ioctl of a chip. into is what it reads and writes.
func ask(path string, request uintptr, into unsafe.Pointer) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return control(f, func(fd uintptr) unix.Errno {
		_, _, e := unix.Syscall(unix.SYS_IOCTL, fd, request, uintptr(into))
		return e
	})
}

func lineInfo(p place) (uapiInfo, error) {
	info := uapiInfo{offset: p.line}
	if err := ask(p.path, iowr(lineInfoNr, infoSize), unsafe.Pointer(&info)); err != nil {
		if errors.Is(err, unix.EINVAL) {
			return info, fmt.Errorf("%w: %s has no line %d", errNoLine, p.path, p.line)
		}
		return info, fmt.Errorf("asking %s about line %d: %w", p.path, p.line, err)
	}
	return info, nil
}

// free implements board.
func (machine) free(p place) error {
	info, err := lineInfo(p)
	if err == nil && info.flags&flagUsed != 0 {
		err = fmt.Errorf("%w by %q", errInUse, text(info.consumer))
	}
	return err
}

// request implements board.
func (machine) request(path string, wishes []wish) (lines, error) {
	r, ok := requestOf(wishes)
	if !ok {
		return nil, fmt.Errorf("the lines of %s are wished in more than %d ways", path, maxAttrs+1)
	}
	file, err := take(path, &r)
	if err != nil {
		return nil, err
	}
	l := &chardev{file: file, position: make(map[uint32]int), count: len(wishes)}
	for n, w := range wishes {
		l.position[w.line] = n
	}
	return l, nil
}

// take makes a request, whose file it returns.
func take(path string, r *uapiRequest) (*os.File, error) {
	if err := ask(path, iowr(requestNr, requestSize), unsafe.Pointer(r)); err != nil {
		if errors.Is(err, unix.EBUSY) {
			return nil, fmt.Errorf("%w: %w", errInUse, err)
		}
		return nil, err
	}
	if err := unix.SetNonblock(int(r.fd), true); err != nil { // so that closing ends a read
		return nil, errors.Join(err, unix.Close(int(r.fd)))
	}
	return os.NewFile(uintptr(r.fd), path), nil
}

// drive takes a line as an output, which is off at first, and returns what switches it.
func (machine) drive(p place, activeLow bool) (output, error) {
	r := uapiRequest{numLines: 1, config: uapiConfig{flags: flagOutput}}
	r.offsets[0] = p.line
	copy(r.consumer[:maxName-1], consumer)
	if activeLow {
		r.config.flags |= flagActiveLow
	}
	file, err := take(p.path, &r)
	if err != nil {
		return nil, err
	}
	return driven{file}, nil
}

// driven is a line that is an output.
type driven struct{ file *os.File }

// set implements output.
func (d driven) set(on bool) error {
	v := uapiValues{mask: 1}
	if on {
		v.bits = 1
	}
	return control(d.file, func(fd uintptr) unix.Errno {
		_, _, e := unix.Syscall(unix.SYS_IOCTL, fd, iowr(setValuesNr, valuesSize), uintptr(unsafe.Pointer(&v)))
		return e
	})
}

// close implements output.
func (d driven) close() error { return d.file.Close() }

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
