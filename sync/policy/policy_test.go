package policy_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/courtside-edge/courtside/sync/policy"
)

var errDown = errors.New("down")

// bubble tells the virtual time of a synctest bubble.
type bubble struct{ start time.Time }

func (c bubble) Mono() int64 { return int64(time.Since(c.start)) }

func most(n int64) int64 { return n - 1 }
func least(int64) int64  { return 0 }

func TestBackoffGrowsToItsBound(t *testing.T) {
	for _, tc := range []struct {
		b    policy.Backoff
		want []time.Duration
	}{
		{policy.Backoff{Base: time.Second, Max: 5 * time.Second, Full: true, Jitter: most}, []time.Duration{1, 2, 4, 5, 5}},
		{policy.Backoff{Base: time.Second, Max: 5 * time.Second, Full: true, Jitter: least}, []time.Duration{0, 0, 0, 0, 0}},
		{policy.Backoff{Base: 2 * time.Second, Max: 60 * time.Second, Jitter: most}, []time.Duration{1, 2, 4, 8, 16, 30, 30}},
		{policy.Backoff{Base: 2 * time.Second, Max: 60 * time.Second, Jitter: least}, []time.Duration{2, 4, 8, 16, 32, 60, 60}},
		{policy.Backoff{Base: 9 * time.Second, Max: 5 * time.Second, Jitter: least}, []time.Duration{5, 5}},
		{policy.Backoff{Max: 5 * time.Second, Jitter: least}, []time.Duration{0, 5}},
	} {
		for n, want := range tc.want {
			if got := tc.b.Wait(n + 1); got != want*time.Second {
				t.Errorf("%+v after %d failures: %v, want %v", tc.b, n+1, got, want*time.Second)
			}
		}
	}
	b := policy.Backoff{Base: time.Second, Max: math.MaxInt64 - 1, Jitter: least}
	if got := b.Wait(math.MaxInt); got != math.MaxInt64-1 {
		t.Errorf("an endless row of failures waits %v", got)
	}
	for range 1000 { // the product's own jitter stays within the bound
		if got := (policy.Backoff{Base: 8, Max: 8}).Wait(1); got < 4 || got > 8 {
			t.Fatalf("waits %d of 8", got)
		}
	}
}

// model is the breaker by its words: a history of calls, looked through from its beginning.
type model struct {
	limit  int
	until  int64
	opened int
	row    int
	state  policy.State
}

const step = int64(time.Second) // of the open time, which doubles up to 8

func (m *model) open(now int64) {
	m.opened++
	m.state, m.until = policy.Open, now+step<<min(m.opened-1, 3)
}

// Whatever happens in whatever order, the breaker does as its words say.
func TestBreakerFollowsItsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := model{limit: rapid.IntRange(1, 4).Draw(t, "limit")}
		b := policy.NewBreaker(m.limit, policy.Backoff{Base: time.Duration(step), Max: time.Duration(8 * step), Jitter: least})
		now := int64(0)
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) {
				if b.State() != m.state || b.Due(now) != (m.state != policy.Closed && now >= m.until) {
					t.Fatalf("state %v, due %v; the model is %+v at %d", b.State(), b.Due(now), m, now)
				}
			},
			"time": func(t *rapid.T) { now += rapid.Int64Range(0, 4*step).Draw(t, "ns") },
			"call": func(t *rapid.T) {
				want := m.state == policy.Closed || now >= m.until
				if b.Allow(now) != want {
					t.Fatalf("a call at %d is let through: %v; %+v", now, !want, m)
				}
				if want && m.state != policy.Closed {
					m.state, m.until = policy.HalfOpen, now+step<<min(m.opened-1, 3)
				}
			},
			"succeed": func(t *rapid.T) {
				b.Succeed()
				m.state, m.row, m.opened = policy.Closed, 0, 0
			},
			"fail": func(t *rapid.T) {
				m.row++
				opens := m.state == policy.Closed && m.row >= m.limit
				if b.Fail(now) != opens {
					t.Fatalf("failing opens the breaker: %v; %+v", !opens, m)
				}
				if opens || m.state == policy.HalfOpen {
					m.open(now)
				}
			},
		})
	})
}

func TestBreakerCounts(t *testing.T) {
	b := policy.NewBreaker(2, policy.Backoff{Base: time.Duration(step), Max: time.Duration(step), Jitter: least})
	b.Fail(0)
	b.Fail(0)
	b.Allow(step - 1)
	b.Allow(step)
	b.Fail(step)
	want := policy.BreakerStats{State: policy.Open, Opened: 1, Refused: 1, Failures: 3, Until: 2 * step}
	if got := b.Stats(); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	for s, want := range map[policy.State]string{policy.Closed: "closed", policy.Open: "open", policy.HalfOpen: "half-open"} {
		if s.String() != want {
			t.Errorf("%d is %q", s, s)
		}
	}
}

// In every span of time there are no more calls than the burst and one every Every; and a call waits only when it must.
func TestBucketKeepsItsRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		every := time.Duration(rapid.Int64Range(1, 1000).Draw(t, "every"))
		burst := rapid.IntRange(1, 5).Draw(t, "burst")
		b := policy.NewBucket(every, burst)
		now := rapid.Int64Range(0, 1<<40).Draw(t, "start")
		var calls []int64
		for range rapid.IntRange(1, 60).Draw(t, "calls") {
			now += rapid.Int64Range(0, 2000).Draw(t, "pause")
			wait := b.Take(now)
			at := now + int64(wait)
			if n := len(calls); n > 0 && at < calls[n-1] {
				t.Fatalf("a later call at %d overtakes one at %d", at, calls[n-1])
			}
			if n := len(calls); wait > 0 && (n < burst || at-calls[n-burst] > int64(burst)*int64(every)) {
				t.Fatalf("call %d waits %v though there is room; before: %v", n, wait, calls)
			}
			calls = append(calls, at)
		}
		for i := range calls {
			for j := i; j < len(calls); j++ {
				if n := int64(j-i+1) - int64(burst); n > 0 && calls[j]-calls[i] < n*int64(every) {
					t.Fatalf("%d calls in %d ns, burst %d, one every %d", j-i+1, calls[j]-calls[i], burst, every)
				}
			}
		}
	})
}

func TestABucketWithoutARateLimitsNothing(t *testing.T) {
	b := policy.NewBucket(0, 0)
	for range 100 {
		if wait := b.Take(5); wait != 0 {
			t.Fatal(wait)
		}
	}
	if b.Waited() != 0 {
		t.Error(b.Waited())
	}
}

// The stack is read from the outside in.
func TestStackOrder(t *testing.T) {
	var order []string
	named := func(name string) policy.Policy[int] {
		return func(call policy.Call[int]) policy.Call[int] {
			return func(ctx context.Context) (int, error) {
				order = append(order, name)
				v, err := call(ctx)
				order = append(order, "/"+name)
				return v + 1, err
			}
		}
	}
	v, err := policy.Stack(named("a"), named("b"))(func(context.Context) (int, error) { order = append(order, "call"); return 1, nil })(t.Context())
	if v != 3 || err != nil || !slices.Equal(order, []string{"a", "b", "call", "/b", "/a"}) {
		t.Errorf("%d, %v, %v", v, err, order)
	}
	if v, err := policy.Stack[int]()(func(context.Context) (int, error) { return 7, errDown })(t.Context()); v != 7 || err != errDown {
		t.Error(v, err)
	}
}

func TestRetryRateAndBreakerTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := bubble{time.Now()}
		breaker := policy.NewBreaker(3, policy.Backoff{Base: time.Minute, Max: time.Minute, Jitter: least})
		var tried []time.Duration
		var told []error
		retries := policy.Retries{
			Wait:   func(int, error) time.Duration { return time.Second },
			Failed: func(err error, _ time.Duration) { told = append(told, err) },
		}
		call := policy.Stack(policy.Retry[string](retries, clock), policy.Break[string](breaker, clock), policy.Limit[string](policy.NewBucket(10*time.Second, 1), clock))(
			func(context.Context) (string, error) {
				tried = append(tried, time.Duration(clock.Mono()))
				if len(tried) < 5 {
					return "", errDown
				}
				return "up", nil
			})
		v, err := call(t.Context())
		// Three tries ten seconds apart open the breaker for a minute; the one that is let through then fails too.
		want := []time.Duration{0, 10 * time.Second, 20 * time.Second, 80 * time.Second, 140 * time.Second}
		if v != "up" || err != nil || !slices.Equal(tried, want) {
			t.Errorf("%q, %v, tried at %v, want %v", v, err, tried, want)
		}
		refused := 0
		for _, err := range told {
			if errors.Is(err, policy.ErrOpen) {
				refused++
			}
		}
		if refused == 0 || uint64(refused) != breaker.Stats().Refused || breaker.State() != policy.Closed {
			t.Errorf("%d refused, %+v", refused, breaker.Stats())
		}
	})
}

func TestRetryCountsARowOfFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := bubble{time.Now()}
		var rows []int
		lasts := []time.Duration{0, 0, time.Minute, 0, 0}
		settled := func(_ error, lasted time.Duration) bool { return lasted >= 10*time.Second }
		giveUp := policy.Retries{Settled: settled, Wait: func(n int, _ error) time.Duration {
			rows = append(rows, n)
			if len(rows) == len(lasts) {
				return -1
			}
			return time.Second
		}}
		_, err := policy.Retry[int](giveUp, clock)(func(context.Context) (int, error) {
			time.Sleep(lasts[len(rows)])
			return 0, errDown
		})(t.Context())
		if err != errDown || !slices.Equal(rows, []int{1, 2, 1, 2, 3}) {
			t.Errorf("%v, rows %v", err, rows)
		}
	})
}

// The end of a context ends every wait, and says what had failed before. It is no failure of what is called.
func TestContextsEndEveryWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := bubble{time.Now()}
		breaker := policy.NewBreaker(1, policy.Backoff{Base: time.Hour, Max: time.Hour})
		for name, p := range map[string]policy.Policy[int]{
			"retry": policy.Retry[int](policy.Retries{Wait: func(int, error) time.Duration { return time.Hour }}, clock),
			"limit": policy.Limit[int](slow(clock), clock),
			"break": policy.Break[int](breaker, clock),
		} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			began := clock.Mono()
			_, err := p(func(ctx context.Context) (int, error) {
				if name == "break" {
					<-ctx.Done()
					return 0, fmt.Errorf("asking: %w", ctx.Err())
				}
				return 0, errDown
			})(ctx)
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) || clock.Mono()-began != int64(time.Minute) {
				t.Errorf("%s: %v after %v", name, err, time.Duration(clock.Mono()-began))
			}
			if name == "retry" && !errors.Is(err, errDown) {
				t.Errorf("retry: %v does not say what failed", err)
			}
		}
		if breaker.State() != policy.Closed {
			t.Error("a caller who went away opened the breaker")
		}
	})
}

// slow returns a bucket that is empty for an hour.
func slow(clock bubble) *policy.Bucket {
	b := policy.NewBucket(time.Hour, 1)
	b.Take(clock.Mono())
	return b
}

// Of many callers one is let through when the time has come.
func TestOneCallerTriesForAll(t *testing.T) {
	b := policy.NewBreaker(1, policy.Backoff{Base: 10, Max: 10, Jitter: least})
	b.Fail(0)
	var mu sync.Mutex
	through := 0
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if b.Allow(10) {
				mu.Lock()
				through++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if through != 1 {
		t.Errorf("%d of 20 were let through", through)
	}
}
