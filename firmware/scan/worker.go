package scan

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/firmware/filter"
	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/notify"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/policy"
)

// mapAge is how old a time map may be that cursors are dated with; asking the clock for each block would cost more than the block.
const mapAge = int64(100 * time.Millisecond)

// Batcher takes what passed the filter. It copies the report and may block while there is no room. durable,
// which may be nil, is called once what the report holds is durable, by any goroutine.
type Batcher interface {
	Add(lane point.Lane, r *filter.Report, durable func())
}

// Options is what a worker works with. All but Observer and Log are required.
type Options struct {
	Device   point.ID
	Source   drivers.Source
	Classes  []drivers.ScanClass // as the device was prepared with
	Filter   *filter.Filter      // the worker's own from New on
	Batcher  Batcher
	Clock    clock.Clock
	Observer Observer     // nil for nobody
	Log      *slog.Logger // carries venue, gateway and device; nil for none
}

// Worker runs the connection to one device.
type Worker struct {
	o    Options
	acks acks

	feed    sync.Mutex // one call of filter and batcher at a time: a subscription and its ticks take turns
	timeMap clock.Map
	mapped  bool
	taps    []*tap
	acking  bool       // the present connection wants to know what is durable
	reduced *reduction // what the filter was told last

	reduction atomic.Pointer[reduction] // what it is to be told; nil for nothing yet

	pulse notify.Pulse

	mu     sync.Mutex
	status Status
}

// New returns a worker that does nothing until Run.
func New(o Options) *Worker {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	w := &Worker{o: o, acks: acks{signal: make(chan struct{}, 1)}}
	w.status.Since = o.Clock.Mono()
	for _, c := range o.Classes {
		w.status.Classes = append(w.status.Classes, ClassStatus{Name: c.Name})
	}
	return w
}

// Run keeps a connection to the device until ctx ends, and returns when everything that it started is over. It is called once.
func (w *Worker) Run(ctx context.Context) error {
	defer w.pulse.Rest()
	held := false // the connection that just ended had been open
	retries := policy.Retries{
		Wait: func(n int, err error) time.Duration { return backoff{}.wait(n, drivers.IsPermanent(err)) },
		Failed: func(err error, wait time.Duration) {
			w.failed(err, held, wait)
			w.pulse.Rest()
		},
		Settled: func(_ error, lasted time.Duration) bool { return held && lasted >= settled },
	}
	serve := policy.Retry[struct{}](retries, w.o.Clock)(func(ctx context.Context) (_ struct{}, err error) {
		held, err = w.connect(ctx)
		return struct{}{}, err
	})
	_, _ = serve(ctx) // the context's end, nothing else
	return nil
}

// Stuck returns an error when the worker has been at one step for longer than patience: in a call into the driver that gave no block, at a
// lock, or at a batcher that waits for a backlogged spool.
func (w *Worker) Stuck(patience time.Duration) error {
	return w.pulse.Stuck("the worker of device "+string(w.o.Device), patience)
}

// connect opens a connection and serves it to its end. held says that it opened.
func (w *Worker) connect(ctx context.Context) (held bool, err error) {
	var conn drivers.Conn
	w.pulse.Work()
	err = w.guard("open the connection", func() (err error) {
		conn, err = w.o.Source.Open(ctx)
		return err
	})
	if err == nil && conn == nil {
		err = errNoConn
	}
	if err != nil {
		return false, err
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { // ends a Poll or Subscribe that does not look at its context
		defer close(ended)
		w.close(conn)
	})
	defer func() {
		if !stop() {
			<-ended
		}
		w.close(conn)
	}()
	w.pulse.Work()
	_, acking := conn.(drivers.Acknowledger)
	w.feed.Lock()
	w.acking = acking
	w.feed.Unlock()
	if sub, ok := conn.(drivers.Subscriber); ok {
		return true, w.subscribe(ctx, sub)
	}
	return true, w.poll(ctx, conn)
}

// close closes conn; there is nothing to do about an error but to say it.
func (w *Worker) close(conn drivers.Conn) {
	if err := w.guard("close the connection", conn.Close); err != nil {
		w.o.Log.Debug("closing the connection", "err", err)
	}
}

// failed makes every point bad, once, and says so.
func (w *Worker) failed(err error, held bool, wait time.Duration) {
	w.mu.Lock()
	w.status.Failures++
	before := w.status.State
	if before == Up {
		w.status.Lost++
	}
	w.mu.Unlock()
	state := Down
	if drivers.IsPermanent(err) {
		state = Failed
	}
	level := slog.LevelDebug
	if state != before {
		level = slog.LevelWarn
	}
	w.o.Log.Log(context.Background(), level, "device "+state.String(), "err", err, "retry_in", wait)
	w.feed.Lock()
	now := w.o.Clock.Mono()
	telemetry, critical := w.o.Filter.Fail(quality(err, held), now, w.mapAt(now))
	w.deliver(telemetry, critical)
	w.feed.Unlock()
	w.enter(state, err)
}

// take filters one block and passes on what is worth a report.
func (w *Worker) take(b *drivers.Block) {
	w.feed.Lock()
	defer w.feed.Unlock()
	w.economise()
	for _, t := range w.taps {
		t.see(b)
	}
	telemetry, critical := w.o.Filter.Apply(b, w.mapAt(b.Time))
	w.deliver(telemetry, critical)
	w.answered(b)
}

// answered counts a block; the first one of a connection that holds an answer brings the device up. A refusal is one, a timeout is none:
// who takes connections and says nothing stays down.
func (w *Worker) answered(b *drivers.Block) {
	alive, heard := false, len(b.Readings) == 0
	for i := range b.Readings {
		q := b.Readings[i].Quality
		heard = heard || q != point.BadTimeout
		if !q.IsBad() {
			alive = true
			break
		}
	}
	w.mu.Lock()
	w.status.Values += uint64(len(b.Readings))
	if alive {
		w.status.LastAnswer = b.Time
	}
	up := w.status.State == Up
	w.mu.Unlock()
	if heard && !up {
		w.o.Log.Info("device up")
		w.enter(Up, nil)
	}
}

// silence repeats what has been silent for too long on a connection that lives.
func (w *Worker) silence() {
	w.feed.Lock()
	defer w.feed.Unlock()
	w.economise()
	now := w.o.Clock.Mono()
	telemetry, critical := w.o.Filter.Silence(now, w.mapAt(now))
	w.deliver(telemetry, critical)
}

// deliver hands reports to the batcher. The caller holds feed.
func (w *Worker) deliver(telemetry, critical *filter.Report) {
	passed := 0
	if !telemetry.Empty() {
		passed += len(telemetry.Samples)
		w.o.Batcher.Add(point.Telemetry, telemetry, nil)
	}
	if !critical.Empty() {
		passed += len(critical.Samples)
		w.o.Batcher.Add(point.Critical, critical, w.durable(critical))
	}
	if passed > 0 {
		w.mu.Lock()
		w.status.Passed += uint64(passed)
		w.status.Bad = w.o.Filter.Bad()
		w.mu.Unlock()
	}
}

// mapAt returns a time map that is at most mapAge old. The caller holds feed.
func (w *Worker) mapAt(mono int64) clock.Map {
	if age := mono - w.timeMap.From; !w.mapped || age < 0 || age >= mapAge {
		w.timeMap, w.mapped = w.o.Clock.Map(), true
		w.timeMap.From = mono
	}
	return w.timeMap
}
