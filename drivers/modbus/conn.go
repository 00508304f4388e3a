package modbus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	goburrow "github.com/goburrow/modbus"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/sync/point"
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

// Stats is what happened on one connection.
type Stats struct {
	Requests   uint64 // sent
	Timeouts   uint64 // of them, not answered in time
	Exceptions uint64 // of them, refused by the device
	Malformed  uint64 // of them, answered with something else
	Strays     uint64 // answers that came too late or to no request
}

// counters is Stats while they are counted.
type counters struct{ requests, timeouts, exceptions, malformed, strays atomic.Uint64 }

// Open implements drivers.Source.
func (s *Source) Open(ctx context.Context) (drivers.Conn, error) {
	d := net.Dialer{Timeout: s.options.Timeout, KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: keepAlive, Interval: keepAlive, Count: 3}}
	conn, err := d.DialContext(ctx, "tcp", s.options.Address)
	if err != nil {
		return nil, &drivers.Error{Op: "connect", Err: err}
	}
	s.opened++
	c := &Conn{source: s, id: s.opened, sending: make([]sending, len(s.courses))}
	c.link = newLink(conn, s.device.Clock, s.options.Timeout, &c.stats)
	c.client = goburrow.NewClient2(s.packager, c.link)
	return c, nil
}

// Conn is one connection to a device.
type Conn struct {
	source  *Source
	id      uint64
	link    *link
	client  goburrow.Client // asks for refused requests again
	sending []sending       // one a scan class
	parts   []*request      // of requests refused in this scan, to be asked for
	block   drivers.Block
	asked   int64 // monotonic ns at which this scan began
	// What is refused for the first time in this scan, to be logged once.
	turnedDown int // points
	example    *request
	exception  byte
	last       time.Time // of the last answer, when pauses are kept
	stats      counters

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

// Stats returns what happened so far. It may be called beside a poll.
func (c *Conn) Stats() Stats {
	return Stats{c.stats.requests.Load(), c.stats.timeouts.Load(), c.stats.exceptions.Load(), c.stats.malformed.Load(), c.stats.strays.Load()}
}

// Close implements drivers.Conn.
func (c *Conn) Close() error {
	c.closing.Do(func() { c.closeErr = c.link.conn.Close() })
	return c.closeErr
}

// Poll implements drivers.Conn.
func (c *Conn) Poll(ctx context.Context, class int, yield func(*drivers.Block)) error {
	co := c.source.courses[class]
	err := c.link.watch(ctx)
	if err == nil {
		c.asked = c.source.device.Clock.Mono() // no request of this scan is older
		err = c.scan(ctx, co, &c.sending[class], yield)
	}
	if failed := co.settle(); err == nil {
		err = failed
	}
	c.report()
	if err == nil {
		return nil
	}
	return &drivers.Error{Op: fmt.Sprintf("poll unit %d at %s", c.source.options.Unit, c.source.options.Address), Err: err}
}

// report logs what was refused in this scan.
func (c *Conn) report() {
	if c.turnedDown == 0 {
		return
	}
	c.source.log.Warn("the device refuses points; they are bad, and asked for again once a minute",
		"points", c.turnedDown, "for example", c.example.String(), "exception", c.exception)
	c.turnedDown, c.example = 0, nil
}

// scan asks for the whole course once, for the parts of what is refused on the way, and now and then again for what was.
func (c *Conn) scan(ctx context.Context, co *course, s *sending, yield func(*drivers.Block)) error {
	if requests, refusals, version := co.current(); version != s.version {
		s.version, s.refusals = version, refusals
		s.load(requests)
	}
	if err := c.round(ctx, co, s, yield); err != nil {
		return err
	}
	for left := maxParts; len(c.parts) > 0; {
		n := min(left, len(c.parts))
		now, later := c.parts[:n], c.parts[n:]
		c.parts = nil
		for _, r := range later {
			c.yieldBad(r, point.BadWaitingForInitialData, yield)
		}
		var extra sending
		extra.load(now)
		if err := c.round(ctx, co, &extra, yield); err != nil {
			return err
		}
		left -= n
	}
	return c.refusals(co, s, yield)
}

// round sends the requests of s, as many at once as the depth allows, and yields what comes.
func (c *Conn) round(ctx context.Context, co *course, s *sending, yield func(*drivers.Block)) error {
	depth := c.source.options.Depth
	for sent, done := 0, 0; done < len(s.requests); done++ {
		free := min(depth-(sent-done), len(s.requests)-sent)
		// While an answer waits to be taken, sending can wait too: several requests then go out as one write.
		if free > 0 && (sent == done || !c.link.buffered()) {
			if err := c.pause(ctx); err != nil {
				return err
			}
			if err := c.link.send(s.frames[sent*requestSize:(sent+free)*requestSize], sent); err != nil {
				return err
			}
			sent += free
		}
		a, err := c.link.receive()
		if err != nil {
			return err
		}
		c.take(co, s.requests[a.tag], a, yield)
		if c.link.misses >= maxMisses {
			return fmt.Errorf("%d requests in a row were not answered: %w", c.link.misses, os.ErrDeadlineExceeded)
		}
	}
	return nil
}

// take yields the points of r as a has them.
func (c *Conn) take(co *course, r *request, a answer, yield func(*drivers.Block)) {
	if c.source.options.Pause > 0 {
		c.last = time.Now()
	}
	switch a.outcome {
	case answered:
		if r.split != nil {
			co.accept(r)
		}
		c.block.Reset(c.link.arrived)
		c.block.Asked = c.asked
		for _, run := range r.runs {
			c.block.Readings = run.decode(a.data, c.block.Readings)
		}
		yield(&c.block)
	case silent:
		c.yieldBad(r, point.BadTimeout, yield)
	case malformed:
		c.yieldBad(r, point.BadDataEncodingInvalid, yield)
	case refused:
		c.refused(co, r, a.code, yield)
	}
}

// refused halves a request that the device refuses for its address, size or function. Other exceptions make its points bad.
func (c *Conn) refused(co *course, r *request, code byte, yield func(*drivers.Block)) {
	if code > goburrow.ExceptionCodeIllegalDataValue {
		c.yieldBad(r, exceptionQuality(code), yield)
		return
	}
	if parts := co.refuse(r, code, time.Since(c.link.start), c.id); parts != nil {
		c.parts = append(c.parts, parts...)
		return
	}
	if c.turnedDown == 0 {
		c.example, c.exception = r, code
	}
	c.turnedDown += len(r.items)
	c.yieldBad(r, exceptionQuality(code), yield)
}

func (c *Conn) yieldBad(r *request, q point.Quality, yield func(*drivers.Block)) {
	c.block.Reset(c.source.device.Clock.Mono())
	pointsBad(&c.block, r, q)
	yield(&c.block)
}

// refusals yields the points that were refused before this scan, and asks for some of them again.
func (c *Conn) refusals(co *course, s *sending, yield func(*drivers.Block)) error {
	if len(s.refusals) == 0 {
		return nil
	}
	c.block.Reset(c.source.device.Clock.Mono())
	for _, f := range s.refusals {
		pointsBad(&c.block, f.request, f.quality)
	}
	yield(&c.block)
	asked := 0
	for _, f := range s.refusals {
		now := time.Since(c.link.start)
		if asked == maxAsked || f.conn == c.id && now-f.asked < askAgain {
			continue
		}
		asked++
		f.conn, f.asked = c.id, now
		if err := c.again(co, f); err != nil {
			return err
		}
	}
	return nil
}

// again asks for what was refused. An error means that the connection can be used no more.
func (c *Conn) again(co *course, f *refusal) error {
	var refusal *goburrow.ModbusError
	switch err := c.ask(f.request); {
	case err == nil:
		c.source.log.Info("the device answers addresses that it refused before", "addresses", f.request.String())
		co.restore(f)
		return nil
	case errors.As(err, &refusal), errors.Is(err, errMalformed):
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded) && c.link.misses < maxMisses:
		return nil
	default:
		return err
	}
}

// ask reads r outside of the plan, through goburrow's client, and says whether the device answers it.
func (c *Conn) ask(r *request) error {
	read := map[Table]func(address, quantity uint16) ([]byte, error){
		Coil: c.client.ReadCoils, Discrete: c.client.ReadDiscreteInputs,
		Input: c.client.ReadInputRegisters, Holding: c.client.ReadHoldingRegisters,
	}[r.table]
	_, err := read(r.address, r.quantity)
	return err
}

// pause waits until the device's pause after its last answer is over.
func (c *Conn) pause(ctx context.Context) error {
	if c.source.options.Pause == 0 || c.last.IsZero() {
		return nil
	}
	wait := time.NewTimer(c.source.options.Pause - time.Since(c.last))
	defer wait.Stop()
	select {
	case <-wait.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

var _ drivers.Conn = (*Conn)(nil)
