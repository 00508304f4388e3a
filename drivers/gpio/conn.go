package gpio

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/sync/point"
)

var (
	errClosed = errors.New("the connection is closed")
	errBegun  = errors.New("the lines have been read already")
)

// line is one input and its state.
type line struct {
	*input
	debouncer
	bank    *bank         // nil while it cannot be had
	quality point.Quality // why it cannot be had; 0 when it can
	refused string        // what was said of that
	count   uint64        // of pulses
	dirty   bool          // the count was not yielded yet
	seq     uint32        // of the last edge; 0 before the first
	heard   int64         // monotonic time up to which every edge is known
	doubt   int64         // monotonic time at which another level was read than the edges tell, with no edge since; else 0
	asked   int64         // monotonic time at which the level was read, while the edge that led to it may still come; else 0
}

// bits returns the point's value.
func (l *line) bits() uint64 {
	if l.counts.isCounter() {
		return l.count
	}
	return point.BoolBits(l.steady)
}

// conn is the lines of one device, while they are ours.
type conn struct {
	source *source
	lines  []*line // in the order of the configuration
	block  drivers.Block
	begun  bool

	mu     sync.Mutex // guards banks, for Close
	banks  []*bank
	isOver bool

	once   sync.Once
	closed chan struct{}
	err    error
}

var _ drivers.Subscriber = (*conn)(nil)

// Close implements drivers.Conn.
func (c *conn) Close() error {
	c.once.Do(func() {
		close(c.closed)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.isOver = true
		var errs []error
		for _, b := range c.banks {
			errs = append(errs, b.lines.close())
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
	if _, ok := errors.AsType[*drivers.Error](err); ok {
		return err
	}
	return failed(op, err)
}

// Poll implements drivers.Conn: the levels that count, and the pulses so far. The worker calls Subscribe instead.
func (c *conn) Poll(ctx context.Context, class int, yield func(*drivers.Block)) error {
	if err := ctx.Err(); err != nil {
		return c.fail("read the lines", err)
	}
	for _, b := range slices.Clone(c.banks) {
		if err := c.readLevels(b, func(l *line, now int64, level bool) { c.feed(l, now, level, func(change) {}) }); err != nil && c.drop(b) == 0 {
			return c.fail("read the lines", err)
		}
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

// readLevels reads a bank's lines and gives its level to each.
func (c *conn) readLevels(b *bank, each func(l *line, now int64, level bool)) error {
	if b.edges != bothEdges {
		return nil // each edge counts, whatever the level
	}
	bits, err := b.lines.levels()
	if err != nil {
		return failed("read the lines of "+b.path, err)
	}
	now := c.source.device.Clock.Mono()
	for n, l := range b.members {
		each(l, now, bits>>n&1 == 1)
	}
	return nil
}
