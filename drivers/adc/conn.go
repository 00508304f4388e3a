package adc

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"periph.io/x/conn/v3/i2c"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/sync/point"
)

// The suspension of a chip that fails.
const (
	failuresBefore = 3
	firstPause     = time.Second
	longestPause   = 30 * time.Second
)

var (
	errClosed = errors.New("the connection is closed")
	errNobody = errors.New("no chip answers")
)

// chip is one converter on the bus, and how it does.
type chip struct {
	key      chipKey
	kind     kind
	spi      spiChip // nil on I2C
	byClass  [][]*item
	failures int
	quality  point.Quality // of its points while it fails
	until    int64         // monotonic time before which it is left alone
	last     error
}

// conn is one bus.
type conn struct {
	source *source
	bus    i2c.BusCloser // nil on SPI
	chips  []*chip
	block  drivers.Block
	w, r   [3]byte // of one exchange, on the heap for good: periph hands their addresses to the kernel

	once   sync.Once
	closed chan struct{}
	err    error
}

func newConn(s *source) *conn {
	c := &conn{source: s, closed: make(chan struct{})}
	byKey := make(map[chipKey]*chip)
	for n := range s.items {
		i := &s.items[n]
		ch := byKey[i.chip]
		if ch == nil {
			ch = &chip{key: i.chip, kind: i.kind, byClass: make([][]*item, len(s.device.Classes))}
			byKey[i.chip] = ch
			c.chips = append(c.chips, ch)
		}
		ch.byClass[i.class] = append(ch.byClass[i.class], i)
	}
	return c
}

// open opens the bus, or each chip select of it.
func (c *conn) open() (err error) {
	if c.source.o.family == ads {
		c.bus, err = c.source.opener.openI2C(c.source.o)
		return err
	}
	for _, ch := range c.chips {
		if ch.spi, err = c.source.opener.openSPI(c.source.o, ch.key.at); err != nil {
			return err
		}
	}
	return nil
}

// probe asks every chip for something and fails when none answers.
func (c *conn) probe() error {
	var last error
	for _, ch := range c.chips {
		err := c.ask(ch)
		if err == nil {
			return nil
		}
		if isGone(err) {
			return err
		}
		last = fmt.Errorf("%v: %w", ch.key, err)
	}
	if last == nil {
		return nil // no points
	}
	return fmt.Errorf("%w: %w", errNobody, last)
}

func (c *conn) ask(ch *chip) error {
	if ch.spi == nil {
		_, err := c.register(ch, regConfig)
		return err
	}
	_, err := c.convert(ch, setting{minus: noMinus})
	return err
}

// failed returns err as drivers want it. Only a person can grant what is forbidden.
func failed(op string, err error) error {
	f := drivers.Transient
	if errors.Is(err, fs.ErrPermission) {
		f = drivers.Permanent
	}
	return &drivers.Error{Op: op, Failure: f, Err: err}
}

// Close implements drivers.Conn.
func (c *conn) Close() error {
	c.once.Do(func() {
		close(c.closed)
		var errs []error
		if c.bus != nil {
			errs = append(errs, c.bus.Close())
		}
		for _, ch := range c.chips {
			if ch.spi != nil {
				errs = append(errs, ch.spi.Close())
			}
		}
		c.err = errors.Join(errs...)
	})
	return c.err
}

// Poll implements drivers.Conn. Chips that convert for a while do so together, a channel each at a time.
func (c *conn) Poll(ctx context.Context, class int, yield func(*drivers.Block)) error {
	op, clock := "read bus "+c.source.o.Bus, c.source.device.Clock
	for round := 0; ; round++ {
		asked := clock.Mono()
		busy := c.start(class, round, asked)
		if busy.chips == 0 {
			break
		}
		if err := c.pause(ctx, busy.wait); err != nil {
			return failed(op, err)
		}
		c.block.Reset(clock.Mono())
		c.block.Asked = asked
		for _, ch := range c.chips {
			if round >= len(ch.byClass[class]) {
				continue
			}
			i := ch.byClass[class][round]
			r, err := c.finish(ctx, ch, i)
			if err != nil && (isGone(err) || ctx.Err() != nil || c.isClosed()) {
				return failed(op, c.cause(ctx, err))
			}
			c.block.Readings = append(c.block.Readings, r)
		}
		c.block.Time = clock.Mono()
		yield(&c.block)
	}
	if err := c.pause(ctx, 0); err != nil {
		return failed(op, err)
	}
	return c.nobody(op)
}

// nobody returns an error when every chip has failed at its last exchange.
func (c *conn) nobody(op string) error {
	var last error
	for _, ch := range c.chips {
		if ch.failures == 0 {
			return nil
		}
		last = fmt.Errorf("%v: %w", ch.key, ch.last)
	}
	if last == nil {
		return nil
	}
	return failed(op, fmt.Errorf("%w: %w", errNobody, last))
}

func (c *conn) isClosed() bool {
	select {
	case <-c.closed:
		return true
	default:
		return false
	}
}

// cause returns why an exchange failed: the context's end or Close, rather than how it took that.
func (c *conn) cause(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case c.isClosed():
		return errClosed
	}
	return err
}

// pause waits, and returns why it should be the last wait.
func (c *conn) pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	if d <= 0 {
		return c.cause(ctx, nil)
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-c.closed:
		return errClosed
	case <-timer.C:
		return nil
	}
}

// started is what start has begun.
type started struct {
	chips int
	wait  time.Duration
}

// start begins the round-th conversion of every chip in a class.
func (c *conn) start(class, round int, now int64) (s started) {
	for _, ch := range c.chips {
		if round >= len(ch.byClass[class]) {
			continue
		}
		s.chips++
		if ch.spi != nil || now < ch.until {
			continue
		}
		i := ch.byClass[class][round]
		c.w[0] = regConfig
		binary.BigEndian.PutUint16(c.w[1:], i.setting.config())
		if err := c.bus.Tx(uint16(ch.key.at), c.w[:3], nil); err != nil {
			c.failing(ch, err)
			continue
		}
		ch.last = nil
		s.wait = max(s.wait, ch.kind.conversion(i.setting))
	}
	return s
}

// finish returns the reading of an item whose conversion was begun.
func (c *conn) finish(ctx context.Context, ch *chip, i *item) (drivers.Reading, error) {
	bad := func() drivers.Reading { return drivers.Reading{Index: i.index, Quality: ch.quality} }
	if c.source.device.Clock.Mono() < ch.until {
		return bad(), nil
	}
	if ch.spi == nil && ch.last != nil { // it was not begun
		return bad(), ch.last
	}
	counts, err := c.convert(ch, i.setting)
	if errors.Is(err, errBusy) {
		if err := c.pause(ctx, ch.kind.conversion(i.setting)); err != nil {
			return bad(), err
		}
		counts, err = c.convert(ch, i.setting)
	}
	if errors.Is(err, errBeyond) {
		c.well(ch)
		return drivers.Reading{Index: i.index, Quality: point.BadOutOfRange}, nil
	}
	if err != nil {
		c.failing(ch, err)
		return bad(), err
	}
	c.well(ch)
	return i.reading(i.index, counts), nil
}

// errBeyond is an input outside the converter's range.
var errBeyond = errors.New("the input is beyond the range")

// convert returns a finished conversion of an ADS, or makes one of an MCP.
func (c *conn) convert(ch *chip, s setting) (int, error) {
	if ch.spi != nil {
		ch.kind.mcpRequest(s, c.w[:])
		if err := ch.spi.Tx(c.w[:3], c.r[:3]); err != nil {
			return 0, err
		}
		return ch.kind.mcpCounts(c.r[:3])
	}
	config, err := c.register(ch, regConfig)
	if err == nil {
		err = adsReady(config, s.config())
	}
	if err != nil {
		return 0, err
	}
	value, err := c.register(ch, regConversion)
	if err != nil {
		return 0, err
	}
	counts, within := ch.kind.adsCounts(value)
	if !within {
		return 0, errBeyond
	}
	return counts, nil
}

// register reads a register of an ADS.
func (c *conn) register(ch *chip, register byte) ([]byte, error) {
	c.w[0] = register
	if err := c.bus.Tx(uint16(ch.key.at), c.w[:1], c.r[:2]); err != nil {
		return nil, err
	}
	return c.r[:2], nil
}

// failing notes a failure of a chip and suspends it when it is not the first.
func (c *conn) failing(ch *chip, err error) {
	ch.failures++
	ch.last = err
	ch.quality = qualityOf(err)
	if ch.failures == 1 {
		c.source.device.Log.Warn("a converter fails", "chip", ch.key.String(), "err", err)
	}
	if over := ch.failures - failuresBefore; over >= 0 {
		pause := longestPause
		if over < 5 {
			pause = min(firstPause<<over, longestPause)
		}
		ch.until = c.source.device.Clock.Mono() + int64(pause)
	}
}

// well notes that a chip answered.
func (c *conn) well(ch *chip) {
	if ch.failures > 0 {
		c.source.device.Log.Info("a converter answers again", "chip", ch.key.String())
	}
	ch.failures, ch.until, ch.last = 0, 0, nil
}

// qualityOf returns what the points of a chip are when an exchange failed.
func qualityOf(err error) point.Quality {
	switch {
	case errors.Is(err, errSettings):
		return point.BadDataEncodingInvalid
	case errors.Is(err, errAbsent):
		return point.BadDeviceFailure
	case errors.Is(err, errBusy), errors.Is(err, os.ErrDeadlineExceeded), isTimeout(err):
		return point.BadTimeout
	}
	return point.BadCommunication
}
