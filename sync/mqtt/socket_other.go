//go:build !linux

package mqtt

import "syscall"

// controlSocket does nothing where TCP has no user timeout; pings notice a dead peer then.
func controlSocket(_, _ string, _ syscall.RawConn) error { return nil }
