package gpio

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/sync/point"
)

// atOnce is how many edges one read takes.
const atOnce = 64

var (
	errClosed = errors.New("the connection is closed")
	errBegun  = errors.New("the lines have been read already")
)

// line is one input and its state.
type line struct {
	*input
	debouncer
	quality point.Quality // why it cannot be had; 0 when it can
	count   uint64        // of pulses
	dirty   bool          // the count was not yielded yet
	seq     uint32        // of the last edge; 0 before the first
	heard   int64         // monotonic time up to which every edge is known
}

// bits returns the point's value.
func (l *line) bits() uint64 {
	if l.counts.isCounter() {
		return l.count
	}
	return point.BoolBits(l.steady)
}

// bank is lines that were taken in one request.
type bank struct {
	path    string
	wishes  []wish
	members []*line
	lines   lines
}

// conn is the lines of one device, while they are ours.
type conn struct {
	source *source
	lines  []*line // in the order of the configuration
	banks  []*bank
	block  drivers.Block
	begun  bool

	once   sync.Once
	closed chan struct{}
	err    error
}

var _ drivers.Subscriber = (*conn)(nil)

// Close implements drivers.Conn.
func (c *conn) Close() error {
	c.once.Do(func() {
		close(c.closed)
		var errs []error
		for _, b := range c.banks {
			if b.lines != nil {
				errs = append(errs, b.lines.close())
			}
		}
		c.err = errors.Join(errs...)
	})
	return c.err
}

func (c *conn) fail(op string, err error) error {
	select {
	case <-c.closed:
		err = errClosed
	default:
	}
	var known *drivers.Error
	if errors.As(err, &known) {
		return err
	}
	return failed(op, err)
}

// Poll implements drivers.Conn: the levels that count, and the pulses so far. The worker calls Subscribe instead.
func (c *conn) Poll(ctx context.Context, class int, yield func(*drivers.Block)) error {
	if err := ctx.Err(); err != nil {
		return c.fail("read the lines", err)
	}
	if err := c.readLevels(func(l *line, now int64, level bool) { c.feed(l, now, level, func(change) {}) }); err != nil {
		return c.fail("read the lines", err)
	}
	c.all(yield, func(l *line) bool { return l.class == class })
	return nil
}

// all yields the present value of the lines that are wanted.
func (c *conn) all(yield func(*drivers.Block), wanted func(*line) bool) {
	c.block.Reset(c.source.device.Clock.Mono())
	for _, l := range c.lines {
		if !wanted(l) {
			continue
		}
		r := drivers.Reading{Index: l.index, Quality: l.quality}
		if l.quality.IsGood() {
			r.Bits = l.bits()
		}
		c.block.Readings = append(c.block.Readings, r)
		l.dirty = false
	}
	if len(c.block.Readings) > 0 {
		yield(&c.block)
	}
}

// heardOf is what a bank's reader passes on.
type heardOf struct {
	bank  *bank
	edges []edge
	lag   int64 // what to add to an edge's time for the gateway's clock
	err   error
}

// Subscribe implements drivers.Subscriber.
func (c *conn) Subscribe(ctx context.Context, yield func(*drivers.Block)) error {
	if c.begun {
		return c.fail("follow the lines", errBegun)
	}
	c.begun = true
	c.all(yield, func(*line) bool { return true })
	over, stop := context.WithCancel(ctx)
	heard := make(chan heardOf)
	var readers sync.WaitGroup
	for _, b := range c.banks {
		readers.Go(func() { c.read(over, b, heard) })
	}
	defer func() {
		stop()
		_ = c.Close() // ends the readers; what it says comes again from the worker's Close
		readers.Wait()
	}()
	err := c.follow(ctx, heard, yield)
	if ctx.Err() != nil {
		return nil
	}
	return c.fail("follow the lines", err)
}

// read passes on the edges of a bank until its lines are closed.
func (c *conn) read(ctx context.Context, b *bank, into chan<- heardOf) {
	for {
		edges := make([]edge, atOnce)
		n, err := b.lines.read(edges)
		h := heardOf{bank: b, edges: edges[:n], err: err, lag: c.source.device.Clock.Mono() - b.lines.now()}
		select {
		case into <- h:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// follow yields what changes, until something ends it.
func (c *conn) follow(ctx context.Context, heard <-chan heardOf, yield func(*drivers.Block)) error {
	clock := c.source.device.Clock
	resync := time.NewTicker(c.source.o.Resync)
	defer resync.Stop()
	settle := time.NewTimer(time.Hour)
	defer settle.Stop()
	for {
		select {
		case h := <-heard:
			if h.err != nil {
				return h.err
			}
			c.edges(h, yield)
		case <-settle.C:
			c.advance(yield)
		case <-resync.C:
			if err := c.readLevels(func(l *line, now int64, level bool) {
				if level != l.level {
					c.feed(l, now, level, func(ch change) { c.tell(l, ch, yield) })
				}
			}); err != nil {
				return err
			}
			c.advance(yield)
		case <-c.closed:
			return errClosed
		case <-ctx.Done():
			return ctx.Err()
		}
		settle.Reset(c.untilDue(clock.Mono()))
	}
}

// untilDue returns when the next level may count.
func (c *conn) untilDue(now int64) time.Duration {
	wait := int64(time.Hour)
	for _, l := range c.lines {
		if at, pending := l.due(); pending {
			wait = min(wait, max(at-now, 0))
		}
	}
	return time.Duration(wait)
}

// edges takes in what a bank's reader heard.
func (c *conn) edges(h heardOf, yield func(*drivers.Block)) {
	now := c.source.device.Clock.Mono()
	for i := range h.edges {
		e := &h.edges[i]
		if e.line >= len(h.bank.members) {
			continue // a line that nobody asked for
		}
		l := h.bank.members[e.line]
		at := min(e.at+h.lag, now)
		if lost := e.seq - l.seq - 1; l.seq != 0 && lost != 0 && lost < 1<<31 {
			c.overrun(l, at, uint64(lost), yield)
		}
		l.seq, l.heard = e.seq, at
		c.feed(l, at, e.rising, func(ch change) { c.tell(l, ch, yield) })
	}
	c.flushCounts(now, yield)
}

// overrun declares pulses that the kernel had no room for. Of a contact nothing is lost: the level that counts is the last one.
func (c *conn) overrun(l *line, at int64, lost uint64, yield func(*drivers.Block)) {
	c.source.device.Log.Warn("edges were lost: the kernel's buffer overran", "line", l.line, "lost", lost)
	if !l.counts.isCounter() {
		return
	}
	count := uint64(0) // what would have bounced is not known
	if l.input.wait == 0 {
		count = lost
		if !l.counts.rising || !l.counts.falling {
			count = (lost + 1) / 2
		}
	}
	c.block.Reset(at)
	c.block.Readings = append(c.block.Readings, drivers.Reading{Index: l.index, Bits: l.count})
	c.block.Gaps = append(c.block.Gaps, drivers.Gap{Index: l.index, First: l.heard, Last: at, Count: count, Reason: point.GapOverrun})
	l.dirty = false
	yield(&c.block)
}

// feed takes in one level of a line and passes on what counts.
func (c *conn) feed(l *line, at int64, level bool, counts func(change)) {
	if ch, changed := l.edge(at, level); changed {
		l.apply(ch)
		counts(ch)
	}
}

// apply counts a change.
func (l *line) apply(ch change) {
	if l.counts.has(ch.level) {
		l.count++
		l.dirty = true
	}
}

// advance lets the levels count that have held for long enough by now.
func (c *conn) advance(yield func(*drivers.Block)) {
	now := c.source.device.Clock.Mono()
	for _, l := range c.lines {
		if ch, changed := l.debouncer.advance(now); changed {
			l.apply(ch)
			c.tell(l, ch, yield)
		}
	}
	c.flushCounts(now, yield)
}

// tell yields a contact's change, dated when it came to count. Pulses wait for flushCounts, so that a burst makes one block.
func (c *conn) tell(l *line, ch change, yield func(*drivers.Block)) {
	if l.counts.isCounter() {
		return
	}
	now := c.source.device.Clock.Mono()
	c.block.Reset(min(ch.at, now))
	c.block.Readings = append(c.block.Readings, drivers.Reading{Index: l.index, Bits: point.BoolBits(ch.level)})
	c.block.DeviceTimes = append(c.block.DeviceTimes, time.Now().UnixNano()-(now-ch.edge))
	yield(&c.block)
}

// flushCounts yields the counters that counted.
func (c *conn) flushCounts(now int64, yield func(*drivers.Block)) {
	c.block.Reset(now)
	for _, l := range c.lines {
		if l.dirty {
			l.dirty = false
			c.block.Readings = append(c.block.Readings, drivers.Reading{Index: l.index, Bits: l.count})
		}
	}
	if len(c.block.Readings) > 0 {
		yield(&c.block)
	}
}
