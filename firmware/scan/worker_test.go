package scan

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/sync/point"
)

const ms = int64(time.Millisecond)

func TestScansStayOnTheirSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var conn *fakeConn
		r := start(t, []point.Point{statePoint("a")}, []drivers.ScanClass{{Name: "fast", Period: 100 * time.Millisecond, Phase: 30 * time.Millisecond}},
			func(r *rig, _ int) (drivers.Conn, error) {
				conn = newConn(r.clock)
				conn.poll = func(_ context.Context, _ int, yield func(*drivers.Block)) error {
					time.Sleep(time.Duration(7+len(conn.calls())) * time.Millisecond)
					yield(conn.good(0, 1))
					return nil
				}
				return conn, nil
			})
		pass(time.Second)
		var at []int64
		for _, c := range conn.calls() {
			at = append(at, c.at/ms)
		}
		if want := []int64{0, 30, 130, 230, 330, 430, 530, 630, 730, 830, 930}; !slices.Equal(at, want) {
			t.Errorf("scans at %v ms, want %v", at, want)
		}
		s := r.worker.Status()
		if s.Overruns() != 0 || s.Classes[0].Scans != uint64(len(at)) || s.Classes[0].Latency != 18*time.Millisecond || s.Values != 11 || s.Passed != 1 {
			t.Errorf("status %+v", s)
		}
	})
}

func TestOverrunsAreCountedAndNotQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var conn *fakeConn
		r := start(t, []point.Point{statePoint("a")}, fast, func(r *rig, _ int) (drivers.Conn, error) {
			conn = newConn(r.clock)
			conn.poll = func(context.Context, int, func(*drivers.Block)) error {
				if len(conn.calls()) <= 2 {
					time.Sleep(250 * time.Millisecond)
				}
				return nil
			}
			return conn, nil
		})
		pass(951 * time.Millisecond)
		var at []int64
		for _, c := range conn.calls() {
			at = append(at, c.at/ms)
		}
		// 0–250: the slot of 100 is missed, that of 200 is served late. 250–500: those of 300 and 400 are missed.
		if want := []int64{0, 250, 500, 600, 700, 800, 900}; !slices.Equal(at, want) {
			t.Errorf("scans at %v ms, want %v", at, want)
		}
		if n := r.worker.Status().Overruns(); n != 3 {
			t.Errorf("%d overruns, want 3", n)
		}
	})
}

func TestASlowClassIsNotStarved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var conn *fakeConn
		start(t, []point.Point{statePoint("a")}, []drivers.ScanClass{{Name: "fast", Period: 10 * time.Millisecond}, {Name: "slow", Period: time.Second}},
			func(r *rig, _ int) (drivers.Conn, error) {
				conn = newConn(r.clock)
				conn.poll = func(context.Context, int, func(*drivers.Block)) error {
					time.Sleep(15 * time.Millisecond) // the fast class alone overruns
					return nil
				}
				return conn, nil
			})
		pass(5100 * time.Millisecond)
		slow := 0
		for _, c := range conn.calls() {
			slow += c.class
		}
		if slow != 6 {
			t.Errorf("the slow class was served %d times in 5.1 s, want 6", slow)
		}
	})
}

func TestAbsentAtStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, []point.Point{statePoint("a"), statePoint("b")}, fast, func(r *rig, n int) (drivers.Conn, error) {
			if n < 8 {
				return nil, &drivers.Error{Op: "connect", Err: errCable}
			}
			return newConn(r.clock), nil
		})
		pass(10 * time.Minute)
		for index, want := range []int{2, 1} { // bad once; point 0 then good once
			got := r.batcher.samples(uint32(index))
			if len(got) != want || got[0].Quality != point.BadNotConnected {
				t.Errorf("point %d reports %v", index, got)
			}
		}
		if got := r.observer.states(); !slices.Equal(got, []State{Down, Up}) {
			t.Errorf("states %v", got)
		}
		s := r.worker.Status()
		if s.Failures != 8 || s.Cause != "" || s.LastAnswer == 0 {
			t.Errorf("status %+v", s)
		}
	})
}

func TestConnectionLost(t *testing.T) {
	for name, c := range map[string]struct {
		err     error
		quality point.Quality
		state   State
	}{
		"cut":       {&drivers.Error{Op: "read", Err: errCable}, point.BadCommunication, Down},
		"timeout":   {fmt.Errorf("read: %w", os.ErrDeadlineExceeded), point.BadTimeout, Down},
		"deadline":  {context.DeadlineExceeded, point.BadTimeout, Down},
		"permanent": {&drivers.Error{Op: "log in", Failure: drivers.Permanent, Err: errors.New("refused")}, point.BadConfigurationError, Failed},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := start(t, []point.Point{statePoint("a")}, fast, func(r *rig, n int) (drivers.Conn, error) {
					conn := newConn(r.clock)
					conn.poll = func(_ context.Context, _ int, yield func(*drivers.Block)) error {
						if n == 0 && len(conn.calls()) == 5 || n > 0 && n < 4 {
							return c.err
						}
						yield(conn.good(0, 1))
						return nil
					}
					return conn, nil
				})
				pass(time.Hour)
				got := r.batcher.samples(0)
				if len(got) != 3 || !got[0].Quality.IsGood() || got[1].Quality != c.quality || !got[2].Quality.IsGood() {
					t.Errorf("the point reports %v, want good, %v once, good", got, c.quality)
				}
				if states := r.observer.states(); !slices.Equal(states, []State{Up, c.state, Up}) {
					t.Errorf("states %v", states)
				}
				if s := r.worker.Status(); s.Lost != 1 || s.Failures != 4 || s.Bad != 0 {
					t.Errorf("status %+v, want 1 connection lost of 4 that failed", s)
				}
				opens := r.source.times()
				for i := 1; i < len(opens); i++ {
					wait := time.Duration(opens[i] - opens[i-1])
					if c.state == Failed && (wait < 30*time.Second || wait > 5*time.Minute+time.Second) {
						t.Errorf("a permanent failure was retried after %v", wait)
					}
					if c.state == Down && wait > maxWait+time.Second {
						t.Errorf("a transient failure was retried after %v", wait)
					}
				}
			})
		})
	}
}

func TestPanicsAreFailures(t *testing.T) {
	for name, c := range map[string]func(r *rig, n int, conn *fakeConn) (drivers.Conn, error){
		"open": func(r *rig, n int, conn *fakeConn) (drivers.Conn, error) {
			if n == 0 {
				panic("no")
			}
			return conn, nil
		},
		"poll": func(r *rig, n int, conn *fakeConn) (drivers.Conn, error) {
			if n == 0 {
				conn.poll = func(context.Context, int, func(*drivers.Block)) error { panic("no") }
			}
			return conn, nil
		},
		"close": func(r *rig, n int, conn *fakeConn) (drivers.Conn, error) {
			if n == 0 {
				conn.poll = func(context.Context, int, func(*drivers.Block)) error { return errCable }
				conn.closer = func() { panic("no") }
			}
			return conn, nil
		},
		"subscribe": func(r *rig, n int, conn *fakeConn) (drivers.Conn, error) {
			if n > 0 {
				return conn, nil
			}
			return &fakeSubscriber{conn, func(context.Context, func(*drivers.Block)) error { panic("no") }}, nil
		},
		"block with a foreign index in a subscription": func(r *rig, n int, conn *fakeConn) (drivers.Conn, error) {
			if n > 0 {
				return conn, nil
			}
			return &fakeSubscriber{conn, func(_ context.Context, yield func(*drivers.Block)) error { yield(nil); return nil }}, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := start(t, []point.Point{statePoint("a")}, fast, func(r *rig, n int) (drivers.Conn, error) { return c(r, n, newConn(r.clock)) })
				pass(time.Minute)
				s := r.worker.Status()
				if s.Panics == 0 || s.State != Up || s.Failures != 1 {
					t.Errorf("status %+v", s)
				}
			})
		})
	}
}

func TestNoConnectionIsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, []point.Point{statePoint("a")}, fast, func(*rig, int) (drivers.Conn, error) { return nil, nil })
		pass(time.Minute)
		if s := r.worker.Status(); s.State != Down || s.Cause != errNoConn.Error() {
			t.Errorf("status %+v", s)
		}
	})
}

func TestSubscription(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := statePoint("a")
		p.MaxSilence = 10 * time.Second
		r := start(t, []point.Point{p}, fast, func(r *rig, n int) (drivers.Conn, error) {
			conn := newConn(r.clock)
			conn.poll = func(context.Context, int, func(*drivers.Block)) error {
				t.Error("polled beside a subscription")
				return nil
			}
			return &fakeSubscriber{conn, func(ctx context.Context, yield func(*drivers.Block)) error {
				yield(conn.good(0, uint64(n)))
				if n == 0 {
					time.Sleep(25500 * time.Millisecond)
					return nil // ends by itself: a failure
				}
				<-ctx.Done()
				return nil
			}}, nil
		})
		pass(26 * time.Second)
		got := r.batcher.samples(0)
		if len(got) != 5 || got[1].Time != 10*1000*ms || got[2].Time != 20*1000*ms || got[3].Quality != point.BadCommunication || got[4].Bits != 1 {
			t.Errorf("reports %v: want first, two of silence, bad, and the first of the next connection", got)
		}
		if states := r.observer.states(); !slices.Equal(states, []State{Up, Down, Up}) {
			t.Errorf("states %v", states)
		}
	})
}

func TestStopEndsWhatHangs(t *testing.T) {
	for name, hang := range map[string]func(conn *fakeConn) drivers.Conn{
		"poll": func(conn *fakeConn) drivers.Conn {
			conn.poll = func(context.Context, int, func(*drivers.Block)) error { <-conn.closed; return errCable }
			return conn
		},
		"subscribe": func(conn *fakeConn) drivers.Conn {
			return &fakeSubscriber{conn, func(context.Context, func(*drivers.Block)) error { <-conn.closed; return errCable }}
		},
		"waiting for a slot": func(conn *fakeConn) drivers.Conn { return conn },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var conn *fakeConn
				r := start(t, []point.Point{statePoint("a")}, fast, func(r *rig, _ int) (drivers.Conn, error) {
					conn = newConn(r.clock)
					return hang(conn), nil
				})
				pass(time.Second)
				before := len(r.batcher.all())
				r.halt()
				if n := len(r.batcher.all()); n != before {
					t.Errorf("the stop itself reported %d times", n-before)
				}
				select {
				case <-conn.closed:
				default:
					t.Error("the connection is still open")
				}
			})
		})
	}
}

func TestStopWhileWaitingToRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, []point.Point{statePoint("a")}, fast, func(*rig, int) (drivers.Conn, error) {
			return nil, &drivers.Error{Op: "log in", Failure: drivers.Permanent, Err: errCable}
		})
		pass(time.Second)
		begun := time.Now()
		r.halt()
		if waited := time.Since(begun); waited != 0 {
			t.Errorf("the stop waited %v", waited)
		}
	})
}

func TestBackoff(t *testing.T) {
	top := func(n int64) int64 { return n - 1 }
	b := backoff{jitter: top}
	var got []time.Duration
	for n := range 11 {
		got = append(got, b.wait(n+1, false))
	}
	if got[0] != 100*time.Millisecond || got[1] != 200*time.Millisecond || got[8] != 25600*time.Millisecond || got[9] != 30*time.Second || got[10] != 30*time.Second {
		t.Errorf("longest waits %v", got)
	}
	b = backoff{jitter: func(int64) int64 { return 0 }}
	if w := b.wait(1, false); w != 0 {
		t.Errorf("the shortest wait is %v", w)
	}
	for jitter, want := range map[string][2]time.Duration{"least": {time.Minute, 5 * time.Minute}, "most": {30 * time.Second, 150 * time.Second}} {
		b = backoff{jitter: func(n int64) int64 {
			if jitter == "least" {
				return 0
			}
			return n - 1
		}}
		if first, last := b.wait(1, true), b.wait(11, true); first != want[0] || last != want[1] {
			t.Errorf("permanent, %s jitter: %v then %v, want %v", jitter, first, last, want)
		}
	}
	if w := (backoff{}).wait(1<<30, false); w < 0 || w > maxWait {
		t.Errorf("after very many failures: %v", w)
	}
}

// A connection that held long enough is opened again at once when it ends; one that flaps is not, however often it opened.
func TestTheWaitShrinksOnlyAfterAConnectionHeld(t *testing.T) {
	for holds, forgiven := range map[time.Duration]bool{settled - 200*time.Millisecond: false, settled + 200*time.Millisecond: true} {
		synctest.Test(t, func(t *testing.T) {
			var ended, waits []time.Duration
			start(t, []point.Point{statePoint("a")}, fast, func(r *rig, n int) (drivers.Conn, error) {
				if n > 0 {
					waits = append(waits, time.Duration(r.clock.Mono())-ended[n-1])
				}
				conn, opened := newConn(r.clock), r.clock.Mono()
				conn.poll = func(_ context.Context, _ int, yield func(*drivers.Block)) error {
					yield(conn.good(0, 1))
					if time.Duration(r.clock.Mono()-opened) < holds {
						return nil
					}
					ended = append(ended, time.Duration(r.clock.Mono()))
					return errCable
				}
				return conn, nil
			})
			pass(30 * time.Minute)
			longest := slices.Max(waits)
			if forgiven != (longest <= baseWait) || len(waits) < 20 {
				t.Errorf("connections that hold for %v are opened again after up to %v, %d times", holds, longest, len(waits))
			}
		})
	}
}

// A device that answers, and refuses what it is asked, is up; its status says how many points are bad, and why in one line.
func TestStatusCountsBadPoints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, []point.Point{statePoint("a"), statePoint("b")}, fast, func(r *rig, n int) (drivers.Conn, error) {
			conn := newConn(r.clock)
			conn.poll = func(ctx context.Context, _ int, yield func(*drivers.Block)) error {
				if n > 0 { // the next one says nothing
					<-ctx.Done()
					return ctx.Err()
				}
				if len(conn.calls()) == 10 {
					return errors.Join(errCable, errors.New("and the plug is out"))
				}
				yield(&drivers.Block{Time: r.clock.Mono(), Readings: []drivers.Reading{{Index: 0, Quality: point.BadNodeIDUnknown}, {Index: 1, Bits: 1}}})
				return nil
			}
			return conn, nil
		})
		pass(500 * time.Millisecond)
		if s := r.worker.Status(); s.State != Up || s.Bad != 1 {
			t.Errorf("status %+v, want up with 1 bad point", s)
		}
		pass(time.Second)
		if s := r.worker.Status(); s.State != Down || s.Bad != 2 || s.Cause != "the cable is cut; and the plug is out" {
			t.Errorf("status %+v, want down with 2 bad points and a cause of one line", s)
		}
	})
}

// Who takes connections and answers nothing does not come up at each attempt: that would be two lines of log and two alarms a try.
func TestSilenceIsNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, []point.Point{statePoint("a")}, fast, func(r *rig, n int) (drivers.Conn, error) {
			conn := newConn(r.clock)
			conn.poll = func(_ context.Context, _ int, yield func(*drivers.Block)) error {
				if n < 5 && len(conn.calls()) == 3 {
					return fmt.Errorf("read: %w", os.ErrDeadlineExceeded)
				}
				q := point.BadTimeout
				if n == 5 {
					q = point.BadNodeIDUnknown // a refusal is an answer
				}
				yield(&drivers.Block{Time: r.clock.Mono(), Readings: []drivers.Reading{{Index: 0, Quality: q}}})
				return nil
			}
			return conn, nil
		})
		pass(10 * time.Minute)
		if states := r.observer.states(); !slices.Equal(states, []State{Down, Up}) {
			t.Errorf("states %v, want down until something answers", states)
		}
	})
}
