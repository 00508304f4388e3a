package uplink

import (
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/spool/spooltest"
)

func TestPaceDoublesUntilLiveBatchesWaitAndHalvesThen(t *testing.T) {
	now := time.Unix(1000, 0)
	p := newPace(now, 2<<20)
	step := func(took time.Duration, full bool) int64 {
		for range 10 {
			now = now.Add(paceEvery / 10)
			if took > 0 {
				p.measure(took)
				p.observe(now, took)
			}
		}
		used := int64(0)
		if full {
			used = p.allow
		}
		return p.backlog(now, used)
	}
	for _, want := range []int64{128 << 10, 256 << 10, 512 << 10} {
		if got := step(10*time.Millisecond, true); got != want {
			t.Fatalf("allows %d, want %d", got, want)
		}
	}
	if got := step(10*time.Millisecond, false); got != 512<<10 {
		t.Fatalf("grew to %d unused", got)
	}
	if got := step(29*time.Millisecond, true); got != 1<<20 {
		t.Fatalf("allows %d although live batches take less than 10 + 20 ms", got)
	}
	if got := step(100*time.Millisecond, true); got != 512<<10 {
		t.Fatalf("allows %d while live batches take 100 ms", got)
	}
	if got := step(10*time.Millisecond, true); got != 576<<10 {
		t.Fatalf("allows %d, want one step more", got)
	}
	for range 10 {
		step(time.Second, true)
	}
	if p.allow != leastPace {
		t.Fatalf("allows %d after a long while of waiting", p.allow)
	}
	for range 60 {
		step(0, true) // nobody is in the way
	}
	if p.allow != p.most || p.most != 3<<19 {
		t.Fatalf("allows %d of %d without live batches", p.allow, p.most)
	}
}

// The best is not for ever: on a way that became longer, what is normal now is no reason to yield.
func TestPaceLearnsThatTheWayBecameLonger(t *testing.T) {
	now := time.Unix(1000, 0)
	p := newPace(now, 2<<20)
	p.measure(5 * time.Millisecond)
	for range int(2*bestLooks/paceEvery) + 4 {
		now = now.Add(paceEvery)
		p.measure(80 * time.Millisecond)
		p.observe(now, 80*time.Millisecond)
		p.backlog(now, p.allow)
	}
	before := p.allow
	for range 5 {
		now = now.Add(paceEvery)
		p.observe(now, 80*time.Millisecond)
		p.backlog(now, p.allow)
	}
	if p.bound() != 160*time.Millisecond || p.allow <= before {
		t.Fatalf("bound %v, allows %d after %d", p.bound(), p.allow, before)
	}
}

// replayed is what a backlog of 30 MB on a link of 1 MB/s does to live batches of 50 a second.
func replayed(t *testing.T, rate int64) (p50, p95 time.Duration, backlog int64) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud()
		r := start(t, c, func(o *Options) { o.RateLimit = rate })
		c.set(func() { c.refuse = errCut })
		c.cut()
		var old []point.BatchID
		for range 1000 {
			id, err := r.k.Append(spooltest.Frame(point.Telemetry, spooltest.TableHash(), 1, 2, 10_000, spooltest.Body{}), nil, false, nil)
			if err != nil {
				t.Fatal(err)
			}
			old = append(old, id)
			time.Sleep(100 * time.Millisecond)
		}
		c.set(func() { c.refuse, c.speed = nil, 1<<20 })
		for connected := false; !connected; time.Sleep(100 * time.Millisecond) {
			state, _ := r.u.State()
			connected = state == Up
		}
		time.Sleep(2 * time.Second)
		var live []point.BatchID
		begun := map[point.BatchID]time.Time{}
		before := r.u.Stats().Bytes
		for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			id := r.add(point.Telemetry, 1)[0]
			live, begun[id] = append(live, id), time.Now()
		}
		backlog = int64(r.u.Stats().Bytes - before)
		time.Sleep(time.Minute)
		if rate == 0 {
			r.settled(append(old, live...))
		}
		var took []time.Duration
		c.set(func() {
			for _, id := range live {
				if at, ok := c.acked[id]; ok {
					took = append(took, at.Sub(begun[id]))
				}
			}
		})
		if len(took) != len(live) {
			t.Fatalf("%d of %d live batches were acknowledged", len(took), len(live))
		}
		slices.Sort(took)
		p50, p95 = took[len(took)/2], took[len(took)*95/100]
		r.stop()
	})
	return p50, p95, backlog
}

func TestLiveBatchesDoNotWaitBehindTheBacklog(t *testing.T) {
	p50, p95, backlog := replayed(t, 0)

	if p95 > 150*time.Millisecond || p50 > 60*time.Millisecond {
		t.Errorf("live batches take %v, %v at the 95th percentile, where 10 ms is the least and a frame of the backlog takes 29 ms", p50, p95)
	}
	if backlog < 3<<20 {
		t.Errorf("%d bytes went in 10 s of 10 MB that the link could take", backlog)
	}
}

func TestARateLimitHoldsTheBacklogAndNotTheLive(t *testing.T) {
	const rate = 128 << 10
	_, p95, bytes := replayed(t, rate)

	if p95 > 150*time.Millisecond {
		t.Errorf("live batches take %v on a link that is limited to more than they need", p95)
	}
	if bytes > 12*rate || bytes < 8*rate {
		t.Errorf("%d bytes went in 10 s at %d a second", bytes, rate)
	}
}

func TestARateLimitHoldsTheLiveToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rate = 10 << 10
		c := newCloud()
		r := start(t, c, func(o *Options) { o.RateLimit = rate })
		time.Sleep(time.Second)
		for range 200 {
			r.add(point.Telemetry, 5) // some 60 KiB a second
			time.Sleep(50 * time.Millisecond)
		}
		if n := r.u.Stats().Bytes; n > 12*rate || n < 8*rate {
			t.Errorf("%d bytes went in 10 s at %d a second", n, rate)
		}
		if r.k.Stats().Spilled.Batches == 0 {
			t.Error("what did not go was not stored")
		}
	})
}

// 500 gateways whose broker goes away for a while and comes back do not come all at once.
func TestManyGatewaysReturnSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const gateways = 500
		c := newCloud()
		random := rand.New(rand.NewPCG(1, 2))
		draw := func(d time.Duration) (j time.Duration) {
			c.set(func() { j = time.Duration(random.Int64N(int64(max(d, 1)))) })
			return j
		}
		var stops []func()
		for range gateways {
			u, err := New(Options{Venue: "dal-001", Gateway: "gw-north", Dial: c.dial, Spool: newIdle(), Status: noStatus, Jitter: draw})
			if err != nil {
				t.Fatal(err)
			}
			stops = append(stops, background(u.Run))
		}
		time.Sleep(time.Second)
		connected := func() (n int) {
			c.set(func() {
				for _, s := range c.sessions {
					if !s.over {
						n++
					}
				}
			})
			return n
		}
		if n := connected(); n != gateways {
			t.Fatalf("%d of %d are connected", n, gateways)
		}
		c.set(func() {
			c.refuse = errCut
			for _, s := range c.sessions {
				s.end(errCut, true)
			}
		})
		dials := func() (n int) { c.set(func() { n = c.dials }); return n }
		at := dials()
		most := func(of time.Duration) (peak int) {
			for range of / (100 * time.Millisecond) {
				time.Sleep(100 * time.Millisecond)
				now := dials()
				peak = max(peak, now-at)
				at = now
			}
			return peak
		}
		most(30 * time.Second)
		if peak := most(10 * time.Second); peak > gateways/25 {
			t.Errorf("up to %d of %d gateways knock within 100 ms at a broker that is away", peak, gateways)
		}
		c.set(func() { c.refuse = nil })
		if peak := most(31 * time.Second); peak > gateways/25 {
			t.Errorf("up to %d of %d gateways return within 100 ms", peak, gateways)
		}
		if n := connected(); n != gateways {
			t.Errorf("%d of %d are connected again", n, gateways)
		}
		for _, stop := range stops {
			go stop()
		}
		time.Sleep(5 * time.Second)
	})
}
