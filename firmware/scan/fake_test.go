package scan

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/firmware/filter"
	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/point"
)

// bubbleClock tells the virtual time of a synctest bubble.
type bubbleClock struct{ start time.Time }

func (c bubbleClock) Mono() int64 { return int64(time.Since(c.start)) }
func (c bubbleClock) Map() clock.Map {
	return clock.Map{Boot: clock.BootID{7}, From: c.Mono(), Offset: time.Duration(c.start.UnixNano()), Source: clock.NTP}
}

// added is one call of Batcher.Add.
type added struct {
	at      int64
	lane    point.Lane
	samples []point.Sample
	durable func()
}

// fakeBatcher keeps what it is given.
type fakeBatcher struct {
	mu    sync.Mutex
	clock bubbleClock
	list  []added
}

func (b *fakeBatcher) Add(lane point.Lane, r *filter.Report, durable func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.list = append(b.list, added{b.clock.Mono(), lane, slices.Clone(r.Samples), durable})
}

func (b *fakeBatcher) all() []added {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.list)
}

// values returns every sample of point index as (quality, bits).
func (b *fakeBatcher) samples(index uint32) (out []point.Sample) {
	for _, a := range b.all() {
		for _, s := range a.samples {
			if s.Index == index {
				out = append(out, s)
			}
		}
	}
	return out
}

// fakeSource opens what the test says.
type fakeSource struct {
	mu    sync.Mutex
	opens []int64
	clock bubbleClock
	open  func(n int) (drivers.Conn, error) // n counts from 0
}

func (s *fakeSource) Open(context.Context) (drivers.Conn, error) {
	s.mu.Lock()
	n := len(s.opens)
	s.opens = append(s.opens, s.clock.Mono())
	s.mu.Unlock()
	return s.open(n)
}

func (s *fakeSource) times() []int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.opens)
}

// fakeConn polls as the test says. A nil poll yields one good reading of point 0, value 1.
type fakeConn struct {
	clock  bubbleClock
	poll   func(ctx context.Context, class int, yield func(*drivers.Block)) error
	mu     sync.Mutex
	polls  []call
	closed chan struct{}
	once   sync.Once
	closer func()
}

type call struct {
	class int
	at    int64
}

func newConn(c bubbleClock) *fakeConn { return &fakeConn{clock: c, closed: make(chan struct{})} }

func (c *fakeConn) Poll(ctx context.Context, class int, yield func(*drivers.Block)) error {
	c.mu.Lock()
	c.polls = append(c.polls, call{class, c.clock.Mono()})
	c.mu.Unlock()
	if c.poll != nil {
		return c.poll(ctx, class, yield)
	}
	yield(c.good(0, 1))
	return nil
}

func (c *fakeConn) good(index uint32, bits uint64) *drivers.Block {
	return &drivers.Block{Time: c.clock.Mono(), Readings: []drivers.Reading{{Index: index, Bits: bits}}}
}

func (c *fakeConn) calls() []call {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.polls)
}

func (c *fakeConn) Close() error {
	if c.closer != nil {
		c.closer()
	}
	c.once.Do(func() { close(c.closed) })
	return nil
}

// fakeSubscriber reports by itself.
type fakeSubscriber struct {
	*fakeConn
	run func(ctx context.Context, yield func(*drivers.Block)) error
}

func (s *fakeSubscriber) Subscribe(ctx context.Context, yield func(*drivers.Block)) error {
	return s.run(ctx, yield)
}

// fakeAcknowledger wants to know what is durable.
type fakeAcknowledger struct {
	*fakeConn
	ack func(point.Cursor) error
}

func (a *fakeAcknowledger) Acknowledge(_ context.Context, c point.Cursor) error { return a.ack(c) }

// seen is a change of state.
type seen struct {
	at    int64
	state State
	cause string
}

type fakeObserver struct {
	mu    sync.Mutex
	clock bubbleClock
	list  []seen
}

func (o *fakeObserver) DeviceChanged(_ point.ID, s Status) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.list = append(o.list, seen{o.clock.Mono(), s.State, s.Cause})
}

func (o *fakeObserver) states() (out []State) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, s := range o.list {
		out = append(out, s.state)
	}
	return out
}

// rig is a worker with fakes around it, in a synctest bubble.
type rig struct {
	clock    bubbleClock
	source   *fakeSource
	batcher  *fakeBatcher
	observer *fakeObserver
	worker   *Worker
	stop     context.CancelFunc
	ended    chan struct{}
}

var errCable = errors.New("the cable is cut")

func start(t *testing.T, table []point.Point, classes []drivers.ScanClass, open func(r *rig, n int) (drivers.Conn, error)) *rig {
	t.Helper()
	c := bubbleClock{time.Now()}
	r := &rig{clock: c, batcher: &fakeBatcher{clock: c}, observer: &fakeObserver{clock: c}, ended: make(chan struct{})}
	r.source = &fakeSource{clock: c, open: func(n int) (drivers.Conn, error) { return open(r, n) }}
	indices := make([]uint32, len(table))
	for i := range indices {
		indices[i] = uint32(i)
	}
	r.worker = New(Options{Device: "plc", Source: r.source, Classes: classes, Filter: filter.New(table, indices, nil), Batcher: r.batcher, Clock: c, Observer: r.observer})
	ctx, stop := context.WithCancel(t.Context())
	r.stop = stop
	go func() {
		defer close(r.ended)
		if err := r.worker.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	t.Cleanup(r.halt)
	return r
}

// halt stops the worker and waits for it.
func (r *rig) halt() {
	r.stop()
	<-r.ended
}

func statePoint(name point.Name) point.Point {
	return point.Point{Device: "plc", Name: name, Type: point.Int, Class: point.State, Lane: point.Telemetry}
}

func counterPoint(name point.Name) point.Point {
	return point.Point{Device: "plc", Name: name, Type: point.Int, Class: point.Counter, Lane: point.Critical, Bits: 16, MaxRate: 100}
}

var fast = []drivers.ScanClass{{Name: "fast", Period: 100 * time.Millisecond}}

// pass lets d go by, and what became due then come to rest.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
