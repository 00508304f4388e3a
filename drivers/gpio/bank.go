package gpio

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/sync/point"
)

// bank is lines that were taken in one request.
type bank struct {
	path    string
	edges   edges // that are told; levels are followed when they are both
	wishes  []wish
	members []*line
	lines   lines
}

// seek looks for every line that we do not have, takes those that can be had, and returns their banks, and why the last of the others cannot.
func (c *conn) seek() (banks []*bank, refused error) {
	type key struct {
		path  string
		edges edges
	}
	byKey := make(map[key]*bank)
	for _, l := range c.lines {
		if l.bank != nil {
			continue
		}
		p, err := c.source.board.find(l.chip, l.line)
		if err == nil {
			err = c.source.board.free(p)
		}
		if err != nil {
			refused = err
			c.refuse(l, err)
			continue
		}
		k := key{p.path, l.edges()}
		b := byKey[k]
		if b == nil || len(b.members) == maxLines {
			b = &bank{path: p.path, edges: k.edges}
			byKey[k] = b
			banks = append(banks, b)
		}
		b.members = append(b.members, l)
		b.wishes = append(b.wishes, wish{p.line, l.bias, l.low, k.edges})
	}
	had := banks[:0]
	for _, b := range banks {
		if err := c.take(b); err != nil {
			refused = err
			for _, l := range b.members {
				c.refuse(l, err)
			}
			continue
		}
		had = append(had, b)
	}
	return had, refused
}

// refuse notes why a line cannot be had, and says so when that is new.
func (c *conn) refuse(l *line, err error) {
	l.quality = point.BadResourceUnavailable
	if errors.Is(err, errNoLine) {
		l.quality = point.BadNodeIDUnknown
	}
	if why := err.Error(); l.refused != why {
		l.refused = why
		c.source.device.Log.Warn("a line cannot be had", "chip", orAny(l.chip), "line", l.line, "err", err)
	}
}

// take requests the lines of a bank and reads their levels. A counter begins at a random value, so that what was missed is a reset.
func (c *conn) take(b *bank) (err error) {
	if b.lines, err = c.source.board.request(b.path, b.wishes); err != nil {
		return failed(fmt.Sprintf("take %d lines of %s", len(b.wishes), b.path), err)
	}
	if err := c.hold(b); err != nil {
		return err
	}
	bits, err := b.lines.levels()
	if err != nil {
		c.drop(b)
		return failed("read the lines of "+b.path, err)
	}
	now := c.source.device.Clock.Mono()
	for n, l := range b.members {
		if l.refused != "" {
			c.source.device.Log.Info("a line can be had", "chip", orAny(l.chip), "line", l.line)
		}
		l.bank, l.quality, l.refused = b, point.Good, ""
		l.seq, l.heard, l.asked, l.doubt, l.count = 0, now, now, 0, rand.Uint64()
		l.start(now, bits>>n&1 == 1)
	}
	return nil
}

// hold keeps a bank until it is dropped, or until Close, which may be now.
func (c *conn) hold(b *bank) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isOver {
		return errors.Join(errClosed, b.lines.close())
	}
	c.banks = append(c.banks, b)
	return nil
}

// drop gives a bank back and returns how many are left. Its lines are to be sought again.
func (c *conn) drop(b *bank) (left int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at := slices.Index(c.banks, b); at >= 0 {
		c.banks = slices.Delete(c.banks, at, at+1)
		_ = b.lines.close() // its chip has gone
	}
	for _, l := range b.members {
		if l.bank == b {
			l.bank, l.quality = nil, point.BadNotConnected
			l.debouncer.start(l.since, l.steady) // nothing is pending
		}
	}
	return len(c.banks)
}

// lost goes on without the banks of a chip that has gone; their points are bad. Without any bank there is no connection, and the cause is returned.
func (c *conn) lost(b *bank, cause error, yield func(*drivers.Block)) error {
	if !slices.Contains(c.banks, b) {
		return nil // that is known
	}
	var gone []*line
	left := 0
	for _, other := range slices.Clone(c.banks) { // a chip may have several
		if other.path == b.path {
			gone = append(gone, other.members...)
			left = c.drop(other)
		}
	}
	if left == 0 {
		return cause
	}
	c.source.device.Log.Warn("a chip has gone", "chip", b.path, "lines", len(gone), "err", cause)
	c.all(yield, func(l *line) bool { return slices.Contains(gone, l) })
	return nil
}

// seekAgain takes the lines that can be had by now, and yields what has become of those that could not.
func (c *conn) seekAgain(r *readers, yield func(*drivers.Block)) {
	was := make(map[*line]point.Quality)
	for _, l := range c.lines {
		if l.bank == nil {
			was[l] = l.quality
		}
	}
	if len(was) == 0 {
		return
	}
	banks, _ := c.seek()
	for _, b := range banks {
		c.listen(r, b)
	}
	c.all(yield, func(l *line) bool {
		before, sought := was[l]
		return sought && before != l.quality
	})
}
