package modbus

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/courtside-edge/courtside/drivers"
)

const (
	// maxMisses is how many timeouts in a row end a connection.
	maxMisses = 3
	// maxParts is how many parts of refused requests one scan asks for beyond its plan; the rest waits for the next.
	maxParts = 64
	// askAgain is how long a refused request is left alone.
	askAgain = time.Minute
	// maxAsked is how many refused requests one scan asks for again.
	maxAsked = 4
	// keepAlive is the idle time after which TCP asks whether the device is still there.
	keepAlive = 15 * time.Second
)

// Open implements drivers.Source. The connection is a *Conn, or wraps one that tells the device what is durable.
func (s *Source) Open(ctx context.Context) (drivers.Conn, error) {
	if err := s.restore(); err != nil {
		return nil, err
	}
	conn, err := s.dial(ctx)
	if err != nil {
		return nil, err
	}
	s.opened++
	c := &Conn{source: s, id: s.opened, port: conn, sending: make([]sending, len(s.courses)), texts: map[uint32]string{}}
	if s.options.rtu() {
		b := newBus(conn, s.device.Clock, s.options.Timeout, &c.stats, &s.late)
		if s.options.Serial != nil {
			b.gap, b.perByte = s.options.Serial.gap(), s.options.Serial.perByte()
		}
		c.wire, c.line = b, &b.line
	} else {
		l := newLink(conn, s.device.Clock, s.options.Timeout, &c.stats)
		c.wire, c.line = l, &l.line
	}
	c.line.timed = len(s.units) > 1
	s.counting(&c.stats)
	if s.image != nil {
		if c.proxy, err = startProxy(s.options.Proxy, s.image, s.oldest(), s.device.Clock, s.log); err != nil {
			s.log.Error("the device is polled, but its values are not offered to others", "err", err)
		}
	}
	if s.acknowledges() {
		return acknowledging{c}, nil
	}
	return c, nil
}

// oldest returns how old values may be that others are given.
func (s *Source) oldest() time.Duration {
	d := proxyOldest
	for _, c := range s.device.Classes {
		d = max(d, proxyScans*c.Period)
	}
	return d
}

// dial opens the TCP connection or the serial port.
func (s *Source) dial(ctx context.Context) (port, error) {
	if s.options.Serial != nil {
		if err := ctx.Err(); err != nil {
			return nil, &drivers.Error{Op: "open serial port " + s.options.Serial.Port, Err: err}
		}
		return openSerial(*s.options.Serial)
	}
	d := net.Dialer{Timeout: s.options.Timeout, KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: keepAlive, Interval: keepAlive, Count: 3}}
	conn, err := d.DialContext(ctx, "tcp", s.options.Address)
	if err != nil {
		return nil, &drivers.Error{Op: "connect", Err: err}
	}
	return conn, nil
}

// Conn is one connection to a device.
type Conn struct {
	source  *Source
	id      uint64
	port    port
	wire    transport
	line    *line
	sending []sending  // one a scan class
	probing *request   // of a suspended unit, asked for after everybody else
	parts   []*request // of requests refused in this scan, to be asked for
	block   drivers.Block
	texts   map[uint32]string // what text points held last, so that a text is made only when it changes
	// What is refused for the first time in this scan, to be logged once.
	turnedDown int // points
	example    *request
	exception  byte
	last       time.Time // of the last answer, when pauses are kept
	stats      counters
	told       map[*ring]uint64 // up to where rings are durable, until they were told
	unwilling  bool             // a refusal to be told was logged
	proxy      *proxy           // nil for none

	closing  sync.Once
	closeErr error
}

// sending is a course's requests as a connection sends them.
type sending struct {
	version  int
	requests []*request
	refusals []*refusal
	frames   []byte // all requests in a row
}

// load sets the requests and packs their frames.
func (s *sending) load(requests []*request) {
	s.requests, s.frames = requests, s.frames[:0]
	for _, r := range requests {
		s.frames = append(s.frames, r.adu...)
	}
}

// Close implements drivers.Conn.
func (c *Conn) Close() error {
	c.closing.Do(func() {
		c.closeErr = c.port.Close()
		if c.proxy != nil {
			c.proxy.close()
		}
	})
	return c.closeErr
}

// Poll implements drivers.Conn.
func (c *Conn) Poll(ctx context.Context, class int, yield func(*drivers.Block)) error {
	co := c.source.courses[class]
	began := time.Now()
	err := c.line.watch(ctx)
	if err == nil && len(c.told) > 0 {
		err = c.tell(ctx)
	}
	if err == nil {
		err = c.scan(ctx, class, yield)
	}
	if failed := co.settle(); err == nil {
		err = failed
	}
	c.report()
	if err == nil {
		co.took.Store(int64(time.Since(began)))
		return nil
	}
	return &drivers.Error{Op: fmt.Sprintf("poll %s", c.source.options.where()), Err: err}
}

// report logs what was refused in this scan.
func (c *Conn) report() {
	if c.turnedDown == 0 {
		return
	}
	c.source.log.Warn("the device refuses points; they are bad, and asked for again once a minute",
		"points", c.turnedDown, "unit", c.example.unit, "for example", c.example.String(), "exception", c.exception)
	c.turnedDown, c.example = 0, nil
}

var _ drivers.Conn = (*Conn)(nil)
