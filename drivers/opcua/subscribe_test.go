package opcua_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gopcua/opcua/ua"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/drivers/devicetest/opcuaserver"
	"github.com/courtside-edge/courtside/sync/point"
)

const (
	nodeA = "ns=1;s=a"
	nodeB = "ns=1;s=b"
)

// two returns a server with the nodes a = 1 and b = 2 and a device that has both as points 0 and 1.
func two(t *testing.T, options string, l *logs) (*opcuaserver.Server, drivers.Device) {
	t.Helper()
	return twoKeptAlive(t, 100, options, l)
}

// twoKeptAlive is two with a keep-alive every count × 20 ms.
func twoKeptAlive(t *testing.T, count int, options string, l *logs) (*opcuaserver.Server, drivers.Device) {
	t.Helper()
	s := startServer(t, opcuaserver.Options{})
	must(t, s, nodeA, opcuaserver.Int32, 1)
	must(t, s, nodeB, opcuaserver.Int32, 2)
	options = "endpoint: " + s.Endpoint() + fmt.Sprintf("\npublish_interval: 20ms\nkeep_alive_count: %d\n", count) + options
	return s, deviceOf(options, l.logger(), single(nodeA, intPoint()), single(nodeB, intPoint()))
}

func set(t *testing.T, s *opcuaserver.Server, id string, v any) {
	t.Helper()
	if err := s.Set(id, v, time.Now()); err != nil {
		t.Fatal(err)
	}
}

// wantTransient fails unless err is an error that may pass by itself.
func wantTransient(t *testing.T, err error) {
	t.Helper()
	if err == nil || drivers.IsPermanent(err) {
		t.Errorf("error %v: a transient one is wanted", err)
	}
}

func TestSessionKilled(t *testing.T) {
	for _, mode := range []string{"poll", "subscribe"} {
		t.Run(mode, func(t *testing.T) {
			var l logs
			s, d := two(t, "mode: "+mode, &l)
			src := prepare(t, d)
			c := open(t, src)
			if mode == "poll" {
				pollAll(t, d, c)
				s.KillSessions()
				wantTransient(t, c.Poll(t.Context(), 0, func(*drivers.Block) {}))
			} else {
				f := follow(t, d, c)
				f.untilBits(1, 2)
				s.KillSessions()
				wantTransient(t, f.end())
			}
			c.Close()
			set(t, s, nodeA, 11)
			c = open(t, src)
			if mode == "poll" {
				if g := pollAll(t, d, c); g[0].Bits != 11 {
					t.Errorf("after a new session a = %d", g[0].Bits)
				}
				return
			}
			follow(t, d, c).untilBits(0, 11)
		})
	}
}

func TestNodeVanishesAndReturns(t *testing.T) {
	var l logs
	s, d := two(t, "resync: 100ms", &l)
	f := follow(t, d, open(t, prepare(t, d)))
	f.untilBits(0, 1)
	s.Remove(nodeA)
	f.until("a to be unknown", func(g got) bool { return g.Index == 0 && g.Quality == point.BadNodeIDUnknown })
	set(t, s, nodeB, 22)
	f.untilBits(1, 22)
	must(t, s, nodeA, opcuaserver.Int32, 111)
	f.untilBits(0, 111)
	set(t, s, nodeA, 112)
	f.untilBits(0, 112)
}

func TestNodeThatComesLater(t *testing.T) {
	var l logs
	s, d := two(t, "resync: 100ms", &l)
	s.Remove(nodeA)
	f := follow(t, d, open(t, prepare(t, d)))
	f.until("a to be unknown", func(g got) bool { return g.Index == 0 && g.Quality == point.BadNodeIDUnknown })
	f.untilBits(1, 2)
	must(t, s, nodeA, opcuaserver.Int32, 7)
	f.untilBits(0, 7)
}

func TestStatusChangeEndsSubscribe(t *testing.T) {
	var l logs
	s, d := two(t, "", &l)
	f := follow(t, d, open(t, prepare(t, d)))
	for range 2 { // read, and reported
		f.untilBits(1, 2)
	}
	s.EndSubscriptions()
	err := f.end()
	wantTransient(t, err)
	if !errors.Is(err, ua.StatusBadTimeout) {
		t.Errorf("the server's reason is lost: %v", err)
	}
}

// A server whose keep-alives come and whose changes do not: the state that "connected" hides.
func TestDeafSubscription(t *testing.T) {
	var l logs
	s, d := twoKeptAlive(t, 25, "resync: 100ms", &l)
	f := follow(t, d, open(t, prepare(t, d)))
	f.untilBits(0, 1)
	f.untilBits(1, 2)
	f.until("the monitored item's first value", func(g got) bool { return g.Index == 1 })
	s.Behave(opcuaserver.Mute)
	set(t, s, nodeA, 5)
	f.untilBits(0, 5) // healed by a resync
	set(t, s, nodeA, 6)
	err := f.end()
	wantTransient(t, err)
	if err == nil || !strings.Contains(err.Error(), "does not report") {
		t.Errorf("a deaf subscription ended with %v", err)
	}
	if l.count("without a report") == 0 {
		t.Error("what was missed is not logged")
	}
}

func TestLostMessageIsRepublished(t *testing.T) {
	for name, how := range map[string]struct {
		refused bool
		then    opcuaserver.Manner
	}{"kept": {false, opcuaserver.Well}, "refused": {true, opcuaserver.Well}, "forgotten": {false, opcuaserver.Forgetful}} {
		t.Run(name, func(t *testing.T) {
			var l logs
			s, d := two(t, "", &l)
			f := follow(t, d, open(t, prepare(t, d)))
			for range 2 { // read, and reported
				f.until("a", func(g got) bool { return g.Index == 0 })
			}
			s.Refuse("Republish", how.refused)
			s.Behave(opcuaserver.Skip)
			set(t, s, nodeA, 5) // this message is lost
			waitFor(t, func() bool { return s.Counts().Skipped == 1 })
			s.Behave(how.then)
			set(t, s, nodeB, 6)
			f.untilBits(0, 5)
			f.untilBits(1, 6)
			if s.Counts().Republishes == 0 && !how.refused {
				t.Error("the lost message was not asked for")
			}
			if l.count("missing") != 1 {
				t.Errorf("a lost message is logged %d times", l.count("missing"))
			}
		})
	}
}

func waitFor(t *testing.T, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it did not happen")
		}
	}
}

func TestServerRestart(t *testing.T) {
	var l logs
	s, d := two(t, "", &l)
	src := prepare(t, d)
	c := open(t, src)
	f := follow(t, d, c)
	f.untilBits(0, 1)
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	wantTransient(t, f.end())
	c.Close()
	set(t, s, nodeA, 3)
	follow(t, d, open(t, src)).untilBits(0, 3)
}

func TestStalledServerIsNoticed(t *testing.T) {
	var l logs
	s, d := twoKeptAlive(t, 10, "resync: 1h\ntimeout: 1m", &l) // nothing but the silence can tell
	f := follow(t, d, open(t, prepare(t, d)))
	for range 2 { // read, and reported
		f.untilBits(1, 2)
	}
	s.Stall(true)
	defer s.Stall(false)
	err := f.end()
	wantTransient(t, err)
	if err == nil || !strings.Contains(err.Error(), "silent") {
		t.Errorf("a stalled server ended Subscribe with %v", err)
	}
}

// However readings, reports and resyncs interleave, no older value comes after a newer one: a counter that goes back would begin a run.
func TestNoValueGoesBack(t *testing.T) {
	var l logs
	s, d := two(t, "resync: 100ms\nqueue_size: 1000", &l)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	set(t, s, nodeA, 0)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 1; ctx.Err() == nil; i++ {
			if err := s.Set(nodeA, i, time.Now()); err != nil {
				t.Error(err)
				return
			}
			time.Sleep(500 * time.Microsecond)
		}
	}()
	f := follow(t, d, open(t, prepare(t, d)))
	last := uint64(0)
	for ctx.Err() == nil {
		g := f.until("a", func(g got) bool { return g.Index == 0 })
		if g.Bits < last {
			t.Fatalf("%d came after %d", g.Bits, last)
		}
		last = g.Bits
	}
	<-done
}

func TestSubscribeOnce(t *testing.T) {
	var l logs
	_, d := two(t, "", &l)
	c := open(t, prepare(t, d))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.(drivers.Subscriber).Subscribe(ctx, func(*drivers.Block) {}); err != nil {
		t.Errorf("Subscribe under an ended context: %v", err)
	}
	if err := c.(drivers.Subscriber).Subscribe(t.Context(), func(*drivers.Block) {}); err == nil {
		t.Error("a second Subscribe on one connection was accepted")
	}
}
