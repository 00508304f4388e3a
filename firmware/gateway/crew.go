package gateway

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/firmware/config"
	"github.com/courtside-edge/courtside/firmware/filter"
	"github.com/courtside-edge/courtside/firmware/scan"
	"github.com/courtside-edge/courtside/sync/point"
)

// crew is the workers, one a device. It starts and stops them, and waits for them.
type crew struct {
	mu      sync.Mutex
	ctx     context.Context // of all workers; nil before launch
	members []*member       // in the configuration's order
	running sync.WaitGroup
}

// member is one device's worker.
type member struct {
	named  []uint32 // the positions that the device's readings name; those of the table at its start
	place  sync.RWMutex
	device *config.Device // as the configuration in force has it; changes with the table
	points []point.Point  // the table that device.Own refers to
	source drivers.Source
	worker *scan.Worker
	stop   context.CancelFunc // nil before it runs
	done   chan struct{}
}

// enlist makes the worker of a device, which does nothing yet. table is what its positions refer to.
func (g *Gateway) enlist(d *config.Device, table []point.Point) (*member, error) {
	cursors := g.keeper.Cursors(d.ID)
	d.Cursor = cursors
	source, err := d.Prepare(g.clock, g.log)
	if err != nil {
		return nil, fmt.Errorf("preparing device %s: %w", d.ID, err)
	}
	w := scan.New(scan.Options{Device: d.ID, Source: source, Classes: d.Classes, Filter: filter.New(table, d.Own, cursors),
		Batcher: g.batcher, Clock: g.clock, Log: g.log.With("device", d.ID)})
	return &member{named: d.Own, points: table, device: d, source: source, worker: w, done: make(chan struct{})}, nil
}

// described returns the device as the configuration in force has it.
func (m *member) described() *config.Device {
	m.place.RLock()
	defer m.place.RUnlock()
	return m.device
}

// table returns the table that the member's points stand in now.
func (m *member) table() []point.Point {
	m.place.RLock()
	defer m.place.RUnlock()
	return m.points
}

// positions returns where in the table the points stand that readings name.
func (m *member) positions() map[uint32]uint32 {
	m.place.RLock()
	defer m.place.RUnlock()
	at := make(map[uint32]uint32, len(m.named))
	for k, named := range m.named {
		at[named] = m.device.Own[k]
	}
	return at
}

// list returns the members now. It is safe for concurrent use, as all of crew is.
func (c *crew) list() []*member {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.members)
}

// find returns a device's member, or nil.
func (c *crew) find(device point.ID) *member {
	for _, m := range c.list() {
		if m.described().ID == device {
			return m
		}
	}
	return nil
}

// launch runs every member until ctx ends, and those that join later.
func (c *crew) launch(ctx context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ctx = ctx
	for _, m := range c.members {
		c.run(m)
	}
}

// run starts a member. The caller holds mu.
func (c *crew) run(m *member) {
	if c.ctx == nil || m.stop != nil {
		return
	}
	ctx, stop := context.WithCancel(c.ctx)
	m.stop = stop
	c.running.Go(func() {
		defer close(m.done)
		defer stop()
		_ = m.worker.Run(ctx) // always nil
	})
}

// end stops a member and waits for it.
func (m *member) end() {
	if m.stop == nil {
		return
	}
	m.stop()
	<-m.done
}

// become makes members the crew, and runs those that do not run yet.
func (c *crew) become(members []*member) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.members = members
	for _, m := range members {
		c.run(m)
	}
}

// wait returns when every member has ended; the context given to launch has.
func (c *crew) wait() { c.running.Wait() }
