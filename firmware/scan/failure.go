package scan

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime/debug"
	"strings"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/sync/point"
)

// maxCauseBytes is the longest cause that a status carries; a driver may quote what a device sent.
const maxCauseBytes = 256

// errNoConn is the failure of a driver that opened nothing and said nothing.
var errNoConn = errors.New("the driver returned no connection")

// errPanic is what the failure of a driver that panicked wraps.
var errPanic = errors.New("the driver panicked")

// guard runs f, a call into a driver, and turns its panic into a transient failure: one driver's fault ends one connection, not the gateway.
func (w *Worker) guard(op string, f func() error) (err error) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		w.mu.Lock()
		w.status.Panics++
		w.mu.Unlock()
		w.o.Log.Error("driver panicked", "op", op, "err", p, "stack", string(debug.Stack()))
		err = &drivers.Error{Op: op, Err: fmt.Errorf("%w: %v", errPanic, p)}
	}()
	return f()
}

// quality returns what points are when their connection ended with err. held says that there was one.
func quality(err error, held bool) point.Quality {
	var timeout net.Error
	switch {
	case drivers.IsPermanent(err):
		return point.BadConfigurationError
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return point.BadTimeout
	case held:
		return point.BadCommunication
	}
	return point.BadNotConnected
}

// cause returns err as a status carries it, in one line; nothing for none.
func cause(err error) string {
	if err == nil {
		return ""
	}
	s := strings.ReplaceAll(err.Error(), "\n", "; ") // joined errors stand on lines of their own
	if len(s) > maxCauseBytes {
		s = s[:maxCauseBytes] + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
