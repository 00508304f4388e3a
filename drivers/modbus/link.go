package modbus

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// link is one TCP connection on which several requests may be outstanding. One goroutine sends and
// receives; close and the end of a watched context may come from others.
type link struct {
	conn    net.Conn
	clock   interface{ Mono() int64 }
	timeout time.Duration
	start   time.Time // deadlines are counted from here, on Go's monotonic clock
	stats   *counters

	nextID  uint16
	waiting []pending // oldest first
	in      []byte    // received, from in[from] to in[to]
	from    int
	to      int
	arrived int64 // the gateway's monotonic time of the last read
	overdue bool  // a deadline passed: look which requests it was
	misses  int   // timeouts since the last answer

	mu          sync.Mutex
	armed       time.Duration // the connection's deadline
	ctx         context.Context
	unwatch     func() bool
	interrupted bool
}

// pending is a request without an answer.
type pending struct {
	expectation
	id  uint16
	tag int // the caller's name for it
	due time.Duration
}

// outcome is what became of a request.
type outcome uint8

const (
	answered  outcome = iota // data holds what was asked for
	refused                  // code is the exception
	malformed                // the answer is a frame, but not one that answers this request
	silent                   // no answer within the timeout
)

// answer is what became of the request called tag. Its slices are valid until the next receive.
type answer struct {
	tag     int
	outcome outcome
	code    byte
	data    []byte
	frame   []byte
}

// inputSize holds the answers to as many requests as may be outstanding, and some strays.
const inputSize = 32 * (prefixSize + maxLength)

func newLink(conn net.Conn, clock interface{ Mono() int64 }, timeout time.Duration, stats *counters) *link {
	return &link{conn: conn, clock: clock, timeout: timeout, start: time.Now(), stats: stats,
		waiting: make([]pending, 0, maxDepth), in: make([]byte, inputSize)}
}

// send writes requests, which follow one another in frames, at once. Their tags count from tag. It sets
// their transaction ids in place.
func (l *link) send(frames []byte, tag int) error {
	now := time.Since(l.start)
	due := now + l.timeout
	for at := 0; at < len(frames); at += requestSize {
		f := frames[at : at+requestSize]
		binary.BigEndian.PutUint16(f, l.nextID)
		l.waiting = append(l.waiting, pending{expect(f), l.nextID, tag, due})
		l.nextID++
		tag++
	}
	l.stats.requests.Add(uint64(len(frames) / requestSize))
	// The deadline is moved only when it has passed: one that is early costs a look, not an error.
	if err := l.arm(now, due); err != nil {
		return err
	}
	for {
		n, err := l.conn.Write(frames)
		if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		frames = frames[n:]
		if now = time.Since(l.start); now >= due {
			return err
		}
		if err := l.arm(now, due); err != nil {
			return err
		}
	}
}

// receive returns what became of one outstanding request; there must be one. An error means that the
// link can be used no more.
func (l *link) receive() (answer, error) {
	for {
		f, err := nextFrame(l.in[l.from:l.to])
		if err != nil {
			return answer{}, err
		}
		if f != nil {
			l.from += len(f)
			if a, ok := l.match(f); ok {
				return a, nil
			}
			continue
		}
		if l.overdue {
			if a, ok := l.expire(); ok {
				return a, nil
			}
		}
		if err := l.fill(); err != nil {
			return answer{}, err
		}
	}
}

// buffered reports whether a whole frame waits to be received.
func (l *link) buffered() bool {
	f, err := nextFrame(l.in[l.from:l.to])
	return f != nil || err != nil
}

// match finds the request that f answers. An answer that comes too late, or to a request never made, has none.
func (l *link) match(f []byte) (answer, bool) {
	id := frameID(f)
	for n, p := range l.waiting {
		if p.id != id {
			continue
		}
		l.waiting = append(l.waiting[:n], l.waiting[n+1:]...)
		l.misses = 0
		a := answer{tag: p.tag, frame: f, outcome: malformed}
		if a.data, a.code = p.judge(f); a.data != nil {
			a.outcome = answered
		} else if a.code != 0 {
			a.outcome = refused
			l.stats.exceptions.Add(1)
		} else {
			l.stats.malformed.Add(1)
		}
		return a, true
	}
	l.stats.strays.Add(1)
	return answer{}, false
}

// expire returns the oldest request when its time is over; if none is, it moves the deadline.
func (l *link) expire() (answer, bool) {
	now := time.Since(l.start)
	if len(l.waiting) == 0 || l.waiting[0].due > now {
		l.overdue = false
		return answer{}, false
	}
	tag := l.waiting[0].tag
	l.waiting = append(l.waiting[:0], l.waiting[1:]...)
	l.misses++
	l.stats.timeouts.Add(1)
	return answer{tag: tag, outcome: silent}, true
}

// fill reads more bytes, or notes that a deadline passed.
func (l *link) fill() error {
	if len(l.waiting) > 0 {
		if err := l.arm(time.Since(l.start), l.waiting[0].due); err != nil {
			return err
		}
	}
	if l.from > 0 {
		l.to = copy(l.in, l.in[l.from:l.to])
		l.from = 0
	}
	n, err := l.conn.Read(l.in[l.to:])
	if n > 0 {
		l.to += n
		l.arrived = l.clock.Mono()
		return nil
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		l.overdue = true
		return nil
	case errors.Is(err, io.EOF):
		return errors.New("the device closed the connection")
	}
	return err
}

// arm sees to it that the connection's deadline is neither over nor later than due.
func (l *link) arm(now, due time.Duration) error {
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
func (l *link) watch(ctx context.Context) error {
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
func (l *link) interrupt(ctx context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Done() == ctx.Done() {
		l.interrupted = true
		l.conn.SetDeadline(time.Unix(1, 0)) // fails only on a closed connection
	}
}

// Send implements goburrow's Transporter: one request at a time, under an id of the link's own.
func (l *link) Send(request []byte) ([]byte, error) {
	if len(request) != requestSize {
		return nil, errors.New("only read requests are sent")
	}
	if err := l.send(append([]byte(nil), request...), 0); err != nil {
		return nil, err
	}
	a, err := l.receive()
	switch {
	case err != nil:
		return nil, err
	case a.outcome == silent:
		return nil, os.ErrDeadlineExceeded
	case a.outcome == malformed:
		return nil, errMalformed
	}
	reply := append([]byte(nil), a.frame...)
	copy(reply, request[:2])
	return reply, nil
}

var errMalformed = errors.New("the answer is not one to this request")
