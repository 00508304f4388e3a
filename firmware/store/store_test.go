package store

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/spool"
	"github.com/courtside-edge/courtside/sync/spool/spooltest"
	"github.com/courtside-edge/courtside/sync/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// slow is a store whose Sync takes a while.
type slow struct {
	*spooltest.Store
	sync time.Duration
}

func (s slow) Sync() (uint64, error) { time.Sleep(s.sync); return s.Store.Sync() }

type rig struct {
	*testing.T
	crit, tele *spooltest.Store
	k          *Keeper
	stop       func() error
}

func start(t *testing.T, syncTime time.Duration) *rig {
	t.Helper()
	r := &rig{T: t, crit: spooltest.New(), tele: spooltest.New()}
	r.open(syncTime)
	return r
}

func (r *rig) open(syncTime time.Duration) {
	r.Helper()
	begin := time.Now().Add(-time.Hour)
	sp, err := spool.Open(spool.Options{Critical: slow{r.crit, syncTime}, Telemetry: slow{r.tele, syncTime}, Window: 1 << 20})
	if err != nil {
		r.Fatal(err)
	}
	r.k = New(Options{Spool: sp, Mono: func() int64 { return int64(time.Since(begin)) }})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	var end error
	wg.Go(func() { end = r.k.Run(ctx) })
	r.stop = func() error { cancel(); wg.Wait(); return end }
}

func frame(l point.Lane, content uint64) []byte {
	return spooltest.Frame(l, spooltest.TableHash(), 1, 2, 3, spooltest.Body{Content: content})
}

func (r *rig) add(l point.Lane, content uint64, durable ...func()) point.BatchID {
	r.Helper()
	id, err := r.k.Append(frame(l, content), nil, false, durable)
	if err != nil {
		r.Fatal(err)
	}
	return id
}

func TestDurableIsToldAfterTheSyncInOrderAndGrouped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, 5*time.Millisecond)
		writes := r.crit.Written()
		var mu sync.Mutex
		var told []int
		begin := time.Now()
		for i := range 50 {
			r.add(point.Critical, uint64(i), func() {
				mu.Lock()
				told = append(told, i)
				mu.Unlock()
				if time.Since(begin) < 5*time.Millisecond {
					t.Error("told before the sync ended")
				}
			})
		}
		time.Sleep(time.Second)
		mu.Lock()
		if len(told) != 50 || !slices.IsSorted(told) {
			t.Fatalf("told %v", told)
		}
		mu.Unlock()
		if n := r.crit.Written() - writes; n > 2 {
			t.Fatalf("%d transactions for 50 batches", n)
		}
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
	})
}

// A disk that hangs holds up neither telemetry nor what it does not concern.
func TestLiveTelemetryDoesNotWaitForADisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, time.Minute)
		r.add(point.Critical, 1)
		r.add(point.Telemetry, 2)
		time.Sleep(time.Second) // both stores are in a sync now
		begin := time.Now()
		for c := range uint64(100) {
			<-r.k.Ready()
			r.add(point.Telemetry, c)
			tk, ok := r.k.Take(spool.Grant{Window: 1 << 40, LiveOnly: true})
			if !ok || tk.Channel != wire.Live {
				t.Fatalf("batch %d: took %+v", c, tk)
			}
			r.k.Commit(tk.ID)
			r.k.Ack(wire.Ack{Durable: []wire.Range{{Epoch: tk.ID.Epoch, Lane: tk.ID.Lane, From: tk.ID.Seq, To: tk.ID.Seq + 1}}})
		}
		if took := time.Since(begin); took != 0 {
			t.Fatalf("it took %v", took)
		}
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestStopStoresWhatIsInRAM(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, time.Millisecond)
		for c := range uint64(3) {
			r.add(point.Telemetry, c)
			r.add(point.Critical, 10+c)
		}
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		if _, err := r.k.Append(frame(point.Telemetry, 1), nil, false, nil); !errors.Is(err, spool.ErrClosed) {
			t.Fatalf("appending after the end gives %v", err)
		}
		r.crit, r.tele = r.crit.Crash(0, false), r.tele.Crash(0, false)
		r.open(0)
		if rec := r.k.Recovery(); rec.Unclean || rec.Batches[0].Batches != 3 || rec.Batches[1].Batches != 3 {
			t.Fatalf("recovery %+v", rec)
		}
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestAFailingStoreIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, 0)
		r.crit.Fail(errors.New("broken"))
		told := make(chan struct{})
		r.add(point.Critical, 1, func() { close(told) })
		time.Sleep(10 * time.Second)
		select {
		case <-told:
			t.Fatal("told durable by a store that fails")
		default:
		}
		if n := r.k.Stats().StoreErrors; n < 5 || n > 15 || r.k.StoreErr(point.Critical) == nil || r.k.StoreErr(point.Telemetry) != nil {
			t.Fatalf("tried %d times in 10 s: %v", n, r.k.StoreErr(point.Critical))
		}
		r.crit.Fail(nil)
		<-told
		<-r.k.Room()
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestTelemetrySpillsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, 0)
		r.add(point.Telemetry, 1)
		time.Sleep(400 * time.Millisecond)
		if n := r.tele.Written(); n != 0 {
			t.Fatalf("%d writes after 400 ms", n)
		}
		time.Sleep(200 * time.Millisecond)
		if n := r.tele.Written(); n != 1 {
			t.Fatalf("%d writes after 600 ms", n)
		}
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestWhatCannotBeReadIsDeclaredAndTheRestGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, 0)
		for c := range uint64(3) {
			r.add(point.Telemetry, c)
		}
		time.Sleep(time.Second)
		r.tele.Corrupt(2)
		var got []uint64
		for {
			tk, ok := r.k.Take(spool.Grant{Window: 1 << 40})
			if !ok {
				break
			}
			b, err := spooltest.Open(tk.Frame)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, b.Content)
		}
		if !slices.Equal(got, []uint64{1, 0}) {
			t.Fatalf("took %v", got)
		}
		<-r.k.GapsWaiting()
		if g := r.k.Gaps(); len(g) != 1 || g[0].Reason != point.GapCorrupt {
			t.Fatalf("gaps %+v", g)
		}
		r.k.ReturnGaps()
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
	})
}
