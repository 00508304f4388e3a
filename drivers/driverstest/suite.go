package driverstest

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/courtside-edge/courtside/drivers"
)

// The timeouts that devices of the suite are given.
const (
	long  = 10 * time.Second       // where nothing is to time out
	short = 100 * time.Millisecond // where something is
)

// Run runs the whole suite for the harness's driver.
func Run(t *testing.T, h Harness) {
	ignore := goleak.IgnoreCurrent()
	for _, test := range []struct {
		name string
		run  func(*testing.T, Harness)
	}{
		{"ReadsEveryPoint", testReadsEveryPoint},
		{"EachPointOnceAPoll", testEachPointOnceAPoll},
		{"ClassesAreApart", testClassesAreApart},
		{"TenThousandPoints", testTenThousandPoints},
		{"Troubles", testTroubles},
		{"RefusesSome", testRefusesSome},
		{"Restart", testRestart},
		{"AbsentDevice", testAbsentDevice},
		{"Cancel", testCancel},
		{"Close", testClose},
		{"RefusesWrongKeys", testRefusesWrongKeys},
		{"PreparesWithoutDevice", testPreparesWithoutDevice},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, h) })
	}
	goleak.VerifyNone(t, ignore)
}

func testReadsEveryPoint(t *testing.T, h Harness) {
	r := newRig(t, h, 300, 1, long)
	s := r.begin(r.open())
	s.untilCurrent()
	for range 3 {
		r.set()
		s.untilCurrent()
	}
	s.end()
	if s.err != nil {
		t.Errorf("the context ended; reading says: %v", s.err)
	}
}

func testEachPointOnceAPoll(t *testing.T, h Harness) {
	r := newRig(t, h, 300, 1, long)
	c := r.open()
	if _, ok := c.(drivers.Subscriber); ok {
		t.Skip("the device reports by itself")
	}
	for range 3 {
		times := make([]int, len(r.points))
		err := c.Poll(t.Context(), 0, func(b *drivers.Block) {
			if len(b.Readings) == 0 {
				t.Error("a block without readings")
			}
			for _, reading := range b.Readings {
				times[reading.Index]++
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		for i, n := range times {
			if n != 1 {
				t.Fatalf("point %d was read %d times in one poll", i, n)
			}
		}
	}
}

func testClassesAreApart(t *testing.T, h Harness) {
	r := newRig(t, h, 300, 2, long)
	if len(r.device.Sources()) < 2 {
		t.Fatal("the harness has to make several sources of 300 points")
	}
	c := r.open()
	if _, ok := c.(drivers.Subscriber); ok {
		t.Skip("the device reports by itself")
	}
	class := map[uint32]int{}
	for n, g := range r.config(2, long, "", "").Groups {
		for _, target := range g.Targets {
			class[target.Index] = n % 2
		}
	}
	for n := range 2 {
		err := c.Poll(t.Context(), n, func(b *drivers.Block) {
			for _, reading := range b.Readings {
				if class[reading.Index] != n {
					t.Errorf("polling class %d read point %d of class %d", n, reading.Index, class[reading.Index])
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	r.begin(c).untilCurrent()
}

func testTenThousandPoints(t *testing.T, h Harness) {
	r := newRig(t, h, 10_000, 1, long)
	s := r.begin(r.open())
	s.untilCurrent()
	r.set()
	s.untilCurrent()
}

// A device in trouble never makes a driver read what is not so, and is read again once it is well.
func testTroubles(t *testing.T, h Harness) {
	const (
		reads   = iota // everything goes on coming
		suffers        // bad readings or an end of the connection
		ends           // an end of the connection
	)
	for _, tc := range []struct {
		trouble Trouble
		timeout time.Duration
		want    int
	}{
		{Slow, long, reads},
		{Twice, long, reads},
		{Stray, long, reads},
		{Reorder, long, reads},
		{SomeLate, short, suffers},
		{Silent, short, suffers},
		{Garbage, short, suffers},
		{Short, short, suffers},
		{Long, short, suffers},
		{HangUp, long, ends},
		{HalfClose, long, ends},
	} {
		t.Run(tc.trouble.String(), func(t *testing.T) {
			r := newRig(t, h, 300, 1, tc.timeout)
			s := r.begin(r.open())
			s.untilCurrent()
			r.inject(tc.trouble)
			r.set()
			switch tc.want {
			case reads:
				s.untilCurrent()
				r.set()
				s.untilCurrent()
				r.device.Inject(None)
			case suffers:
				transient(t, s.untilTrouble())
				r.set()
				r.device.Inject(None)
				s.end()
				s = r.begin(r.reopen())
			case ends:
				err := s.untilEnd()
				if err == nil {
					t.Error("the device closed the connection; reading ended without an error")
				}
				transient(t, err)
				r.device.Inject(None)
				s.end()
				s = r.begin(r.reopen())
			}
			r.set()
			s.untilCurrent()
		})
	}
}

// transient fails the test when err says that only a person can help.
func transient(t *testing.T, err error) {
	t.Helper()
	if drivers.IsPermanent(err) {
		t.Errorf("%v is said to be permanent", err)
	}
}

func testRefusesSome(t *testing.T, h Harness) {
	r := newRig(t, h, 300, 1, long)
	r.inject(RefuseSome)
	s := r.begin(r.open())
	half := len(r.points) / 2
	s.until("the first half good, the second bad", func(latest []drivers.Reading, seen []bool) bool {
		for i, reading := range latest {
			if !seen[i] || reading.Quality.IsBad() != (i >= half) {
				return false
			}
		}
		return true
	})
}

func testRestart(t *testing.T, h Harness) {
	r := newRig(t, h, 300, 1, short)
	s := r.begin(r.open())
	s.untilCurrent()
	r.device.Stop()
	if err := s.untilEnd(); err == nil {
		t.Error("the device went away; reading ended without an error")
	} else {
		transient(t, err)
	}
	s.end()
	if c, err := r.source.Open(t.Context()); err == nil {
		c.Close()
		t.Error("a connection to a device that is away was opened")
	} else {
		transient(t, err)
	}
	r.device.Restart()
	r.set()
	r.begin(r.reopen()).untilCurrent()
}

func testAbsentDevice(t *testing.T, h Harness) {
	r := newRig(t, h, 10, 1, long)
	r.device.Stop()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if c, err := r.source.Open(ctx); err == nil {
		c.Close()
		t.Error("a connection was opened after the context's end")
	}
}

// The device's timeout is far beyond the test's patience, so that only the context can end what waits for it.
func testCancel(t *testing.T, h Harness) {
	const never = time.Minute
	r := newRig(t, h, 300, 1, never)
	c := r.open()
	s := r.begin(c)
	s.untilCurrent()
	r.inject(Silent)
	time.Sleep(50 * time.Millisecond) // let it run into the silence; earlier is fine too
	s.end()
	if _, ok := c.(drivers.Subscriber); ok {
		return
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r.device.Inject(None)
	if err := r.reopen().Poll(ctx, 0, func(*drivers.Block) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("polling after the context's end says: %v", err)
	}
}

func testClose(t *testing.T, h Harness) {
	r := newRig(t, h, 300, 1, time.Minute)
	c := r.open()
	s := r.begin(c)
	s.untilCurrent()
	r.inject(Silent)
	if err := c.Close(); err != nil {
		t.Errorf("closing: %v", err)
	}
	if err := s.untilEnd(); err == nil {
		t.Error("the connection was closed; reading ended without an error")
	}
	if err := c.Close(); err != nil {
		t.Errorf("closing twice: %v", err)
	}
	r.device.Inject(None) // opening may take an answer
	if err := r.open().Close(); err != nil {
		t.Errorf("closing an unused connection: %v", err)
	}
}

func testRefusesWrongKeys(t *testing.T, h Harness) {
	r := newRig(t, h, 300, 1, long)
	const wrong = "no-such-key: 1"
	for name, config := range map[string]drivers.Device{
		"options": r.config(1, long, wrong, ""),
		"sources": r.config(1, long, "", wrong),
	} {
		if _, err := h.Driver().Prepare(config); len(Faults(err)) == 0 {
			t.Errorf("an unknown key in the %s: Prepare says %v", name, err)
		}
	}
	_, err := h.Driver().Prepare(r.config(1, long, wrong, wrong))
	sections := map[string]bool{}
	for _, f := range Faults(err) {
		sections[f.Section] = true
	}
	if len(sections) != 1+len(r.device.Sources()) {
		t.Errorf("an unknown key in each section: Prepare reports the sections %v", sections)
	}
}

func testPreparesWithoutDevice(t *testing.T, h Harness) {
	r := newRig(t, h, 10, 1, long)
	r.device.Stop()
	if _, err := h.Driver().Prepare(r.config(1, long, "", "")); err != nil {
		t.Errorf("preparing while the device is away: %v", err)
	}
}
