package mqtt

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// controlSocket lets the kernel give up on a peer that stops acknowledging.
func controlSocket(_, _ string, raw syscall.RawConn) error {
	var failed error
	err := raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(userTimeout.Milliseconds()))
	})
	if err != nil {
		return err
	}
	return failed
}
