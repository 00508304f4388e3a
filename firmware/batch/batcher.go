package batch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/courtside-edge/courtside/firmware/filter"
	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// Defaults and bounds of Options.
const (
	DefaultLinger     = 5 * time.Millisecond
	DefaultMaxSamples = 65536
	DefaultMaxBytes   = 256 << 10
	// CriticalLinger bounds how long a critical batch stays open: a gate must be told fast.
	CriticalLinger = 2 * time.Millisecond
	// StopPatience is how long a critical batch is offered to a backlogged spool when the batcher stops.
	StopPatience = time.Second

	quietFraction = 5  // a quiet lane's batch closes after Linger / quietFraction
	maxGrowth     = 10 // Linger × maxGrowth is the longest
	piling        = 4  // live batches waiting for the uplink that make the linger grow
)

// Sink takes frames; firmware/store's Keeper is the product's.
type Sink interface {
	// Append numbers and holds an unsealed frame, which is the sink's from there on unless it returns an error. durable is called once the frame is.
	Append(frame []byte, cursors []point.Cursor, carriesGaps bool, durable []func()) (point.BatchID, error)
	// Room has a token when a critical frame that was refused may be tried again.
	Room() <-chan struct{}
	// GapsWaiting has a token when Gaps has something for the next critical batch.
	GapsWaiting() <-chan struct{}
	Gaps() []point.Gap
	ReturnGaps()
	Declare(point.Gap)
	// LiveWaiting returns how many batches wait for their first publish.
	LiveWaiting(point.Lane) uint64
}

// Options configure a Batcher. Venue, Gateway, Table, Hash, Map and Sink are required; zero values elsewhere stand for the defaults.
type Options struct {
	Venue, Gateway point.ID
	Table          []point.Point // what indices refer to until UseTable; must not change
	Hash           point.TableHash
	Map            func() clock.Map // the time map in force
	Trace          func() string    // W3C traceparent for a batch that closes; nil for none
	Closed         func(Closed)     // is told of each batch that the sink took, on the lane's goroutine; must not block; nil for nobody
	Sink           Sink
	Linger         time.Duration
	MaxSamples     int
	MaxBytes       int // of a frame
	Log            *slog.Logger
}

// Closed is a batch that the sink took.
type Closed struct {
	ID            point.BatchID
	Trace         string // its trace parent; several that one open batch became share it
	Samples       int
	Bytes         int       // of its frame
	Opened, Taken time.Time // when its first sample was seen to wait, and when the sink had it
}

// Batcher collects reports into batches. Add is safe for concurrent use; Run has to run meanwhile.
type Batcher struct {
	o     Options
	lanes [2]*lane // telemetry, critical
}

// New returns a batcher.
func New(o Options) (*Batcher, error) {
	if o.Sink == nil || o.Map == nil {
		return nil, errors.New("batcher: Options.Sink and Options.Map are required")
	}
	if o.Linger <= 0 {
		o.Linger = DefaultLinger
	}
	if o.MaxSamples <= 0 {
		o.MaxSamples = DefaultMaxSamples
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if o.Trace == nil {
		o.Trace = func() string { return "" }
	}
	if o.Closed == nil {
		o.Closed = func(Closed) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	b := &Batcher{o: o}
	for at, which := range []point.Lane{point.Telemetry, point.Critical} {
		enc, err := wire.NewEncoder(wire.Limits{MaxFrameBytes: o.MaxBytes, MaxSamples: o.MaxSamples})
		if err != nil {
			return nil, fmt.Errorf("batcher: %w", err)
		}
		l := &lane{o: &b.o, which: which, enc: enc, log: o.Log.With("lane", which.String()), filled: make(chan struct{}, 1),
			open: newBundle(), spare: newBundle(), points: o.Table, hash: o.Hash, target: o.MaxSamples, growth: 1}
		l.roomy.L = &l.mu
		b.lanes[at] = l
	}
	return b, nil
}

// Add copies r into the open batch of a lane. durable, which may be nil, is called once the batch that holds r is durable (critical
// lane only); it must not block. Add waits while a full batch is being encoded, and on the critical
// lane while the spool is backlogged. After Run has ended nothing is taken any more.
func (b *Batcher) Add(which point.Lane, r *filter.Report, durable func()) {
	if r.Empty() {
		return
	}
	b.lane(which).add(r, durable)
}

// UseTable makes a table the one that indices refer to from now on, at a batch border: what was added before goes out under the table
// that it was added under. The caller keeps every Add away meanwhile, and has made the table known to the spool. It does not wait for the spool.
func (b *Batcher) UseTable(points []point.Point, hash point.TableHash) {
	for _, l := range b.lanes {
		l.use(points, hash)
	}
}

// Note puts a note of what the filters leave out into the next telemetry batch, and while something is left out into each one after it,
// so that the loss of a batch does not hide it.
func (b *Batcher) Note(r point.Reduced) { b.lane(point.Telemetry).note(r) }

func (b *Batcher) lane(l point.Lane) *lane { return b.lanes[l-point.Telemetry] }

// Run closes batches until ctx ends; then it closes and appends what is open. End ctx after the last Add.
func (b *Batcher) Run(ctx context.Context) error {
	var lanes sync.WaitGroup
	for _, l := range b.lanes {
		lanes.Go(func() { l.run(ctx) })
	}
	lanes.Wait()
	return nil
}

// Stuck returns an error when a lane's loop has been at one step for longer than patience. To wait for a backlogged spool is none.
func (b *Batcher) Stuck(patience time.Duration) error {
	return errors.Join(b.lanes[0].pulse.Stuck("the batcher's telemetry lane", patience), b.lanes[1].pulse.Stuck("the batcher's critical lane", patience))
}

// Backlogged reports whether Adds wait for the spool to take on a batch.
func (b *Batcher) Backlogged() bool {
	return b.lanes[0].backlogged.Load() || b.lanes[1].backlogged.Load()
}

// Stats are totals of one lane.
type Stats struct {
	Samples uint64 // in batches that were appended
	Batches uint64
	Bytes   uint64 // of frames
	Divided uint64 // batches that were too large and became two
	Lost    uint64 // samples that could not be encoded, or were not taken when the batcher stopped
	Waits   uint64 // times that the spool was backlogged
}

type counters struct{ samples, batches, bytes, divided, lost, waits atomic.Uint64 }

// Stats returns totals of a lane.
func (b *Batcher) Stats(which point.Lane) Stats {
	c := &b.lane(which).counters
	return Stats{Samples: c.samples.Load(), Batches: c.batches.Load(), Bytes: c.bytes.Load(), Divided: c.divided.Load(),
		Lost: c.lost.Load(), Waits: c.waits.Load()}
}
