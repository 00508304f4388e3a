package console

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// waitMillis is how long one wait for input takes: how late a Ctrl-C at the prompt and an end are seen.
const waitMillis = 200

// tty is a terminal's settings as they were found.
type tty struct{ was *unix.Termios }

// IsTerminal reports whether f is a terminal.
func IsTerminal(f *os.File) bool { return isTerminal(f) }

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// prepare lets the kernel edit lines and turn Ctrl-C into an interrupt, and nothing else: no Ctrl-S, Ctrl-Z or Ctrl-\.
func (in *input) prepare() {
	if !in.terminal {
		return
	}
	t, err := unix.IoctlGetTermios(int(in.f.Fd()), unix.TCGETS)
	if err != nil {
		return // a line that is not what it was shows at the next read
	}
	if in.tty.was == nil {
		was := *t
		in.tty.was = &was
	}
	t.Iflag = t.Iflag&^(unix.IXON|unix.IXOFF|unix.INLCR|unix.IGNCR|unix.PARMRK) | unix.ICRNL | unix.IGNBRK | unix.IUTF8
	t.Oflag |= unix.OPOST | unix.ONLCR
	t.Lflag |= unix.ICANON | unix.ISIG | unix.ECHO | unix.ECHOE | unix.ECHOK | unix.ECHOCTL
	t.Cc[unix.VINTR], t.Cc[unix.VEOF] = 3, 4
	for _, c := range []int{unix.VQUIT, unix.VSUSP, unix.VLNEXT} {
		t.Cc[c] = 0 // none
	}
	_ = unix.IoctlSetTermios(int(in.f.Fd()), unix.TCSETS, t)
	if size, err := unix.IoctlGetWinsize(int(in.f.Fd()), unix.TIOCGWINSZ); err == nil && (size.Row == 0 || size.Col == 0) {
		_ = unix.IoctlSetWinsize(int(in.f.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}) // a serial line does not know what hangs on it
	}
}

func (in *input) restore() {
	if in.tty.was != nil {
		_ = unix.IoctlSetTermios(int(in.f.Fd()), unix.TCSETS, in.tty.was)
	}
}

// wait reports whether there is something to read, or an end, within a moment.
func wait(f *os.File) (bool, error) {
	fds := []unix.PollFd{{Fd: int32(f.Fd()), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, waitMillis)
	if errors.Is(err, unix.EINTR) {
		return false, nil
	}
	return n > 0, err
}

// hungUp reports whether err is a line that nobody holds any more.
func hungUp(err error) bool { return errors.Is(err, syscall.EIO) }
