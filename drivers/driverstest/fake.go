package driverstest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/sync/point"
)

// Fake is a device and its driver in one, without a network: for tests of what stands on drivers.
// It is safe for concurrent use.
//
// Its options are timeout (500ms by default) and subscribe (false); a source has slot, the position of its
// first point's value.
type Fake struct {
	mu       sync.Mutex
	values   []uint64
	quality  []point.Quality
	trouble  Trouble
	away     bool
	changed  chan struct{} // closed and renewed with each change
	lives    int           // rises with each Stop, which ends the connections made before
	polls    int
	opened   int
	acks     []point.Cursor
	openFail error
}

// NewFake returns a device of n slots, all 0 and good.
func NewFake(n int) *Fake {
	return &Fake{values: make([]uint64, n), quality: make([]point.Quality, n), changed: make(chan struct{})}
}

// Set changes slots from first on.
func (f *Fake) Set(first int, values ...uint64) {
	f.change(func() { copy(f.values[first:], values) })
}

// SetQuality changes the quality of a slot.
func (f *Fake) SetQuality(slot int, q point.Quality) { f.change(func() { f.quality[slot] = q }) }

// Inject makes the device misbehave until the next call. It knows Slow, Silent, HangUp, HalfClose and RefuseSome.
func (f *Fake) Inject(t Trouble) bool {
	if !slices.Contains([]Trouble{None, Slow, Silent, HangUp, HalfClose, RefuseSome}, t) {
		return false
	}
	f.change(func() { f.trouble = t })
	return true
}

// FailOpen makes Open return err until it is called with nil.
func (f *Fake) FailOpen(err error) { f.change(func() { f.openFail = err }) }

// Stop makes the device go away with its connections.
func (f *Fake) Stop() { f.change(func() { f.away, f.lives = true, f.lives+1 }) }

// Restart brings the device back.
func (f *Fake) Restart() { f.change(func() { f.away = false }) }

// Polls returns how many polls there were, Opens how many connections.
func (f *Fake) Polls() int { f.mu.Lock(); defer f.mu.Unlock(); return f.polls }

// Opens returns how many connections were opened.
func (f *Fake) Opens() int { f.mu.Lock(); defer f.mu.Unlock(); return f.opened }

// Acknowledged returns the cursors that the device was told to be durable, in order.
func (f *Fake) Acknowledged() []point.Cursor {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.acks)
}

func (f *Fake) change(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do()
	close(f.changed)
	f.changed = make(chan struct{})
}

// Prepare implements drivers.Driver.
func (f *Fake) Prepare(d drivers.Device) (drivers.Source, error) {
	options := struct {
		Timeout   time.Duration `yaml:"timeout"`
		Subscribe bool          `yaml:"subscribe"`
	}{Timeout: 500 * time.Millisecond}
	errs := []error{d.Options.Decode(&options)}
	s := &fakeSource{fake: f, device: d, timeout: options.Timeout, subscribe: options.Subscribe, classes: make([][]fakeItem, len(d.Classes))}
	for _, g := range d.Groups {
		var source struct {
			Slot int `yaml:"slot"`
		}
		errs = append(errs, g.Options.Decode(&source))
		if source.Slot < 0 || source.Slot+len(g.Targets) > len(f.values) {
			errs = append(errs, g.Options.Fault("slot", "slots %d to %d are not there; the device has %d", source.Slot, source.Slot+len(g.Targets)-1, len(f.values)))
		}
		for n, t := range g.Targets {
			s.classes[g.Class] = append(s.classes[g.Class], fakeItem{t.Index, source.Slot + n})
		}
	}
	return s, errors.Join(errs...)
}

type fakeItem struct {
	index uint32
	slot  int
}

type fakeSource struct {
	fake      *Fake
	device    drivers.Device
	timeout   time.Duration
	subscribe bool
	classes   [][]fakeItem
}

// Open implements drivers.Source.
func (s *fakeSource) Open(ctx context.Context) (drivers.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, &drivers.Error{Op: "connect", Err: err}
	}
	s.fake.mu.Lock()
	defer s.fake.mu.Unlock()
	if s.fake.openFail != nil {
		return nil, s.fake.openFail
	}
	if s.fake.away {
		return nil, &drivers.Error{Op: "connect", Err: errors.New("the device is away")}
	}
	s.fake.opened++
	c := &fakeConn{source: s, life: s.fake.lives, closed: make(chan struct{})}
	if s.subscribe {
		return &fakeSubscriber{c}, nil
	}
	return c, nil
}

type fakeConn struct {
	source *fakeSource
	life   int
	block  drivers.Block
	once   sync.Once
	closed chan struct{}
}

// Close implements drivers.Conn.
func (c *fakeConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return nil
}

// Acknowledge implements drivers.Acknowledger.
func (c *fakeConn) Acknowledge(ctx context.Context, cursor point.Cursor) error {
	c.source.fake.mu.Lock()
	defer c.source.fake.mu.Unlock()
	c.source.fake.acks = append(c.source.fake.acks, cursor)
	return ctx.Err()
}

// Poll implements drivers.Conn.
func (c *fakeConn) Poll(ctx context.Context, class int, yield func(*drivers.Block)) error {
	f := c.source.fake
	f.mu.Lock()
	f.polls++
	f.mu.Unlock()
	return c.answer(ctx, c.source.classes[class], yield)
}

// answer reads items once.
func (c *fakeConn) answer(ctx context.Context, items []fakeItem, yield func(*drivers.Block)) error {
	f := c.source.fake
	limit := time.NewTimer(c.source.timeout)
	defer limit.Stop()
	for {
		f.mu.Lock()
		trouble, changed, life, away := f.trouble, f.changed, f.lives, f.away
		f.mu.Unlock()
		select {
		case <-c.closed:
			return &drivers.Error{Op: "read", Err: errors.New("the connection is closed")}
		default:
		}
		switch {
		case ctx.Err() != nil:
			return &drivers.Error{Op: "read", Err: ctx.Err()}
		case life != c.life, away, trouble == HangUp, trouble == HalfClose:
			return &drivers.Error{Op: "read", Err: fmt.Errorf("the device closed the connection (%v)", trouble)}
		case trouble == Silent:
			select {
			case <-limit.C:
				return &drivers.Error{Op: "read", Err: context.DeadlineExceeded}
			case <-ctx.Done():
			case <-c.closed:
			case <-changed:
			}
			continue
		case trouble == Slow:
			select {
			case <-time.After(20 * time.Millisecond):
			case <-ctx.Done():
			case <-c.closed:
			}
		}
		c.yield(items, trouble, yield)
		return nil
	}
}

func (c *fakeConn) yield(items []fakeItem, trouble Trouble, yield func(*drivers.Block)) {
	f := c.source.fake
	f.mu.Lock()
	c.block.Reset(c.source.device.Clock.Mono())
	for _, i := range items {
		r := drivers.Reading{Index: i.index, Quality: f.quality[i.slot], Bits: f.values[i.slot]}
		if trouble == RefuseSome && i.slot >= len(f.values)/2 {
			r = drivers.Reading{Index: i.index, Quality: point.BadNodeIDUnknown}
		}
		c.block.Readings = append(c.block.Readings, r)
	}
	f.mu.Unlock()
	if len(items) > 0 {
		yield(&c.block)
	}
}

// fakeSubscriber reports all points at each change of the device.
type fakeSubscriber struct{ *fakeConn }

// Subscribe implements drivers.Subscriber.
func (c *fakeSubscriber) Subscribe(ctx context.Context, yield func(*drivers.Block)) error {
	f := c.source.fake
	items := slices.Concat(c.source.classes...)
	for {
		f.mu.Lock()
		changed := f.changed
		f.mu.Unlock()
		if err := c.answer(ctx, items, yield); ctx.Err() != nil {
			return nil
		} else if err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		case <-c.closed:
			return &drivers.Error{Op: "read", Err: errors.New("the connection is closed")}
		}
	}
}

var (
	_ drivers.Driver       = (*Fake)(nil)
	_ drivers.Acknowledger = (*fakeConn)(nil)
	_ drivers.Subscriber   = (*fakeSubscriber)(nil)
)
