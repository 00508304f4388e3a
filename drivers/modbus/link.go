package modbus

import (
	"encoding/binary"
	"errors"
	"os"
	"time"
)

// link is one Modbus TCP connection on which several requests may be outstanding.
type link struct {
	line
	nextID  uint16
	waiting []pending // oldest first
	in      []byte    // received, from in[from] to in[to]
	from    int
	to      int
	overdue bool // a deadline passed: look which requests it was
}

// pending is a request without an answer.
type pending struct {
	expectation
	id   uint16
	tag  int // the caller's name for it
	sent time.Duration
	due  time.Duration
	mono int64 // when it was sent, on the gateway's monotonic clock
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
	asked   int64 // monotonic ns at which the request was sent
}

// inputSize holds the answers to as many requests as may be outstanding, and some strays.
const inputSize = 32 * (prefixSize + maxLength)

func newLink(conn port, clock interface{ Mono() int64 }, timeout time.Duration, stats *counters) *link {
	return &link{line: line{conn: conn, clock: clock, timeout: timeout, start: time.Now(), stats: stats},
		waiting: make([]pending, 0, maxDepth), in: make([]byte, inputSize)}
}

// send writes requests, which follow one another in frames, at once. Their tags count from tag. It sets
// their transaction ids in place.
func (l *link) send(frames []byte, tag int) error { return l.post(frames, requestSize, tag) }

// post is send for requests of size bytes each.
func (l *link) post(frames []byte, size, tag int) error {
	now, mono := time.Since(l.start), l.clock.Mono()
	due := now + l.timeout
	for at := 0; at < len(frames); at += size {
		f := frames[at : at+size]
		binary.BigEndian.PutUint16(f, l.nextID)
		l.waiting = append(l.waiting, pending{expect(f[prefixSize:]), l.nextID, tag, now, due, mono})
		l.nextID++
		tag++
	}
	l.stats.requests.Add(uint64(len(frames) / size))
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
		if l.timed {
			l.took = time.Since(l.start) - p.sent
		}
		return l.judged(p.expectation, f[prefixSize:], answer{tag: p.tag, frame: f, asked: p.mono}), true
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
	if errors.Is(err, os.ErrDeadlineExceeded) {
		l.overdue = true
		return nil
	}
	return closed(err)
}

// Send implements goburrow's Transporter: one request at a time, under an id of the link's own.
func (l *link) Send(request []byte) ([]byte, error) {
	if len(request) < prefixSize+minLength || !mayBeSent(request[prefixSize:]) {
		return nil, errNotSent
	}
	if err := l.post(append([]byte(nil), request...), len(request), 0); err != nil {
		return nil, err
	}
	reply, err := l.reply(l.receive())
	if err == nil {
		copy(reply, request[:2])
	}
	return reply, err
}
