//go:build hardware

package inside

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/drivers/driverstest"
	"github.com/courtside-edge/courtside/sync/point"
)

// patience is how long what must happen is waited for. It bounds a hang, and says nothing of speed.
const patience = 60 * time.Second

// gatewayUser is the user and group that a gateway has on a device.
const gatewayUser = 980

// clock is the gateway's: CLOCK_BOOTTIME.
type clock struct{}

func (clock) Mono() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		panic(err)
	}
	return t.Nano()
}

// group is the points of one source.
type group struct {
	point.Type
	point.Class
	n      int
	source string
}

func contact(source string) group { return group{point.Bool, point.State, 1, source} }
func counter(source string) group { return group{point.Int, point.Counter, 1, source} }

// device describes points by their sources, in order.
func device(t testing.TB, options string, groups ...group) drivers.Device {
	d := drivers.Device{ID: "board", Options: driverstest.Section("options", "{"+options+"}"), Clock: clock{}, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Classes: []drivers.ScanClass{{Name: "fast", Period: time.Second}}, Cursor: func(point.Name) ([]byte, bool) { return nil, false }}
	for i, of := range groups {
		g := drivers.Group{Options: driverstest.Section(fmt.Sprintf("source-%d", i), "{"+of.source+"}")}
		for n := range of.n {
			p := &point.Point{Device: "board", Name: point.Name(fmt.Sprintf("p/%d/%d", i, n)), Type: of.Type, Class: of.Class}
			if of.Class == point.Counter {
				p.Bits = 64
			}
			g.Targets = append(g.Targets, drivers.Target{Index: uint32(points(d) + n), Point: p})
		}
		d.Groups = append(d.Groups, g)
	}
	return d
}

// told is a reading with the time of its block.
type told struct {
	at int64
	drivers.Reading
	deviceTime int64
}

// follower subscribes to a device and keeps what it is told.
type follower struct {
	t    *testing.T
	conn drivers.Conn
	stop context.CancelFunc
	done chan error

	mu      sync.Mutex
	last    map[uint32]told
	all     []told
	gaps    []drivers.Gap
	changed chan struct{}
	held    chan struct{} // yields wait for its end; nil to wait for nothing
	ended   bool
	err     error
}

func open(t *testing.T, driver drivers.Driver, d drivers.Device) (drivers.Conn, error) {
	t.Helper()
	source, err := driver.Prepare(d)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := source.Open(t.Context())
	if err == nil {
		t.Cleanup(func() { conn.Close() })
	}
	return conn, err
}

func follow(t *testing.T, driver drivers.Driver, d drivers.Device) *follower {
	t.Helper()
	conn, err := open(t, driver, d)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	f := &follower{t: t, conn: conn, stop: stop, done: make(chan error, 1), last: make(map[uint32]told), changed: make(chan struct{})}
	go func() {
		err := conn.(drivers.Subscriber).Subscribe(ctx, f.take)
		f.change(func() { f.ended, f.err = true, err })
		f.done <- err
	}()
	t.Cleanup(func() {
		stop()
		<-f.done
	})
	f.wait("the present value of every point", func() bool { return len(f.last) == points(d) })
	return f
}

func points(d drivers.Device) (n int) {
	for _, g := range d.Groups {
		n += len(g.Targets)
	}
	return n
}

func (f *follower) take(b *drivers.Block) {
	var held chan struct{}
	f.change(func() {
		for i, r := range b.Readings {
			x := told{at: b.Time, Reading: r}
			if len(b.DeviceTimes) > 0 {
				x.deviceTime = b.DeviceTimes[i]
			}
			f.last[r.Index] = x
			f.all = append(f.all, x)
		}
		f.gaps = append(f.gaps, b.Gaps...)
		held = f.held
	})
	if held != nil {
		<-held
	}
}

// hold makes whoever takes the next block keep it until release is called. It is called for good at the end of the test.
func (f *follower) hold() (release func()) {
	held := make(chan struct{})
	f.change(func() { f.held = held })
	release = sync.OnceFunc(func() {
		f.change(func() { f.held = nil })
		close(held)
	})
	f.t.Cleanup(release)
	return release
}

// told returns how many readings of a point there were.
func (f *follower) told(index uint32) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, x := range f.all {
		if x.Index == index {
			n++
		}
	}
	return n
}

func (f *follower) change(what func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	what()
	close(f.changed)
	f.changed = make(chan struct{})
}

// wait waits until holds, which it calls with f locked.
func (f *follower) wait(what string, holds func() bool) {
	f.t.Helper()
	limit := time.After(patience)
	for {
		f.mu.Lock()
		ok, changed := holds(), f.changed
		ended, err := f.ended, f.err
		f.mu.Unlock()
		switch {
		case ok:
			return
		case ended:
			f.t.Fatalf("waited for %s; the subscription ended: %v", what, err)
		}
		select {
		case <-changed:
		case <-limit:
			f.mu.Lock()
			defer f.mu.Unlock()
			f.t.Fatalf("waited %v for %s; last %v, gaps %v", patience, what, f.last, f.gaps)
		}
	}
}

// bits returns the last value of a point.
func (f *follower) bits(index uint32) uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last[index].Bits
}

// settled returns how far counters have gone on from their starts once they have not moved for a while.
func (f *follower) settled(starts []uint64) []uint64 {
	counts := func() (all []uint64) {
		for n, s := range starts {
			all = append(all, f.bits(uint32(n))-s)
		}
		return all
	}
	before := counts()
	for still := 0; still < 4; {
		time.Sleep(200 * time.Millisecond)
		now := counts()
		still++
		for n := range now {
			if now[n] != before[n] {
				still = 0
			}
		}
		before = now
	}
	return before
}
