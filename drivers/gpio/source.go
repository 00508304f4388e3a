package gpio

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/sync/point"
)

// source opens the lines of one device.
type source struct {
	device drivers.Device
	o      options
	board  board
	inputs []input
}

// Open implements drivers.Source.
func (s *source) Open(ctx context.Context) (drivers.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, failed("open the lines", err)
	}
	c := &conn{source: s, closed: make(chan struct{})}
	refused := c.find()
	if err := c.take(); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	if len(c.banks) == 0 && len(s.inputs) > 0 {
		return nil, errors.Join(failed("open the lines", fmt.Errorf("none of %d can be had: %w", len(s.inputs), refused)), c.Close())
	}
	return c, nil
}

// failed returns err as drivers want it. Only a person can grant what is forbidden.
func failed(op string, err error) error {
	f := drivers.Transient
	if errors.Is(err, fs.ErrPermission) {
		f = drivers.Permanent
	}
	return &drivers.Error{Op: op, Failure: f, Err: err}
}

// find makes a line of every input, places those that can be had into banks, and returns why the last of the others cannot.
func (c *conn) find() (refused error) {
	s := c.source
	byPath := make(map[string]*bank)
	for i := range s.inputs {
		in := &s.inputs[i]
		l := &line{input: in, debouncer: debouncer{wait: in.wait}, count: rand.Uint64()}
		c.lines = append(c.lines, l)
		p, err := s.board.find(in.chip, in.line)
		if err == nil {
			err = s.board.free(p)
		}
		if err != nil {
			refused = err
			l.quality = point.BadResourceUnavailable
			if errors.Is(err, errNoLine) {
				l.quality = point.BadNodeIDUnknown
			}
			s.device.Log.Warn("a line cannot be had", "chip", orAny(in.chip), "line", in.line, "err", err)
			continue
		}
		b := byPath[p.path]
		if b == nil || len(b.members) == maxLines {
			b = &bank{path: p.path}
			byPath[p.path] = b
			c.banks = append(c.banks, b)
		}
		b.members = append(b.members, l)
		b.wishes = append(b.wishes, wish{p.line, in.bias, in.low})
	}
	return refused
}

// take requests the lines of every bank and reads their levels.
func (c *conn) take() error {
	for _, b := range c.banks {
		var err error
		if b.lines, err = c.source.board.request(b.path, b.wishes); err != nil {
			return failed(fmt.Sprintf("take %d lines of %s", len(b.wishes), b.path), err)
		}
	}
	return c.readLevels(func(l *line, now int64, level bool) { l.start(now, level) })
}

// readLevels reads every line and gives its level to each.
func (c *conn) readLevels(each func(l *line, now int64, level bool)) error {
	for _, b := range c.banks {
		bits, err := b.lines.levels()
		if err != nil {
			return failed("read the lines of "+b.path, err)
		}
		now := c.source.device.Clock.Mono()
		for n, l := range b.members {
			each(l, now, bits>>n&1 == 1)
		}
	}
	return nil
}
