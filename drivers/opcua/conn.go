package opcua

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/ua"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/drivers/opcua/internal/channel"
	"github.com/courtside-edge/courtside/drivers/opcua/internal/uabinary"
	"github.com/courtside-edge/courtside/sync/point"
)

// conn is one session with one server; see drivers.Conn.
type conn struct {
	src  *source
	o    *options
	log  *slog.Logger
	sess *session

	nodes   []monitored // one an item of the source, in its order
	classes []class
	chunk   int // nodes in one request
	block   drivers.Block

	life   context.Context // ends with Close
	cancel context.CancelFunc
	once   sync.Once
	closed error
}

// monitored is what a connection knows of an item.
type monitored struct {
	*item
	id      *ua.NodeID // nil when its namespace is unknown to the server
	odd     bool       // a value that could not be taken was logged
	last    reading    // the last that was yielded
	itemID  uint32     // of the monitored item, 0 for none
	unknown bool       // the node is not there, or its monitored item was refused
	doubt   doubt      // its value differs from last without a report
	healed  bool       // its last value came from a resync instead of a report
}

// class is the items of one scan class and the requests that read them.
type class struct {
	from, to int
	reads    []read
}

// read is one request for the nodes of items.
type read struct {
	request *channel.Request
	items   []int
}

func newConn(ctx context.Context, s *source, sess *session) (*conn, error) {
	c := &conn{src: s, o: s.o, log: s.device.Log, sess: sess, nodes: make([]monitored, len(s.items)), chunk: s.o.MaxItemsPerCall}
	c.life, c.cancel = context.WithCancel(context.Background())
	namespaces, err := c.askServer(ctx)
	if err != nil {
		c.cancel()
		return nil, err
	}
	for i := range s.items {
		it := &s.items[i]
		c.nodes[i].item = it
		if c.nodes[i].id, err = it.node.resolve(namespaces); err != nil {
			c.log.Warn("a node cannot be found", "point", it.point.Name, "node", it.text, "err", err)
			c.nodes[i].unknown = true
		}
	}
	c.classes = make([]class, len(s.device.Classes))
	for i, it := range s.items {
		cl := &c.classes[it.class]
		if cl.to == 0 {
			cl.from = i
		}
		cl.to = i + 1
	}
	for n := range c.classes {
		if err := c.plan(n); err != nil {
			c.cancel()
			return nil, err
		}
	}
	return c, nil
}

// askServer reads the server's namespaces and its limits, which lower c.chunk.
func (c *conn) askServer(ctx context.Context) (namespaces []string, err error) {
	ask := func(id uint32) *ua.ReadValueID {
		return &ua.ReadValueID{NodeID: ua.NewNumericNodeID(0, id), AttributeID: ua.AttributeIDValue, DataEncoding: &ua.QualifiedName{}}
	}
	resp, err := call[*ua.ReadResponse](ctx, c.sess.ch, c.sess.auth, &ua.ReadRequest{
		TimestampsToReturn: ua.TimestampsToReturnNeither,
		NodesToRead: []*ua.ReadValueID{
			ask(id.Server_NamespaceArray),
			ask(id.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead),
			ask(id.Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall),
		},
	})
	if err != nil {
		return nil, fmt.Errorf("read the server's namespaces and limits: %w", err)
	}
	for i, v := range resp.Results {
		if v == nil || v.Value == nil {
			continue
		}
		switch x := v.Value.Value().(type) {
		case []string:
			if i == 0 {
				namespaces = x
			}
		case uint32:
			if i > 0 && x > 0 {
				c.chunk = int(min(uint32(c.chunk), x))
			}
		}
	}
	return namespaces, nil
}

// plan makes the requests that read a class.
func (c *conn) plan(n int) error {
	cl := &c.classes[n]
	all := make([]int, 0, cl.to-cl.from)
	for i := cl.from; i < cl.to; i++ {
		all = append(all, i)
	}
	reads, err := c.planReads(all)
	cl.reads = reads
	return err
}

// planReads makes the requests that read items. What the server cannot have is left out.
func (c *conn) planReads(items []int) ([]read, error) {
	var reads []read
	for len(items) > 0 {
		var (
			nodes []*ua.ReadValueID
			of    []int
		)
		for len(items) > 0 && len(of) < c.chunk {
			if n := &c.nodes[items[0]]; n.id != nil {
				nodes = append(nodes, &ua.ReadValueID{NodeID: n.id, AttributeID: ua.AttributeIDValue, DataEncoding: &ua.QualifiedName{}})
				of = append(of, items[0])
			}
			items = items[1:]
		}
		if len(of) == 0 {
			break
		}
		r, err := channel.Encode(&ua.ReadRequest{TimestampsToReturn: ua.TimestampsToReturnBoth, NodesToRead: nodes})
		if err != nil {
			return nil, err
		}
		reads = append(reads, read{request: r, items: of})
	}
	return reads, nil
}

// Poll reads every point of a class once; see drivers.Conn.
func (c *conn) Poll(ctx context.Context, n int, yield func(*drivers.Block)) error {
	ctx, stop := c.during(ctx)
	defer stop()
	if n < 0 || n >= len(c.classes) {
		return c.ended(ctx, "poll", fmt.Errorf("there is no scan class %d", n))
	}
	c.yieldAbsent(c.classes[n], yield)
	for i := 0; i < len(c.classes[n].reads); {
		err := c.read(ctx, c.classes[n].reads[i], yield)
		switch {
		case err == nil:
			i++
		case isTooLarge(err) && c.chunk > 1:
			if err := c.halve(); err != nil {
				return c.ended(ctx, "poll", err)
			}
			i = 0
		default:
			return c.ended(ctx, "poll class "+c.src.device.Classes[n].Name, err)
		}
	}
	return nil
}

// during returns a context that ends with ctx or with Close.
func (c *conn) during(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	unhook := context.AfterFunc(c.life, func() { cancel(channel.ErrClosed) })
	return ctx, func() { unhook(); cancel(nil) }
}

// ended says why the connection can be used no more.
func (c *conn) ended(ctx context.Context, op string, err error) error {
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		err = fmt.Errorf("no answer within %v", c.o.Timeout)
	}
	return &drivers.Error{Op: op + " of " + c.o.Endpoint, Failure: failureOf(err), Err: err}
}

// yieldAbsent reports the items whose namespace the server does not have.
func (c *conn) yieldAbsent(cl class, yield func(*drivers.Block)) {
	c.block.Reset(c.src.device.Clock.Mono())
	for i := cl.from; i < cl.to; i++ {
		if n := &c.nodes[i]; n.id == nil {
			c.add(n, reading{quality: point.BadNodeIDUnknown})
		}
	}
	c.flush(yield)
}

// read sends one request and yields its answer as one block.
func (c *conn) read(ctx context.Context, r read, yield func(*drivers.Block)) error {
	asked := c.src.device.Clock.Mono()
	body, err := c.call(ctx, r.request)
	if err != nil {
		return err
	}
	c.block.Reset(c.src.device.Clock.Mono())
	c.block.Asked = asked
	_, err = c.eachRead(body, r, func(n *monitored, v *uabinary.DataValue) { c.add(n, c.convert(n, v)) })
	if err != nil {
		return err
	}
	c.flush(yield)
	return nil
}

// call sends a request and waits for its answer as long as the device's timeout.
func (c *conn) call(ctx context.Context, r *channel.Request) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	return c.sess.ch.Call(ctx, r, c.sess.auth)
}

// eachRead decodes the answer to r.
func (c *conn) eachRead(body []byte, r read, each func(*monitored, *uabinary.DataValue)) (uabinary.Header, error) {
	h, n, err := uabinary.Read(body, func(i int, v *uabinary.DataValue) {
		if i < len(r.items) {
			each(&c.nodes[r.items[i]], v)
		}
	})
	switch {
	case err != nil:
		return h, fmt.Errorf("read %d nodes: %w", len(r.items), err)
	case h.Service>>31 == 1:
		return h, fmt.Errorf("read %d nodes: %w", len(r.items), ua.StatusCode(h.Service))
	case n != len(r.items):
		return h, fmt.Errorf("read %d nodes: the server gave %d values", len(r.items), n)
	}
	return h, nil
}

// convert converts a value and logs once what is odd about it.
func (c *conn) convert(n *monitored, v *uabinary.DataValue) reading {
	r := convert(n.point, v)
	if r.odd != "" && !n.odd {
		n.odd = true
		c.log.Warn("a node's value cannot be taken", "point", n.point.Name, "node", n.text, "err", r.odd)
	}
	return r
}

// add puts a reading into the block.
func (c *conn) add(n *monitored, r reading) {
	bits := r.bits
	if n.point.Type == point.Text && !r.quality.IsBad() {
		bits = uint64(len(c.block.Texts))
		c.block.Texts = append(c.block.Texts, r.text)
	}
	c.block.Readings = append(c.block.Readings, drivers.Reading{Index: n.index, Quality: r.quality, Bits: bits})
	c.block.DeviceTimes = append(c.block.DeviceTimes, r.source)
	n.last = r
	n.unknown = r.quality == point.BadNodeIDUnknown || uint32(r.quality) == uint32(ua.StatusBadNodeIDInvalid)
}

// flush yields the block unless it is empty.
func (c *conn) flush(yield func(*drivers.Block)) {
	if len(c.block.Readings) > 0 {
		yield(&c.block)
	}
}

// isTooLarge reports whether the server would rather be asked for less at a time.
func isTooLarge(err error) bool {
	code, ok := errors.AsType[ua.StatusCode](err)
	if !ok {
		return false
	}
	switch code {
	case ua.StatusBadTooManyOperations, ua.StatusBadRequestTooLarge, ua.StatusBadResponseTooLarge, ua.StatusBadEncodingLimitsExceeded:
		return true
	}
	return false
}

// halve makes smaller requests from now on.
func (c *conn) halve() error {
	c.chunk = max(1, c.chunk/2)
	c.log.Info("the server wants smaller requests", "nodes", c.chunk)
	for n := range c.classes {
		if err := c.plan(n); err != nil {
			return err
		}
	}
	return nil
}

// Close ends the session; see drivers.Conn.
func (c *conn) Close() error {
	c.once.Do(func() {
		c.cancel()
		c.closed = c.sess.close()
	})
	return c.closed
}
