package gpio

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/courtside-edge/courtside/drivers"
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
	for i := range s.inputs {
		in := &s.inputs[i]
		c.lines = append(c.lines, &line{input: in, debouncer: debouncer{wait: in.wait}})
	}
	banks, refused := c.seek()
	if len(banks) == 0 && len(s.inputs) > 0 {
		return nil, failed("open the lines", fmt.Errorf("none of %d can be had: %w", len(s.inputs), refused))
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
