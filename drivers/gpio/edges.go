package gpio

import (
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/sync/point"
)

// edges takes in what a bank's reader heard.
func (c *conn) edges(h heardOf, yield func(*drivers.Block)) {
	now := c.source.device.Clock.Mono()
	for i := range h.edges {
		e := &h.edges[i]
		if e.line >= len(h.bank.members) {
			continue // a line that nobody asked for
		}
		l := h.bank.members[e.line]
		if l.bank != h.bank {
			continue // it was dropped
		}
		at := min(e.at+h.lag, now)
		lost := e.seq - l.seq - 1
		if l.seq == 0 || lost >= 1<<31 {
			lost = 0
		}
		if lost > 0 {
			c.overrun(l, now, at, lost, yield)
		}
		tell := func(ch change) { c.tell(l, ch, yield) }
		switch {
		case h.bank.edges != bothEdges:
			l.apply(change{level: e.rising})
		case l.input.wait > 0:
			c.feed(l, at, e.rising, tell)
		case lost > 0:
			l.steady, l.level = !e.rising, !e.rising // as it must have been
			c.feed(l, at, e.rising, tell)
		case e.rising == l.level && at > l.asked+slack:
			// The line was there already: two edges came too quickly, and the kernel tells them as one.
			c.feed(l, at, !e.rising, tell)
			c.feed(l, at, e.rising, tell)
		default:
			c.feed(l, at, e.rising, tell)
		}
		l.seq, l.heard, l.asked, l.doubt = e.seq, at, 0, 0
	}
	c.flushCounts(now, yield)
}

// overrun declares pulses that the kernel had no room for. Of a contact nothing is lost: the level that counts is the last one.
func (c *conn) overrun(l *line, now, at int64, lost uint32, yield func(*drivers.Block)) {
	c.source.device.Log.Warn("edges were lost: the kernel's buffer overran", "line", l.line, "lost", lost)
	if !l.counts.isCounter() {
		return
	}
	count := uint64(lost)
	if l.input.wait > 0 {
		count = 0 // what would have bounced is not known
	}
	c.block.Reset(now)
	c.block.Asked = l.heard
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
		if l.bank == nil {
			continue
		}
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

// flushCounts yields the counters that counted. Their values are those of the last edges that were heard, which may have waited in the kernel for
// long: had they been taken now, those that still wait would seem to come too quickly.
func (c *conn) flushCounts(now int64, yield func(*drivers.Block)) {
	c.block.Reset(now)
	c.block.Asked = now
	for _, l := range c.lines {
		if l.dirty {
			l.dirty = false
			c.block.Readings = append(c.block.Readings, drivers.Reading{Index: l.index, Bits: l.count})
			c.block.Asked = min(c.block.Asked, l.heard)
		}
	}
	if len(c.block.Readings) > 0 {
		yield(&c.block)
	}
}
