package modbus

import (
	"errors"
	"os"
	"slices"
	"time"

	goburrow "github.com/goburrow/modbus"
)

const (
	checksumSize   = 2
	exceptionSize  = 3 // unit id, function, code
	maxBusFrame    = 256
	tcpGap         = time.Millisecond // of silence before a request that goes through a serial server
	maxLatecomers  = 64
	maxLate        = 2 * time.Second
	babblePatience = 5 * time.Second // how long a line may go on talking before the connection is given up
)

// bus is one RTU line, serial or behind a TCP port, on which one request is outstanding at a time. Its frames have neither a length nor an
// id, so it knows an answer by what it has to look like, anywhere in what comes, and by its checksum.
type bus struct {
	line
	gap     time.Duration // of silence that ends a frame
	perByte time.Duration // on the wire; 0 on TCP
	late    *latecomers
	asked   pending
	in      []byte // received since the request was sent
	n       int
}

func newBus(conn port, clock interface{ Mono() int64 }, timeout time.Duration, stats *counters, late *latecomers) *bus {
	return &bus{line: line{conn: conn, clock: clock, timeout: timeout, start: time.Now(), stats: stats}, gap: tcpGap, late: late, in: make([]byte, 4*maxBusFrame)}
}

// buffered implements transport.
func (b *bus) buffered() bool { return false }

// send implements transport, for one request.
func (b *bus) send(frame []byte, tag int) error {
	e := expect(frame)
	if err := b.settle(e); err != nil {
		return err
	}
	now := time.Since(b.start)
	due := now + b.timeout + time.Duration(len(frame)+e.length()+checksumSize)*b.perByte
	b.asked = pending{expectation: e, tag: tag, sent: now, due: due, mono: b.clock.Mono()}
	b.stats.requests.Add(1)
	for {
		if err := b.arm(time.Since(b.start), due); err != nil {
			return err
		}
		n, err := b.conn.Write(frame)
		if err == nil {
			return nil
		}
		frame = frame[n:]
		// A deadline that is not this request's, or the end of the context, which arm knows.
		if !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(b.start) >= due {
			return closed(err)
		}
	}
}

// settle waits until nothing comes any more, and until no answer to an earlier request can be taken for one that e expects.
func (b *bus) settle(e expectation) error {
	b.n = 0
	for began := time.Now(); time.Since(began) < babblePatience+b.timeout; {
		quiet := time.Now().Add(b.gap)
		if until := b.late.until(e); until.After(quiet) {
			quiet = until
		}
		some, err := b.read(quiet.Sub(b.start))
		if err != nil {
			return err
		}
		if !some {
			b.n = 0
			return nil
		}
		if b.late.take(b.in[:b.n]) {
			b.stats.strays.Add(1)
			b.n = 0
		} else if b.n == len(b.in) {
			b.n = 0
		}
	}
	return errors.New("the line is never silent")
}

// read waits for bytes until due, and reports whether there were some.
func (b *bus) read(due time.Duration) (bool, error) {
	for {
		now := time.Since(b.start)
		if now >= due {
			return false, nil
		}
		if err := b.arm(now, due); err != nil {
			return false, err
		}
		n, err := b.conn.Read(b.in[b.n:])
		if n > 0 {
			b.n += n
			b.arrived = b.clock.Mono()
			return true, nil
		}
		if err == nil {
			return false, errHungUp
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return false, closed(err)
		}
	}
}

// receive implements transport.
func (b *bus) receive() (answer, error) {
	for {
		if body := b.parse(); body != nil {
			if b.timed {
				b.took = time.Since(b.start) - b.asked.sent
			}
			return b.judged(b.asked.expectation, body, answer{tag: b.asked.tag, frame: body[:len(body)+checksumSize], asked: b.asked.mono}), nil
		}
		if b.n == len(b.in) {
			b.n = 0
		}
		some, err := b.read(b.asked.due)
		if err != nil {
			if !errors.Is(err, errHungUp) { // given up on this side: the answer may come all the same
				b.late.add(b.asked.expectation, b.timeout)
			}
			return answer{}, err
		}
		if some {
			continue
		}
		b.late.add(b.asked.expectation, b.timeout)
		b.misses++
		if b.n > 0 {
			b.stats.malformed.Add(1)
			return answer{tag: b.asked.tag, outcome: malformed}, nil
		}
		b.stats.timeouts.Add(1)
		return answer{tag: b.asked.tag, outcome: silent}, nil
	}
}

// parse returns the body of the answer among what came, or of a frame of the same unit that answers something else; nil for neither. What another
// unit says is dropped.
func (b *bus) parse() []byte {
	in := b.in[:b.n]
	if at, n := b.asked.find(in); n > 0 {
		return in[at : at+n : at+n+checksumSize]
	}
	n := bodyLength(in)
	if n == 0 || !summed(in, n) {
		return nil
	}
	if in[0] == b.asked.unit && !b.late.take(in) {
		return in[: n : n+checksumSize]
	}
	b.stats.strays.Add(1)
	b.n = copy(b.in, in[n+checksumSize:])
	return b.parse()
}

// find returns where in b an answer as expected lies, and the length of its body; 0 when there is none.
func (e expectation) find(b []byte) (at, n int) {
	for at := 0; at+exceptionSize+checksumSize <= len(b); at++ {
		if b[at] != e.unit {
			continue
		}
		switch n := e.length(); {
		case b[at+1] == e.function|0x80 && summed(b[at:], exceptionSize):
			return at, exceptionSize
		case b[at+1] == e.function && (e.writes() || b[at+2] == e.size) && summed(b[at:], n):
			return at, n
		}
	}
	return 0, 0
}

// bodyLength returns how long the body of the answer at the beginning of b is by its own words, and 0 when that is not known.
func bodyLength(b []byte) int {
	if len(b) < exceptionSize {
		return 0
	}
	switch {
	case b[1]&0x80 != 0:
		return exceptionSize
	case b[1] >= goburrow.FuncCodeReadCoils && b[1] <= goburrow.FuncCodeReadInputRegisters:
		return 3 + int(b[2])
	case b[1] == goburrow.FuncCodeWriteSingleRegister, b[1] == goburrow.FuncCodeWriteMultipleRegisters:
		return 2 + writtenSize
	}
	return 0
}

// summed reports whether the first n bytes of b are followed by their checksum.
func summed(b []byte, n int) bool {
	if len(b) < n+checksumSize {
		return false
	}
	sum := checksum(b[:n])
	return b[n] == byte(sum) && b[n+1] == byte(sum>>8)
}

// checksum is the CRC-16 of Modbus RTU.
func checksum(b []byte) uint16 {
	sum := uint16(0xFFFF)
	for _, c := range b {
		sum ^= uint16(c)
		for range 8 {
			if low := sum & 1; low != 0 {
				sum = sum>>1 ^ 0xA001
			} else {
				sum >>= 1
			}
		}
	}
	return sum
}

// Send implements goburrow's Transporter.
func (b *bus) Send(request []byte) ([]byte, error) {
	if len(request) < checksumSize || !mayBeSent(request[:len(request)-checksumSize]) {
		return nil, errNotSent
	}
	if err := b.send(request, 0); err != nil {
		return nil, err
	}
	return b.reply(b.receive())
}

// latecomers are answers that may still come, though nobody waits for them any more. They outlive connections, as the line does.
type latecomers struct{ list []latecomer }

type latecomer struct {
	expectation
	until time.Time
}

// add notes that a request was given up; its answer is waited for twice as long as it was, where it could be mistaken, but no longer than maxLate.
func (l *latecomers) add(e expectation, timeout time.Duration) {
	if len(l.list) == maxLatecomers {
		l.list = slices.Delete(l.list, 0, 1)
	}
	l.list = append(l.list, latecomer{e, time.Now().Add(min(2*timeout, maxLate))})
}

// until returns until when an answer may come that looks like one that e expects; the zero time when none may.
func (l *latecomers) until(e expectation) (until time.Time) {
	now := time.Now()
	l.list = slices.DeleteFunc(l.list, func(c latecomer) bool { return !c.until.After(now) })
	for _, c := range l.list {
		if c.unit == e.unit && c.function == e.function && c.until.After(until) {
			until = c.until
		}
	}
	return until
}

// take reports whether b holds an answer that came late, and forgets it.
func (l *latecomers) take(b []byte) bool {
	for i, c := range l.list {
		if _, n := c.find(b); n > 0 {
			l.list = slices.Delete(l.list, i, i+1)
			return true
		}
	}
	return false
}
