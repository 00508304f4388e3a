package gpio

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/courtside-edge/courtside/drivers"
)

// atOnce is how many edges one read takes.
const atOnce = 64

// slack is how far apart the two clocks may be told, in ns: an edge that is dated so soon after the level was read may have been before.
const slack = int64(5 * time.Millisecond)

// heardOf is what a bank's reader passes on.
type heardOf struct {
	bank  *bank
	edges []edge
	lag   int64 // what to add to an edge's time for the gateway's clock
	err   error
}

// readers are the goroutines that wait for edges, one a bank. They end with their bank's lines.
type readers struct {
	heard chan heardOf
	over  context.Context
	sync.WaitGroup
}

// Subscribe implements drivers.Subscriber.
func (c *conn) Subscribe(ctx context.Context, yield func(*drivers.Block)) error {
	if c.begun {
		return c.fail("follow the lines", errBegun)
	}
	c.begun = true
	c.all(yield, func(*line) bool { return true })
	over, stop := context.WithCancel(ctx)
	r := &readers{heard: make(chan heardOf), over: over}
	for _, b := range slices.Clone(c.banks) {
		c.listen(r, b)
	}
	defer func() {
		stop()
		_ = c.Close() // ends the readers; what it says comes again from the worker's Close
		r.Wait()
	}()
	err := c.follow(ctx, r, yield)
	if ctx.Err() != nil {
		return nil
	}
	return c.fail("follow the lines", err)
}

// listen passes on the edges of a bank until its lines are closed.
func (c *conn) listen(r *readers, b *bank) {
	r.Go(func() {
		for {
			edges := make([]edge, atOnce)
			n, err := b.lines.read(edges)
			select {
			case r.heard <- heardOf{bank: b, edges: edges[:n], err: err, lag: c.lag(b.lines)}:
			case <-r.over.Done():
				return
			}
			if err != nil {
				return
			}
		}
	})
}

// lag returns the gateway's clock less the one that edges are dated with. Between two looks the goroutine may have to wait; the quickest of a few tells.
func (c *conn) lag(l lines) (lag int64) {
	quickest := int64(math.MaxInt64)
	for range 5 {
		before := l.now()
		mono := c.source.device.Clock.Mono()
		after := l.now()
		if after-before < quickest {
			quickest, lag = after-before, mono-before-(after-before)/2
		}
		if quickest <= int64(100*time.Microsecond) {
			break
		}
	}
	return lag
}

// follow yields what changes, until something ends it.
func (c *conn) follow(ctx context.Context, r *readers, yield func(*drivers.Block)) error {
	clock := c.source.device.Clock
	resync := time.NewTicker(c.source.o.Resync)
	defer resync.Stop()
	settle := time.NewTimer(time.Hour)
	defer settle.Stop()
	for {
		select {
		case h := <-r.heard:
			if h.err == nil {
				c.edges(h, yield)
			} else if err := c.lost(h.bank, h.err, yield); err != nil {
				return err
			}
		case <-settle.C:
			c.advance(yield)
		case <-resync.C:
			if err := c.resync(r, yield); err != nil {
				return err
			}
		case <-c.closed:
			return errClosed
		case <-ctx.Done():
			return ctx.Err()
		}
		settle.Reset(c.untilDue(clock.Mono()))
	}
}

// resync reads the levels again, in case an edge was missed, and seeks the lines that could not be had.
func (c *conn) resync(r *readers, yield func(*drivers.Block)) error {
	select { // an edge that was heard may be what the level comes from
	case h := <-r.heard:
		if h.err == nil {
			c.edges(h, yield)
		} else if err := c.lost(h.bank, h.err, yield); err != nil {
			return err
		}
	default:
	}
	for _, b := range slices.Clone(c.banks) {
		if err := c.readLevels(b, func(l *line, now int64, level bool) { c.compare(l, now, level, yield) }); err != nil {
			if err := c.lost(b, err, yield); err != nil {
				return err
			}
		}
	}
	c.advance(yield)
	c.seekAgain(r, yield)
	return nil
}

// compare looks at a level that was read beside the edges. One that differs may come from edges that wait to be heard: it counts when it differs
// the next time too, and none of the line came between. It is dated when it was first seen.
func (c *conn) compare(l *line, now int64, level bool, yield func(*drivers.Block)) {
	switch {
	case level == l.level:
		l.doubt = 0
	case l.doubt == 0:
		l.doubt = now
	case now-l.doubt >= int64(c.source.o.Resync)/2:
		at := l.doubt
		l.asked, l.doubt = now, 0
		c.feed(l, at, level, func(ch change) { c.tell(l, ch, yield) })
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
