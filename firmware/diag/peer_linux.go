package diag

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// peerOf asks the kernel who opened the other end of c.
func peerOf(c net.Conn) (Peer, error) {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return Peer{}, errors.New("not a Unix socket")
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return Peer{}, fmt.Errorf("peer of the diagnostics socket: %w", err)
	}
	var cred *unix.Ucred
	var failed error
	if err := raw.Control(func(fd uintptr) { cred, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); err != nil {
		return Peer{}, fmt.Errorf("peer of the diagnostics socket: %w", err)
	}
	if failed != nil {
		return Peer{}, fmt.Errorf("peer of the diagnostics socket: %w", failed)
	}
	return Peer{UID: int(cred.Uid), GID: int(cred.Gid), PID: int(cred.Pid), Groups: groupsOf(int(cred.Pid))}, nil
}

// groupsOf returns the supplementary groups of a process, nil when it is gone or hidden.
func groupsOf(pid int) (groups []int) {
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(raw)) {
		list, ok := strings.CutPrefix(line, "Groups:")
		if !ok {
			continue
		}
		for f := range strings.FieldsSeq(list) {
			if n, err := strconv.Atoi(f); err == nil {
				groups = append(groups, n)
			}
		}
	}
	return groups
}
