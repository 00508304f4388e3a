package batch

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/courtside-edge/courtside/firmware/filter"
	"github.com/courtside-edge/courtside/sync/notify"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/spool"
	"github.com/courtside-edge/courtside/sync/wire"
)

// lane is one lane's open batch and the goroutine that closes it.
type lane struct {
	o     *Options
	which point.Lane
	log   *slog.Logger
	counters
	pulse      notify.Pulse
	backlogged atomic.Bool // the loop waits for the spool

	mu      sync.Mutex
	roomy   sync.Cond // the open batch was swapped, or the lane has stopped
	open    *bundle
	sealed  []*bundle // closed by a change of the table, oldest first
	points  []point.Point
	hash    point.TableHash
	reduced point.Reduced // in force
	target  int           // samples at which the batch closes
	stopped bool
	filled  chan struct{} // a token: something is in the open batch that was not before, or it is full

	// Of the goroutine alone.
	enc    *wire.Encoder
	spare  *bundle
	part   wire.Batch
	frame  []byte
	growth int
	closed time.Time // when the last batch closed
	opened time.Time // when somebody began to wait for the open one; zero for not yet
	trace  string    // of the batch that is being encoded
	lossy  bool      // a sample that cannot be encoded was logged
}

func (l *lane) add(r *filter.Report, durable func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.open.Samples) >= l.target && !l.stopped {
		l.roomy.Wait()
	}
	if l.stopped {
		l.lost.Add(uint64(len(r.Samples)))
		return
	}
	was := l.open.empty()
	l.open.add(l.points, r, durable)
	if was || len(l.open.Samples) >= l.target {
		l.tell()
	}
}

func (l *lane) note(r point.Reduced) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open.Reduced = append(l.open.Reduced, r)
	l.reduced = r
	l.tell()
}

func (l *lane) tell() {
	select {
	case l.filled <- struct{}{}:
	default:
	}
}

// use makes a table the one that samples added from now on refer to. What is open stays with its own table and is closed at once;
// on the critical lane even when it is empty, so that gaps which name points of that table go with it.
func (l *lane) use(points []point.Point, hash point.TableHash) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.which == point.Critical || !l.open.empty() {
		l.open.points, l.open.Table = l.points, l.hash
		l.sealed = append(l.sealed, l.open)
		l.open = newBundle()
		l.roomy.Broadcast()
		l.tell()
	}
	l.points, l.hash = points, hash
}

// take returns the oldest batch that is to be closed, with its table.
func (l *lane) take() (b *bundle) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer func() { b.declare(l.reduced) }()
	if len(l.sealed) > 0 {
		b = l.sealed[0]
		l.sealed = append(l.sealed[:0:0], l.sealed[1:]...)
		return b
	}
	b = l.open
	l.open, l.spare = l.spare, nil
	b.points, b.Table = l.points, l.hash
	l.roomy.Broadcast()
	return b
}

// look says whether the open batch holds something, and whether it is full.
func (l *lane) look() (some, full bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.sealed) > 0 || !l.open.empty(), len(l.sealed) > 0 || len(l.open.Samples) >= l.target
}

// run closes batches until ctx ends, and then the last one.
func (l *lane) run(ctx context.Context) {
	var gaps <-chan struct{}
	if l.which == point.Critical {
		gaps = l.o.Sink.GapsWaiting()
	}
	defer l.pulse.Rest()
	for ctx.Err() == nil {
		l.pulse.Work()
		if some, _ := l.look(); some {
			l.opened = time.Now()
			l.linger(ctx)
			l.flush(ctx)
			continue
		}
		l.pulse.Rest()
		select {
		case <-l.filled:
		case <-gaps:
			l.pulse.Work()
			l.flush(ctx)
		case <-ctx.Done():
		}
	}
	l.pulse.Work()
	l.mu.Lock()
	l.stopped = true
	left := len(l.sealed) + 1
	l.roomy.Broadcast()
	l.mu.Unlock()
	for range left {
		l.flush(ctx)
	}
}

// linger waits until the open batch should close.
func (l *lane) linger(ctx context.Context) {
	timer := time.NewTimer(l.delay())
	defer timer.Stop()
	for {
		if _, full := l.look(); full {
			return
		}
		select {
		case <-l.filled:
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// delay is how long a batch stays open; see the package comment.
func (l *lane) delay() time.Duration {
	if l.which == point.Critical {
		return min(l.o.Linger, CriticalLinger)
	}
	if l.growth == 1 && time.Since(l.closed) >= l.o.Linger {
		return l.o.Linger / quietFraction
	}
	return l.o.Linger * time.Duration(l.growth)
}

// flush closes the open batch, encodes it and appends it.
func (l *lane) flush(ctx context.Context) {
	b := l.take()
	l.closed = time.Now()
	carries := false
	if l.which == point.Critical {
		gaps := l.o.Sink.Gaps()
		b.Gaps = append(b.Gaps, gaps...)
		carries = len(gaps) > 0
	} else if l.o.Sink.LiveWaiting(point.Telemetry) >= piling {
		l.growth = min(2*l.growth, maxGrowth)
	} else {
		l.growth = max(l.growth/2, 1)
	}
	if !b.empty() {
		b.Venue, b.Gateway, b.Map, b.Trace = l.o.Venue, l.o.Gateway, l.o.Map(), l.o.Trace()
		if l.trace = b.Trace; l.opened.IsZero() {
			l.opened = l.closed // nobody waited for it
		}
		l.encode(ctx, b, carries)
	}
	l.opened = time.Time{}
	b.reset()
	l.spare = b // a sealed one's memory takes the place of the spare's
}

// encode appends b as one frame, or as several when one would be too large. Cursors and callbacks go with the last: what they cover is
// durable then, because frames become durable in order.
func (l *lane) encode(ctx context.Context, b *bundle, carries bool) {
	n := len(b.Samples)
	for from := 0; from < n || from == 0; {
		to := min(n, from+l.fits())
		to = l.encodePart(ctx, b, from, to, carries)
		if to >= n {
			return
		}
		from, carries = to, false
	}
}

// encodePart appends the samples from ≤ i < to, or as many of them as one frame holds, and returns where it ended.
func (l *lane) encodePart(ctx context.Context, b *bundle, from, to int, carries bool) int {
	for {
		m := &b.Batch
		if from > 0 || to < len(b.Samples) {
			b.cut(from, to, &l.part)
			m = &l.part
		}
		var err error
		l.frame, err = l.enc.Encode(l.frame[:0], l.which, b.points, m)
		switch {
		case err == nil:
			var cursors []point.Cursor
			var durable []func()
			if to == len(b.Samples) {
				cursors, durable = b.cursors, b.durable
			}
			l.adapt(to-from, len(l.frame))
			l.append(ctx, append([]byte(nil), l.frame...), uint64(to-from), cursors, carries, durable)
			return to
		case to-from <= 1:
			l.leaveOut(b, from, to, carries, err)
			return l.endEmpty(ctx, b, from, to)
		}
		l.divided.Add(1)
		if errors.Is(err, wire.ErrTooLarge) {
			l.shrink((to - from) / 2)
		}
		to = from + (to-from)/2
	}
}

// endEmpty appends the cursors and callbacks that would have gone with a sample that was left out.
func (l *lane) endEmpty(ctx context.Context, b *bundle, from, to int) int {
	if to < len(b.Samples) || len(b.cursors) == 0 && len(b.durable) == 0 {
		return to
	}
	b.cut(to, to, &l.part)
	l.part.Gaps, l.part.Reduced = nil, nil
	frame, err := l.enc.Encode(nil, l.which, b.points, &l.part)
	if err != nil {
		l.log.Error("a batch without samples cannot be encoded", "err", err)
		return to
	}
	l.append(ctx, frame, 0, b.cursors, false, b.durable)
	return to
}

// leaveOut declares the sample, or the gaps and notes, that no frame can hold.
func (l *lane) leaveOut(b *bundle, from, to int, carries bool, cause error) {
	if carries {
		l.o.Sink.ReturnGaps()
	}
	if !l.lossy {
		l.lossy = true
		l.log.Error("a sample cannot be encoded and is left out; further ones are only counted", "err", cause)
	}
	for _, s := range b.Samples[from:to] {
		l.lost.Add(1)
		l.o.Sink.Declare(point.Gap{PointKnown: true, Index: s.Index, Lane: l.which, First: s.Time, Last: s.Time,
			Boot: b.Map.Boot, Count: 1, Reason: point.GapDropped})
	}
}

// append hands a frame to the spool. A backlogged spool is waited for; it refuses critical frames alone.
func (l *lane) append(ctx context.Context, frame []byte, samples uint64, cursors []point.Cursor, carries bool, durable []func()) {
	var patience <-chan time.Time
	stop := ctx.Done()
	defer l.backlogged.Store(false)
	for {
		id, err := l.o.Sink.Append(frame, cursors, carries, durable)
		if err == nil {
			l.o.Closed(Closed{ID: id, Trace: l.trace, Samples: int(samples), Bytes: len(frame), Opened: l.opened, Taken: time.Now()})
			l.samples.Add(samples)
			l.batches.Add(1)
			l.bytes.Add(uint64(len(frame)))
			return
		}
		if !errors.Is(err, spool.ErrBacklogged) {
			l.giveUp(samples, carries, err)
			return
		}
		l.waits.Add(1)
		l.backlogged.Store(true)
		l.pulse.Rest()
		select {
		case <-l.o.Sink.Room():
		case <-stop:
			stop = nil
			timer := time.NewTimer(StopPatience)
			defer timer.Stop()
			patience = timer.C
		case <-patience:
			l.giveUp(samples, carries, err)
			return
		}
		l.pulse.Work()
	}
}

// giveUp leaves a frame behind. The devices were not told, and the cursors stay: what it held is read again.
func (l *lane) giveUp(samples uint64, carries bool, cause error) {
	if carries {
		l.o.Sink.ReturnGaps()
	}
	l.lost.Add(samples)
	l.log.Error("a batch was not taken by the spool", "samples", samples, "err", cause)
}

// fits returns how many samples one frame is expected to hold.
func (l *lane) fits() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.target
}

// shrink and adapt keep the number of samples at which a batch closes near what one frame holds.
func (l *lane) shrink(samples int) {
	l.mu.Lock()
	l.target = max(samples, 1)
	l.mu.Unlock()
}

func (l *lane) adapt(samples, bytes int) {
	if bytes > l.o.MaxBytes/2 || samples < l.target/2 {
		return
	}
	l.mu.Lock()
	l.target = min(l.target+l.target/8+1, l.o.MaxSamples)
	l.roomy.Broadcast()
	l.mu.Unlock()
}
