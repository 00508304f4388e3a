package driverstest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/courtside-edge/courtside/drivers"
)

// session reads a connection as a worker would, by subscribing where the driver can and by polling all
// classes over and over where not, and keeps what it says about each point.
type session struct {
	rig  *rig
	conn drivers.Conn
	stop context.CancelFunc
	done chan struct{}
	err  error // valid once done is closed

	mu      sync.Mutex
	latest  []drivers.Reading
	seen    []bool
	wrong   error         // the first thing that must never happen
	changed chan struct{} // closed and renewed with each block
}

func (r *rig) begin(conn drivers.Conn) *session {
	ctx, cancel := context.WithCancel(context.Background())
	s := &session{rig: r, conn: conn, stop: cancel, done: make(chan struct{}),
		latest: make([]drivers.Reading, len(r.points)), seen: make([]bool, len(r.points)), changed: make(chan struct{})}
	go func() {
		defer close(s.done)
		s.err = s.read(ctx)
	}()
	r.t.Cleanup(func() { s.end() })
	return s
}

func (s *session) read(ctx context.Context) error {
	if sub, ok := s.conn.(drivers.Subscriber); ok {
		return sub.Subscribe(ctx, func(b *drivers.Block) { s.take(b, 0, 0) })
	}
	for {
		for class := range s.rig.classes {
			since, start := s.rig.settled(), s.rig.clock.Mono()
			if err := s.conn.Poll(ctx, class, func(b *drivers.Block) { s.take(b, since, start) }); err != nil {
				if ctx.Err() != nil {
					return nil
				}
				return err
			}
		}
	}
}

// take checks a block and keeps it. Its values were read after start, when generation since was set.
func (s *session) take(b *drivers.Block, since int, start int64) {
	now, generation := s.rig.clock.Mono(), s.rig.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	fail := func(format string, args ...any) {
		if s.wrong == nil {
			s.wrong = fmt.Errorf(format, args...)
		}
	}
	if b.Time < start || b.Time > now {
		fail("a block is stamped %d, it was read between %d and %d", b.Time, start, now)
	}
	asked := b.Time
	if b.Asked != 0 {
		asked = b.Asked
	}
	if asked > b.Time {
		fail("a block was asked for at %d and came at %d", b.Asked, b.Time)
	}
	for _, r := range b.Readings {
		if int(r.Index) >= len(s.latest) {
			fail("a reading is of point %d, there are %d", r.Index, len(s.latest))
			continue
		}
		if r.Quality.IsGood() && !s.rig.possible(int(r.Index), uint16(r.Bits), r.Bits, since, generation) {
			fail("point %d reads %d, which it did not hold between generations %d and %d", r.Index, r.Bits, since, generation)
		}
		if start > 0 && r.Quality.IsGood() && s.rig.tooLate(int(r.Index), uint16(r.Bits), asked) {
			fail("point %d reads %d, which it did not hold any more when the block says that it was asked, at %d", r.Index, r.Bits, asked)
		}
		s.latest[r.Index], s.seen[r.Index] = r, true
	}
	close(s.changed)
	s.changed = make(chan struct{})
}

// possible reports whether a point had the value in a generation between two.
func (r *rig) possible(i int, v uint16, bits uint64, from, to int) bool {
	if bits > 0xFFFF {
		return false
	}
	for g := max(0, from); g <= to; g++ {
		if r.value(i, g) == v {
			return true
		}
	}
	return false
}

// until waits for a state of the points. It fails the test when the session ends before, or never gets there.
func (s *session) until(what string, is func(latest []drivers.Reading, seen []bool) bool) {
	s.rig.t.Helper()
	timeout := time.After(patience)
	for {
		s.mu.Lock()
		ok, wrong, changed := is(s.latest, s.seen), s.wrong, s.changed
		s.mu.Unlock()
		switch {
		case wrong != nil:
			s.rig.t.Fatal(wrong)
		case ok:
			return
		}
		select {
		case <-changed:
		case <-s.done:
			s.rig.t.Fatalf("waiting for %s: the connection ended: %v", what, s.err)
		case <-timeout:
			s.rig.t.Fatalf("waiting for %s: it did not happen in %v", what, patience)
		}
	}
}

// untilCurrent waits until every point holds the generation set last.
func (s *session) untilCurrent() {
	s.rig.t.Helper()
	generation := s.rig.now()
	s.until(fmt.Sprintf("generation %d of all points", generation), func(latest []drivers.Reading, seen []bool) bool {
		for i, r := range latest {
			if !seen[i] || !r.Quality.IsGood() || r.Bits != uint64(s.rig.value(i, generation)) {
				return false
			}
		}
		return true
	})
}

// untilTrouble waits until a point is bad or the session has ended, and returns its error.
func (s *session) untilTrouble() error {
	s.rig.t.Helper()
	timeout := time.After(patience)
	for {
		s.mu.Lock()
		changed := s.changed
		wrong, bad := s.wrong, false
		for i, r := range s.latest {
			bad = bad || s.seen[i] && r.Quality.IsBad()
		}
		s.mu.Unlock()
		if wrong != nil {
			s.rig.t.Fatal(wrong)
		}
		if bad {
			return nil
		}
		select {
		case <-changed:
		case <-s.done:
			return s.err
		case <-timeout:
			s.rig.t.Fatalf("the trouble did not show in %v", patience)
		}
	}
}

// untilEnd waits for the session to end by itself, and returns its error.
func (s *session) untilEnd() error {
	s.rig.t.Helper()
	select {
	case <-s.done:
		return s.err
	case <-time.After(patience):
		s.rig.t.Fatalf("the connection should have ended; it did not in %v", patience)
		return nil
	}
}

// end stops reading, closes the connection and checks that nothing wrong was read.
func (s *session) end() {
	s.rig.t.Helper()
	s.stop()
	select {
	case <-s.done:
	case <-time.After(patience):
		s.rig.t.Fatalf("the context ended; reading did not in %v", patience)
	}
	s.conn.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wrong != nil {
		s.rig.t.Error(s.wrong)
	}
}
