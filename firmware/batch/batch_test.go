package batch

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/courtside-edge/courtside/firmware/filter"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/spool"
	"github.com/courtside-edge/courtside/sync/wire"
)

func drawReport(t *rapid.T, mono *int64, run *uint64) (*filter.Report, point.Lane) {
	r := new(filter.Report)
	lane := rapid.SampledFrom([]point.Lane{point.Telemetry, point.Critical}).Draw(t, "lane")
	indices := map[point.Lane][]uint32{point.Telemetry: {0, 1, 4}, point.Critical: {2, 3}}[lane]
	if rapid.IntRange(0, 4).Draw(t, "new run") == 0 {
		*run++
	}
	started := false
	for range rapid.IntRange(1, 12).Draw(t, "samples") {
		*mono++
		i := rapid.SampledFrom(indices).Draw(t, "index")
		s := point.Sample{Index: i, Time: *mono, Bits: uint64(rapid.IntRange(0, 500).Draw(t, "bits"))}
		at := uint32(len(r.Samples))
		switch i {
		case 1:
			s.Bits = uint64(len(r.Texts))
			r.Texts = append(r.Texts, fmt.Sprintf("text %d", *mono))
		case 2:
			if !started {
				r.Runs = append(r.Runs, point.CounterRun{Index: 2, Run: *run, Bits: 16, Reason: point.RunFirst, Start: *mono})
				started = true
			}
		case 3:
			r.Events = append(r.Events, point.EventKey{Position: at, Key: [16]byte{byte(*mono), byte(*mono >> 8)}})
		}
		if rapid.Bool().Draw(t, "device time") {
			r.DeviceTimes = append(r.DeviceTimes, point.DeviceTime{Position: at, UnixNano: *mono * 1000})
		}
		r.Samples = append(r.Samples, s)
	}
	return r, lane
}

// Whatever is added comes out once, in order, with all that belongs to it, however batches are closed and divided.
func TestWhatIsAddedComesOutOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newSink()
		o := options(&testing.T{}, s)
		o.MaxSamples = rapid.IntRange(1, 30).Draw(t, "max samples")
		o.MaxBytes = rapid.SampledFrom([]int{0, 400, 600}).Draw(t, "max bytes")
		o.Linger = time.Hour
		b, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		wg.Go(func() { _ = b.Run(ctx) })
		mono, run := int64(0), uint64(1)
		want := map[point.Lane][]string{}
		for range rapid.IntRange(1, 20).Draw(t, "reports") {
			r, lane := drawReport(t, &mono, &run)
			whole := wire.Batch{Samples: r.Samples, Texts: r.Texts, DeviceTimes: r.DeviceTimes, Runs: r.Runs, Events: r.Events}
			for i := range r.Samples {
				want[lane] = append(want[lane], told(&whole, i))
			}
			b.Add(lane, r, nil)
		}
		cancel()
		wg.Wait()
		for _, lane := range []point.Lane{point.Telemetry, point.Critical} {
			var got []string
			for _, m := range s.lane(&testing.T{}, lane) {
				if len(m.Samples) > o.MaxSamples {
					t.Fatalf("a batch of %d samples, at most %d are wanted", len(m.Samples), o.MaxSamples)
				}
				for i := range m.Samples {
					got = append(got, told(&m, i))
				}
			}
			if !slices.Equal(got, want[lane]) {
				t.Fatalf("%s:\ngot  %s\nwant %s", lane, strings.Join(got, "\n     "), strings.Join(want[lane], "\n     "))
			}
			if n := b.Stats(lane).Samples; n != uint64(len(got)) || b.Stats(lane).Lost != 0 {
				t.Fatalf("%+v of %d samples", b.Stats(lane), len(got))
			}
		}
	})
}

func TestConcurrentAdds(t *testing.T) {
	s := newSink()
	o := options(t, s)
	o.MaxSamples = 500
	b, stop := start(t, o)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 500 {
				b.Add(point.Telemetry, seats(10, int64(w*1_000_000+i*10)), nil)
			}
		})
	}
	wg.Wait()
	stop()
	seen := map[uint64]bool{}
	for _, m := range s.lane(t, point.Telemetry) {
		for _, x := range m.Samples {
			if seen[x.Bits] {
				t.Fatalf("sample %d came twice", x.Bits)
			}
			seen[x.Bits] = true
		}
	}
	if len(seen) != 4*500*10 {
		t.Fatalf("%d samples, want %d", len(seen), 4*500*10)
	}
}

func TestLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSink()
		o := options(t, s)
		o.Linger = 5 * time.Millisecond
		o.MaxSamples = 100
		b, stop := start(t, o)
		defer stop()
		after := func(what string, lane point.Lane, r *filter.Report, want time.Duration) {
			t.Helper()
			synctest.Wait()
			n, begin := len(s.sent()), time.Now()
			b.Add(lane, r, nil)
			time.Sleep(time.Minute)
			at := s.sent()
			if len(at) != n+1 {
				t.Fatalf("%s: %d batches", what, len(at)-n)
			}
			if took := at[n].Sub(begin); took != want {
				t.Errorf("%s: closed after %v, want %v", what, took, want)
			}
		}
		after("quiet telemetry", point.Telemetry, seats(1, 1), time.Millisecond)
		after("critical", point.Critical, gate(1, "a"), CriticalLinger)
		after("full", point.Telemetry, seats(100, 1), 0)
		s.set(func() { s.live = 10 })
		after("piling up, quiet before", point.Telemetry, seats(1, 1), time.Millisecond)
		after("piling up", point.Telemetry, seats(1, 1), 10*time.Millisecond)
		after("piling up more", point.Telemetry, seats(1, 1), 20*time.Millisecond)
		after("piling up most", point.Telemetry, seats(1, 1), 40*time.Millisecond)
		s.set(func() { s.live = 0 })
		after("bound", point.Telemetry, seats(1, 1), 50*time.Millisecond)
		after("fading", point.Telemetry, seats(1, 1), 25*time.Millisecond)
		after("faded more", point.Telemetry, seats(1, 1), 10*time.Millisecond)
		after("faded", point.Telemetry, seats(1, 1), time.Millisecond)

		// A lane in steady use closes at Linger.
		n := len(s.sent())
		for range 100 {
			b.Add(point.Telemetry, seats(1, 1), nil)
			time.Sleep(500 * time.Microsecond)
		}
		if got := len(s.sent()) - n; got < 9 || got > 12 {
			t.Errorf("%d batches in 50 ms of steady use, want about 10", got)
		}
	})
}

func TestCursorsAndCallbacksGoWithTheLastPart(t *testing.T) {
	s := newSink()
	o := options(t, s)
	o.MaxSamples, o.Linger = 4, time.Hour
	b, stop := start(t, o)
	r := new(filter.Report)
	for i := range uint64(10) {
		g := gate(i, "x")
		r.Samples = append(r.Samples, g.Samples...)
		r.Runs = g.Runs
	}
	r.Cursors = gate(9, "ninth").Cursors
	calls := 0
	b.Add(point.Critical, r, func() { calls++ })
	stop()
	if len(s.frames) != 3 {
		t.Fatalf("%d frames", len(s.frames))
	}
	for i := range s.frames {
		last := i == 2
		if got := len(s.cursors[i]) == 1 && string(s.cursors[i][0].Bytes) == "ninth"; got != last || (len(s.durable[i]) == 1) != last {
			t.Fatalf("part %d: cursors %v, %d callbacks", i, s.cursors[i], len(s.durable[i]))
		}
	}
	for _, m := range s.lane(t, point.Critical) {
		if len(m.Runs) != 1 {
			t.Fatalf("a part has %d runs", len(m.Runs))
		}
	}
	if calls != 0 {
		t.Fatal("told durable before it was")
	}
}

func TestNewestCursorOfAPointWins(t *testing.T) {
	s := newSink()
	o := options(t, s)
	b, stop := start(t, o)
	for i := range uint64(5) {
		b.Add(point.Critical, gate(i, fmt.Sprint("c", i)), func() {})
	}
	stop()
	last := s.cursors[len(s.cursors)-1]
	if len(last) != 1 || string(last[0].Bytes) != "c4" {
		t.Fatalf("cursors %v", s.cursors)
	}
}

// Bytes that do not compress are divided into frames that fit, and batches close sooner from then on.
func TestTooLargeIsDivided(t *testing.T) {
	s := newSink()
	o := options(t, s)
	o.MaxBytes, o.Linger = 4096, time.Hour
	b, stop := start(t, o)
	noise := uint64(88172645463325252)
	total := 0
	for range 50 {
		r := new(filter.Report)
		for range 200 {
			noise ^= noise << 13
			noise ^= noise >> 7
			noise ^= noise << 17
			r.Samples = append(r.Samples, point.Sample{Index: 4, Time: int64(noise >> 20), Bits: noise>>2 | 1<<60})
		}
		total += len(r.Samples)
		b.Add(point.Telemetry, r, nil)
	}
	stop()
	got := 0
	for _, f := range s.frames {
		if len(f) > o.MaxBytes {
			t.Fatalf("a frame of %d bytes", len(f))
		}
	}
	for _, m := range s.lane(t, point.Telemetry) {
		got += len(m.Samples)
	}
	st := b.Stats(point.Telemetry)
	if got != total || st.Divided == 0 || st.Lost != 0 {
		t.Fatalf("%d of %d samples, %+v", got, total, st)
	}
	if st.Divided > st.Batches {
		t.Fatalf("divided %d times for %d batches: the size is not learnt", st.Divided, st.Batches)
	}
}

func TestASampleThatCannotBeEncodedIsLeftOutAlone(t *testing.T) {
	s := newSink()
	o := options(t, s)
	o.Linger = time.Hour
	b, stop := start(t, o)
	r := seats(20, 1)
	r.Samples[13].Index = 99 // beyond the table
	b.Add(point.Telemetry, r, nil)
	stop()
	n := 0
	for _, m := range s.lane(t, point.Telemetry) {
		n += len(m.Samples)
	}
	if n != 19 || b.Stats(point.Telemetry).Lost != 1 {
		t.Fatalf("%d samples came, %+v", n, b.Stats(point.Telemetry))
	}
	if len(s.declared) != 1 || !s.declared[0].PointKnown || s.declared[0].First != 14 || s.declared[0].Count != 1 {
		t.Fatalf("declared %+v", s.declared)
	}
}

func TestBackloggedCriticalWaitsAndTelemetryDoesNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSink()
		s.refuse = fmt.Errorf("appending: %w", spool.ErrBacklogged)
		o := options(t, s)
		o.MaxSamples = 3
		b, stop := start(t, o)
		added := make(chan int, 100)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for i := range 12 {
				b.Add(point.Critical, gate(uint64(i), "c"), nil)
				added <- i
			}
		}()
		time.Sleep(time.Minute)
		if n := len(added); n < 3 || n > 8 {
			t.Fatalf("%d of 12 critical reports were taken by a backlogged spool", n)
		}
		for i := range 50 {
			b.Add(point.Telemetry, seats(2, int64(i)), nil)
		}
		time.Sleep(time.Second)
		if n := b.Stats(point.Telemetry).Samples; n != 100 {
			t.Fatalf("%d telemetry samples went on", n)
		}
		s.set(func() { s.refuse = nil })
		s.room <- struct{}{}
		<-done
		stop()
		n := 0
		for _, m := range s.lane(t, point.Critical) {
			n += len(m.Samples)
		}
		if n != 12 || b.Stats(point.Critical).Waits == 0 || b.Stats(point.Critical).Lost != 0 {
			t.Fatalf("%d critical samples, %+v", n, b.Stats(point.Critical))
		}
	})
}

func TestStopFlushesAndGivesUpInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSink()
		s.refuse = spool.ErrBacklogged
		o := options(t, s)
		o.Linger = time.Hour
		b, stop := start(t, o)
		b.Add(point.Telemetry, seats(3, 1), nil)
		b.Add(point.Critical, gate(1, "c"), func() { t.Error("told durable") })
		begin := time.Now()
		stop()
		if took := time.Since(begin); took != StopPatience {
			t.Errorf("stopped after %v", took)
		}
		if m := s.lane(t, point.Telemetry); len(m) != 1 || len(m[0].Samples) != 3 {
			t.Fatalf("telemetry %v", m)
		}
		if st := b.Stats(point.Critical); st.Lost != 1 {
			t.Fatalf("%+v", st)
		}
		b.Add(point.Critical, gate(2, "d"), nil) // after the end
		if st := b.Stats(point.Critical); st.Lost != 2 {
			t.Fatalf("%+v", st)
		}
	})
}

func TestGapsTravelWithTheNextCriticalBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSink()
		b, stop := start(t, options(t, s))
		gap := point.Gap{Epoch: point.Epoch{3}, Lane: point.Telemetry, From: 1, To: 4, Count: 9, Reason: point.GapDropped}
		s.set(func() { s.gaps = []point.Gap{gap} })
		s.waiting <- struct{}{}
		time.Sleep(time.Second)
		m := s.lane(t, point.Critical)
		if len(m) != 1 || len(m[0].Samples) != 0 || len(m[0].Gaps) != 1 || m[0].Gaps[0] != gap || !s.carried[0] {
			t.Fatalf("batches %+v, carried %v", m, s.carried)
		}
		s.waiting <- struct{}{} // nothing behind it
		time.Sleep(time.Second)
		s.set(func() { s.gaps = []point.Gap{gap} })
		b.Add(point.Critical, gate(1, "c"), nil)
		b.Note(point.Reduced{Since: 5, DeadbandFactor: 2})
		time.Sleep(time.Second)
		stop()
		if m = s.lane(t, point.Critical); len(m) != 2 || len(m[1].Samples) != 1 || len(m[1].Gaps) != 1 {
			t.Fatalf("batches %+v", m)
		}
		if m = s.lane(t, point.Telemetry); len(m) != 1 || len(m[0].Reduced) != 1 {
			t.Fatalf("batches %+v", m)
		}
	})
}

// What the filters leave out is said by each batch that it concerns, and its end once.
func TestReducedIsDeclaredWithEachBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSink()
		b, stop := start(t, options(t, s))
		send := func() { b.Add(point.Telemetry, seats(3, 1), nil); time.Sleep(time.Second) }
		send()
		on, off := point.Reduced{Since: 5, DeadbandFactor: 4, MinInterval: time.Second}, point.Reduced{Since: 9, DeadbandFactor: 1}
		b.Note(on)
		send()
		send()
		b.Note(off)
		send()
		send()
		stop()
		var got []point.Reduced
		batches := s.lane(t, point.Telemetry)
		for _, m := range batches {
			got = append(got, m.Reduced...)
		}
		if want := []point.Reduced{on, on, off}; !slices.Equal(got, want) || len(batches) != 5 || len(batches[0].Reduced)+len(batches[4].Reduced) != 0 {
			t.Fatalf("%d batches declare %+v, want %+v", len(batches), got, want)
		}
	})
}

func TestNewRefuses(t *testing.T) {
	if _, err := New(Options{}); err == nil {
		t.Fatal("a batcher without a sink")
	}
}
