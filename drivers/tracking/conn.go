package tracking

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/drivers/tracking/events"
)

const (
	// queued is how many positions wait between the stream's reader and the owner; beyond it gRPC holds the system back.
	queued = 256
	// maxBlock is how many readings one block gathers before it is yielded.
	maxBlock = 512
)

var (
	errClosed  = errors.New("the connection is closed")
	errNoPolls = errors.New("a tracking system reports by itself and cannot be polled")
	errSilence = errors.New("nobody was reported")
	errBegun   = errors.New("the stream has been read already")
)

// conn is one stream.
type conn struct {
	source *source
	client *grpc.ClientConn
	stream grpc.ServerStreamingClient[events.PlayerPosition]
	end    context.CancelFunc // ends the stream
	block  drivers.Block
	begun  bool
	known  map[int32]bool // strangers that were said

	once   sync.Once
	closed atomic.Bool
	err    error
}

var _ drivers.Subscriber = (*conn)(nil)

// Close implements drivers.Conn.
func (c *conn) Close() error {
	c.once.Do(func() {
		c.closed.Store(true)
		c.end()
		c.err = c.client.Close()
	})
	return c.err
}

// Poll implements drivers.Conn. The worker never calls it: a Subscriber is subscribed to.
func (c *conn) Poll(ctx context.Context, _ int, _ func(*drivers.Block)) error {
	if err := ctx.Err(); err != nil {
		return c.failed(err)
	}
	return c.failed(errNoPolls)
}

func (c *conn) failed(err error) error {
	if c.closed.Load() {
		err = errClosed
	}
	return &drivers.Error{Op: "listen to " + c.source.o.Address, Failure: failureOf(err), Err: err}
}

// Subscribe implements drivers.Subscriber. The first positions of all players are what they have at present.
func (c *conn) Subscribe(ctx context.Context, yield func(*drivers.Block)) error {
	if c.begun {
		return c.failed(errBegun)
	}
	c.begun = true
	positions, failure := make(chan *events.PlayerPosition, queued), make(chan error, 1)
	over, stop := context.WithCancel(ctx)
	var reader sync.WaitGroup
	reader.Go(func() { failure <- c.read(over, positions) })
	defer func() {
		stop()
		c.end() // ends Recv
		reader.Wait()
	}()
	err := c.follow(ctx, positions, failure, yield)
	if ctx.Err() != nil {
		return nil
	}
	return c.failed(err)
}

// read passes on what the stream brings, until it ends.
func (c *conn) read(ctx context.Context, into chan<- *events.PlayerPosition) error {
	for {
		m, err := c.stream.Recv()
		if err != nil {
			return err
		}
		select {
		case into <- m:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// follow yields what comes and what stays away.
func (c *conn) follow(ctx context.Context, positions <-chan *events.PlayerPosition, failure <-chan error, yield func(*drivers.Block)) error {
	clock, book, o := c.source.device.Clock, c.source.book, &c.source.o
	book.begin(clock.Mono())
	look := time.NewTicker(waitFor(min(o.StaleAfter, o.Silence)))
	defer look.Stop()
	for {
		select {
		case m := <-positions:
			c.gather(m, positions, yield)
		case err := <-failure:
			return err
		case <-look.C:
			now := clock.Mono()
			c.block.Reset(now)
			book.missing(&c.block)
			c.flush(yield)
			if quiet := book.quiet(now); quiet >= int64(o.Silence) {
				return fmt.Errorf("%w for %v", errSilence, time.Duration(quiet).Round(time.Millisecond))
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// gather yields m together with what waits behind it. A block holds a player once, so that no two positions share a time.
func (c *conn) gather(m *events.PlayerPosition, more <-chan *events.PlayerPosition, yield func(*drivers.Block)) {
	book, clock := c.source.book, c.source.device.Clock
	c.block.Reset(clock.Mono())
	for {
		switch book.take(m, &c.block) {
		case full:
			c.flush(yield)
			c.block.Reset(clock.Mono())
			continue
		case stranger:
			c.introduce(m.GetPlayerId())
		}
		if len(c.block.Readings) >= maxBlock {
			break
		}
		select {
		case m = <-more:
			continue
		default:
		}
		break
	}
	c.flush(yield)
}

func (c *conn) flush(yield func(*drivers.Block)) {
	if len(c.block.Readings) > 0 {
		yield(&c.block)
	}
	c.source.book.yielded()
}

// introduce says once that nobody asked for a player, and forgets to when there are many of them.
func (c *conn) introduce(id int32) {
	const most = 100
	if c.known == nil {
		c.known = make(map[int32]bool)
	}
	if !c.known[id] && len(c.known) < most {
		c.known[id] = true
		c.source.device.Log.Info("a player is tracked whom no point names", "player", id)
	}
}
