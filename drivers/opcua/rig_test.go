package opcua_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/drivers/devicetest/opcuaserver"
	"github.com/courtside-edge/courtside/drivers/driverstest"
	"github.com/courtside-edge/courtside/drivers/opcua"
	"github.com/courtside-edge/courtside/sync/point"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds what must happen; it asserts no speed.
const patience = 20 * time.Second

// entry is one entry of a point list: a point, or a range named name/1 and so on.
type entry struct {
	source string // YAML
	point  point.Point
	many   int // 0 for a single point
}

func single(node string, p point.Point) entry {
	return entry{source: fmt.Sprintf("node: %q", node), point: p}
}

// deviceOf describes a device; its points are indexed in order.
func deviceOf(options string, log *slog.Logger, entries ...entry) drivers.Device {
	d := drivers.Device{ID: "plc", Options: driverstest.Section("options", options), Clock: driverstest.Clock{Start: time.Now()}, Log: log,
		Classes: []drivers.ScanClass{{Name: "fast", Period: 20 * time.Millisecond}}}
	next := uint32(0)
	for n, e := range entries {
		g := drivers.Group{Options: driverstest.Section(fmt.Sprintf("source-%d", n), e.source)}
		for k := range max(e.many, 1) {
			p := e.point
			if p.Name == "" {
				p.Name = point.Name(fmt.Sprintf("p/%d", n))
			}
			if e.many > 0 {
				p.Name = point.Name(fmt.Sprintf("%s/%d", p.Name, k+1))
			}
			g.Targets = append(g.Targets, drivers.Target{Index: next, Point: &p})
			next++
		}
		d.Groups = append(d.Groups, g)
	}
	return d
}

// logs collects what a driver logs.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) count(s string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), s)
}

func (l *logs) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func startServer(t *testing.T, o opcuaserver.Options) *opcuaserver.Server {
	t.Helper()
	s := opcuaserver.New(o)
	if err := s.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// must declares a node and gives it a value.
func must(t *testing.T, s *opcuaserver.Server, id string, typ opcuaserver.Type, v any) {
	t.Helper()
	if err := errors.Join(s.Declare(id, typ), s.Set(id, v, time.Now())); err != nil {
		t.Fatal(err)
	}
}

func prepare(t *testing.T, d drivers.Device) drivers.Source {
	t.Helper()
	src, err := opcua.Driver{}.Prepare(d)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func open(t *testing.T, src drivers.Source) drivers.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := src.Open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// got is one reading with what belongs to it.
type got struct {
	drivers.Reading
	text   string
	source int64
}

// readings returns what a block holds.
func readings(d drivers.Device, b *drivers.Block) []got {
	types := map[uint32]point.Type{}
	for _, g := range d.Groups {
		for _, t := range g.Targets {
			types[t.Index] = t.Point.Type
		}
	}
	var all []got
	for i, r := range b.Readings {
		g := got{Reading: r, source: b.DeviceTimes[i]}
		if types[r.Index] == point.Text && !r.Quality.IsBad() {
			g.text = b.Texts[r.Bits]
			g.Bits = 0
		}
		all = append(all, g)
	}
	return all
}

// pollAll polls the only class once and returns the readings by index.
func pollAll(t *testing.T, d drivers.Device, c drivers.Conn) map[uint32]got {
	t.Helper()
	all := map[uint32]got{}
	if err := c.Poll(t.Context(), 0, func(b *drivers.Block) {
		for _, g := range readings(d, b) {
			all[g.Index] = g
		}
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// follower subscribes in the background.
type follower struct {
	t    *testing.T
	c    chan got
	stop context.CancelFunc
	done chan struct{}
	err  error
}

func follow(t *testing.T, d drivers.Device, c drivers.Conn) *follower {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	f := &follower{t: t, c: make(chan got, 100_000), stop: cancel, done: make(chan struct{})}
	go func() {
		defer close(f.done)
		f.err = c.(drivers.Subscriber).Subscribe(ctx, func(b *drivers.Block) {
			for _, g := range readings(d, b) {
				f.c <- g
			}
		})
	}()
	t.Cleanup(func() {
		cancel()
		<-f.done
	})
	return f
}

// until waits for a reading.
func (f *follower) until(what string, is func(got) bool) got {
	f.t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case g := <-f.c:
			if is(g) {
				return g
			}
		case <-f.done:
			f.t.Fatalf("waiting for %s: Subscribe ended: %v", what, f.err)
		case <-timeout:
			f.t.Fatalf("waiting for %s: it did not come", what)
		}
	}
}

func (f *follower) untilBits(index uint32, bits uint64) {
	f.t.Helper()
	f.until(fmt.Sprintf("point %d to be %d", index, bits), func(g got) bool { return g.Index == index && g.Bits == bits && g.Quality.IsGood() })
}

// end waits for Subscribe to end by itself.
func (f *follower) end() error {
	f.t.Helper()
	select {
	case <-f.done:
		return f.err
	case <-time.After(patience):
		f.t.Fatal("Subscribe should have ended")
		return nil
	}
}

func intPoint() point.Point {
	return point.Point{Type: point.Int, Kind: point.Generic, Class: point.State}
}
