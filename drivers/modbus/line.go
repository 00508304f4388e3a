package modbus

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	goburrow "github.com/goburrow/modbus"
)

// port is what a line runs on: a TCP connection or a serial port.
type port interface {
	io.ReadWriteCloser
	SetDeadline(time.Time) error
}

// transport carries requests and their answers. One goroutine sends and receives; close and the end of a watched
// context may come from others.
type transport interface {
	// Send implements goburrow's Transporter; nothing else may be outstanding.
	goburrow.Transporter
	// send writes requests, which follow one another in frames, at once. Their tags count from tag.
	send(frames []byte, tag int) error
	// receive returns what became of one outstanding request; there must be one. An error means that the transport can be used no more.
	receive() (answer, error)
	// buffered reports whether an answer waits to be received.
	buffered() bool
}

// line is what both kinds of transport stand on.
type line struct {
	conn    port
	clock   interface{ Mono() int64 }
	timeout time.Duration // of a request; may be changed while none is outstanding
	start   time.Time     // deadlines are counted from here, on Go's monotonic clock
	stats   *counters
	arrived int64         // the gateway's monotonic time of the last read
	misses  int           // timeouts since the last answer
	timed   bool          // took is wanted
	took    time.Duration // how long the last answer took

	mu          sync.Mutex
	armed       time.Duration // the connection's deadline
	ctx         context.Context
	unwatch     func() bool
	interrupted bool
}

// judged completes a with what body, an answer from its unit id on, says to a request.
func (l *line) judged(e expectation, body []byte, a answer) answer {
	l.misses = 0
	a.outcome = malformed
	if a.data, a.code = e.judge(body); a.data != nil {
		a.outcome = answered
	} else if a.code != 0 {
		a.outcome = refused
		l.stats.exceptions.Add(1)
	} else {
		l.stats.malformed.Add(1)
	}
	return a
}

// reply returns a as goburrow's client wants it.
func (l *line) reply(a answer, err error) ([]byte, error) {
	switch {
	case err != nil:
		return nil, err
	case a.outcome == silent:
		return nil, os.ErrDeadlineExceeded
	case a.outcome == malformed:
		return nil, errMalformed
	}
	return append([]byte(nil), a.frame...), nil
}

// closed returns what the end of a port is called.
func closed(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.EIO) || errors.Is(err, syscall.ECONNRESET) {
		return errHungUp
	}
	return err
}

var (
	errHungUp    = errors.New("the device closed the connection")
	errMalformed = errors.New("the answer is not one to this request")
	errNotSent   = errors.New("only reads of the four tables and writes of holding registers are sent")
)

// arm sees to it that the connection's deadline is neither over nor later than due.
func (l *line) arm(now, due time.Duration) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.interrupted {
		return l.ctx.Err()
	}
	if l.armed > now && l.armed <= due {
		return nil
	}
	l.armed = due
	return l.conn.SetDeadline(l.start.Add(due))
}

// watch makes the end of ctx interrupt send and receive from now on.
func (l *line) watch(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if l.ctx != nil && l.ctx.Done() == ctx.Done() {
		return nil
	}
	if l.unwatch != nil {
		l.unwatch()
	}
	l.mu.Lock()
	l.ctx, l.interrupted, l.armed = ctx, false, 0
	l.mu.Unlock()
	l.unwatch = context.AfterFunc(ctx, func() { l.interrupt(ctx) })
	return nil
}

// interrupt ends a Read or Write that ctx was watched for.
func (l *line) interrupt(ctx context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Done() == ctx.Done() {
		l.interrupted = true
		l.conn.SetDeadline(time.Unix(1, 0)) // fails only on a closed connection
	}
}
