//go:build unix

package settings

import "syscall"

// openFlags keeps the check of a file from waiting for the writer of a named pipe.
const openFlags = syscall.O_NONBLOCK
