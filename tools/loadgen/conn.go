package loadgen

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/sync/point"
)

// catchUp is what a paced generator may owe; the rest is skipped.
const catchUp = time.Second

var errClosed = errors.New("the connection is closed")

// conn generates.
type conn struct {
	*source
	crowd  *crowd
	block  drivers.Block
	next   int     // seat
	due    []int64 // monotonic ns at which each probe is due
	once   sync.Once
	closed chan struct{}
}

// Close implements drivers.Conn.
func (c *conn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return nil
}

// ended returns why nothing more may be yielded, or nil.
func (c *conn) ended(ctx context.Context) error {
	select {
	case <-c.closed:
		return &drivers.Error{Op: "read", Err: errClosed}
	default:
	}
	if err := ctx.Err(); err != nil {
		return &drivers.Error{Op: "read", Err: err}
	}
	return nil
}

// Poll implements drivers.Conn: every point of the class once, as far as a seat or a probe is there. The gateway's worker subscribes instead.
func (c *conn) Poll(ctx context.Context, class int, yield func(*drivers.Block)) error {
	if err := c.ended(ctx); err != nil {
		return err
	}
	c.block.Reset(c.clock.Mono())
	for i := range c.seats {
		if c.seats[i].class == class {
			c.seat(i)
		}
	}
	now := time.Now().UnixNano()
	for i := range c.probes {
		if c.probes[i].class == class {
			c.probe(i, now)
		}
	}
	c.hand(yield)
	return nil
}

// Subscribe implements drivers.Subscriber. It begins with every point's value.
func (c *conn) Subscribe(ctx context.Context, yield func(*drivers.Block)) error {
	c.block.Reset(c.clock.Mono())
	for i := range c.seats {
		c.seat(i)
	}
	c.dueProbes()
	c.hand(yield)
	timer := time.NewTimer(0)
	defer timer.Stop()
	if c.interval == 0 {
		return c.closedLoop(ctx, timer, yield)
	}
	return c.paced(ctx, timer, yield)
}

// closedLoop yields block after block, as long as the spool has room.
func (c *conn) closedLoop(ctx context.Context, timer *time.Timer, yield func(*drivers.Block)) error {
	for c.ended(ctx) == nil {
		if c.control.full() {
			begun := time.Now()
			c.rest(ctx, timer, holdLook)
			c.control.waited.Add(int64(time.Since(begun)))
			continue
		}
		c.one(yield)
	}
	return c.reason(ctx)
}

// paced yields a block each interval. One that is late is made up for.
func (c *conn) paced(ctx context.Context, timer *time.Timer, yield func(*drivers.Block)) error {
	start, blocks := time.Now(), int64(0)
	for c.ended(ctx) == nil {
		wait := time.Until(start.Add(time.Duration(blocks) * c.interval))
		if wait > 0 {
			c.rest(ctx, timer, wait)
			continue
		}
		if late := int64((-wait - catchUp) / c.interval); wait < -catchUp && late > 0 {
			blocks += late
			c.control.skipped.Add(uint64(late) * uint64(c.perBlock()))
			continue
		}
		c.one(yield)
		blocks++
	}
	return c.reason(ctx)
}

// reason tells a wanted end, nil, from Close.
func (c *conn) reason(ctx context.Context) error {
	if ctx.Err() != nil {
		return nil
	}
	return c.ended(ctx)
}

// rest waits for d, the end of ctx or Close.
func (c *conn) rest(ctx context.Context, timer *time.Timer, d time.Duration) {
	timer.Reset(d)
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-c.closed:
	}
}

// perBlock returns how many seats a block holds.
func (c *conn) perBlock() int {
	if len(c.seats) == 0 {
		return 0
	}
	return c.size
}

// one yields the next block.
func (c *conn) one(yield func(*drivers.Block)) {
	c.block.Reset(c.clock.Mono())
	for range c.perBlock() {
		c.seat(c.next)
		if c.next++; c.next == len(c.seats) {
			c.next = 0
		}
	}
	c.dueProbes()
	c.hand(yield)
}

func (c *conn) hand(yield func(*drivers.Block)) {
	if len(c.block.Readings) > 0 {
		c.control.produced.Add(uint64(len(c.block.Readings)))
		yield(&c.block)
	}
}

func (c *conn) seat(i int) {
	c.block.Readings = append(c.block.Readings, drivers.Reading{Index: c.seats[i].index, Bits: uint64(c.crowd.next(i))})
}

// dueProbes adds the probes whose time has come.
func (c *conn) dueProbes() {
	if len(c.probes) == 0 {
		return
	}
	now := time.Now().UnixNano()
	for i := range c.probes {
		if c.block.Time >= c.due[i] {
			c.due[i] = c.block.Time + int64(c.probes[i].every)
			c.probe(i, now)
		}
	}
}

// probe adds a reading of the wall clock.
func (c *conn) probe(i int, now int64) {
	if c.probes[i].total {
		c.control.base.CompareAndSwap(0, now)
	}
	c.block.Readings = append(c.block.Readings, drivers.Reading{Index: c.probes[i].index, Bits: point.IntBits(now)})
}
