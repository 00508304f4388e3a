package driverstest

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/sync/point"
)

// patience is how long the suite waits for what must happen. It is a bound against hanging, not a speed.
const patience = 30 * time.Second

// Clock is a gateway's clock for a test: it begins at Start.
type Clock struct{ Start time.Time }

// Mono returns ns since a little before Start, so that no reading is of time 0.
func (c Clock) Mono() int64 { return int64(time.Since(c.Start)) + 1 }

// rig is one device and the driver's source for it.
type rig struct {
	t       *testing.T
	harness Harness
	device  Device
	clock   Clock
	points  []*point.Point
	source  drivers.Source

	classes int
	mask    uint16 // the bits of a value that the device can hold

	mu         sync.Mutex
	generation int     // of values, rises before each Set
	reached    int     // rises after it
	ended      []int64 // by generation: when the device had forgotten its values
}

// newRig starts a device of n points. classes deals the points' groups out to that many scan classes.
func newRig(t *testing.T, h Harness, n, classes int, timeout time.Duration) *rig {
	t.Helper()
	mask, of := uint16(0xFFFF), point.Int
	if narrow, ok := h.(Narrow); ok {
		var most int
		most, mask, of = narrow.Limits()
		n = min(n, most)
	}
	r := &rig{t: t, harness: h, device: h.Start(t, n), clock: Clock{time.Now()}, classes: classes, mask: mask}
	for i := range n {
		r.points = append(r.points, &point.Point{Device: "device-1", Name: point.Name(fmt.Sprintf("p/%d", i)), Type: of,
			Kind: point.Generic, Class: point.State, Lane: point.Telemetry})
	}
	r.set()
	source, err := h.Driver().Prepare(r.config(classes, timeout, "", ""))
	if err != nil {
		t.Fatalf("preparing the device: %v", err)
	}
	r.source = source
	return r
}

// config returns what the driver gets to know, with more text added to the options and to each source.
func (r *rig) config(classes int, timeout time.Duration, more, moreSource string) drivers.Device {
	d := drivers.Device{ID: "device-1", Options: Section("options", r.device.Options(timeout)+"\n"+more), Clock: r.clock, Log: slog.New(slog.DiscardHandler)}
	for n := range classes {
		d.Classes = append(d.Classes, drivers.ScanClass{Name: fmt.Sprintf("class-%d", n), Period: 100 * time.Millisecond})
	}
	next := 0
	for n, s := range r.device.Sources() {
		g := drivers.Group{Options: Section(fmt.Sprintf("source-%d", n), s.Options+"\n"+moreSource), Class: n % classes}
		for range s.Points {
			g.Targets = append(g.Targets, drivers.Target{Index: uint32(next), Point: r.points[next]})
			next++
		}
		d.Groups = append(d.Groups, g)
	}
	if next != len(r.points) {
		r.t.Fatalf("the harness gives %d points, %d were asked for", next, len(r.points))
	}
	return d
}

// value returns what point i holds in a generation; no two neighbours and generations share one.
func (r *rig) value(i, generation int) uint16 { return uint16(1+i*31+generation*7919) & r.mask }

// set gives all points new values.
func (r *rig) set() {
	r.mu.Lock()
	r.generation++
	generation := r.generation
	r.mu.Unlock()
	values := make([]uint16, len(r.points))
	for i := range values {
		values[i] = r.value(i, generation)
	}
	r.device.Set(values)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reached = generation
	for now := r.clock.Mono(); len(r.ended) < generation; {
		r.ended = append(r.ended, now)
	}
}

// tooLate reports whether point i cannot have had value v at monotonic time asked or later.
func (r *rig) tooLate(i int, v uint16, asked int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for g := r.generation; g >= len(r.ended); g-- {
		if r.value(i, g) == v {
			return false
		}
	}
	for g, end := range slices.Backward(r.ended) {
		if r.value(i, g) == v {
			return asked > end
		}
	}
	return false // possible judges it
}

// now returns the generation that was set last.
func (r *rig) now() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.generation
}

// settled returns the generation that every point has reached.
func (r *rig) settled() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reached
}

// open connects, or fails the test.
func (r *rig) open() drivers.Conn {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	c, err := r.source.Open(ctx)
	if err != nil {
		r.t.Fatalf("opening a connection: %v", err)
	}
	r.t.Cleanup(func() { c.Close() })
	return c
}

// reopen tries to connect until it works: a device that comes back takes a moment.
func (r *rig) reopen() drivers.Conn {
	r.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		c, err := r.source.Open(r.t.Context())
		if err == nil {
			r.t.Cleanup(func() { c.Close() })
			return c
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("the device is back, but opening a connection says: %v", err)
		}
		time.Sleep(10 * time.Millisecond) // between attempts, as a worker would
	}
}

// inject makes the device misbehave, or skips the test when it cannot.
func (r *rig) inject(f Trouble) {
	r.t.Helper()
	if !r.device.Inject(f) {
		r.t.Skipf("this device cannot be made to: %v", f)
	}
}
