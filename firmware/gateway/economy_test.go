package gateway

import (
	"context"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/courtside-edge/courtside/firmware/config"
	"github.com/courtside-edge/courtside/sync/point"
)

type asked struct {
	factor   float64
	interval time.Duration
}

type fakeReducer struct{ last atomic.Pointer[asked] }

func (f *fakeReducer) Reduce(factor float64, interval time.Duration) {
	f.last.Store(&asked{factor, interval})
}

// While space is short every worker is asked for less, one that a reload brings too, and the beginning and the end are declared once.
func TestReduceWhileSpaceIsShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var short atomic.Bool
		var workers atomic.Pointer[[]reducer]
		one, two := &fakeReducer{}, &fakeReducer{}
		workers.Store(&[]reducer{one})
		var declared []point.Reduced
		begin := time.Now()
		e := &economy{short: short.Load, workers: func() []reducer { return *workers.Load() }, declare: func(r point.Reduced) { declared = append(declared, r) },
			mono: func() int64 { return int64(time.Since(begin)) }, reduce: config.Reduce{DeadbandFactor: 4, MinInterval: 5 * time.Second}, log: slog.New(slog.DiscardHandler)}
		ctx, stop := context.WithCancel(t.Context())
		go e.run(ctx)
		time.Sleep(3500 * time.Millisecond)
		if got := *one.last.Load(); got != (asked{1, 0}) {
			t.Errorf("with space the worker is asked for %+v", got)
		}
		short.Store(true)
		time.Sleep(3 * time.Second)
		workers.Store(&[]reducer{one, two})
		time.Sleep(2 * time.Second)
		for i, w := range []*fakeReducer{one, two} {
			if got := *w.last.Load(); got != (asked{4, 5 * time.Second}) {
				t.Errorf("without space worker %d is asked for %+v", i, got)
			}
		}
		short.Store(false)
		time.Sleep(2 * time.Second)
		stop()
		synctest.Wait()
		if got := *two.last.Load(); got != (asked{1, 0}) {
			t.Errorf("with space again the worker is asked for %+v", got)
		}
		want := []point.Reduced{{Since: int64(4 * time.Second), DeadbandFactor: 4, MinInterval: 5 * time.Second}, {Since: int64(9 * time.Second), DeadbandFactor: 1}}
		if !slices.Equal(declared, want) {
			t.Errorf("declared %+v, want %+v", declared, want)
		}
	})
}

func TestAReductionToNothingIsNone(t *testing.T) {
	e := &economy{reduce: config.Reduce{DeadbandFactor: 1}}
	e.run(t.Context()) // returns at once
}
