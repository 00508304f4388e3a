package venue

import (
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/courtside-edge/courtside/cloud/log"
	"github.com/courtside-edge/courtside/cloud/venuemap"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// Defaults of Options.
const (
	DefaultBucket  = time.Minute
	DefaultHorizon = 26 * time.Hour
	// LateBy is how far ahead of the venue's own time a sample may be dated and still move an answer.
	LateBy = 5 * time.Second
)

// Gateway grants one gateway the devices that it may report. A device may be granted to several: then the one with the smallest rank
// speaks for it, and of equal ranks the one that is named first, wherever it has no gap.
type Gateway struct {
	ID      point.ID
	Devices []point.ID
	Ranks   map[point.ID]int // by device; 0 for those that are not in it
}

// Options describe one venue.
type Options struct {
	ID       point.ID
	Map      *venuemap.Map // nil for a venue without one
	Gateways []Gateway
	Limits   wire.Limits
	Bucket   time.Duration // step of history; 0 for DefaultBucket
	Horizon  time.Duration // how long edges are kept; 0 for DefaultHorizon
	// Fetch reads one record of the log again, for frames that waited for their table.
	Fetch func(offset uint64) (log.Record, error)
	Now   func() time.Time // nil for time.Now
	Log   *slog.Logger     // nil for none
	// Observe is called after each applied batch, outside any lock; nil for none.
	Observe func(Applied)
}

// Applied describes one batch that moved the state.
type Applied struct {
	Venue, Gateway point.ID
	ID             point.BatchID
	Samples        int
	Newest         time.Time // of its samples
	Received       time.Time // when it came, as the log has it
	Began          time.Time // when it was taken from the log
	At             time.Time // when the state showed it
	Trace          string
}

// Effect is something that the venue wants done; the assembly routes it.
type Effect struct {
	Gateway     point.ID
	TableWanted point.TableHash // zero for none
	SetAside    wire.Notice     // why something of the gateway was set aside; zero when nothing was
}

// Venue is one venue's state.
type Venue struct {
	o     Options
	tally atomic.Pointer[tally]

	applying sync.Mutex // held by whoever applies; guards what follows
	decoder  *wire.Decoder
	batch    wire.Batch
	began    time.Time   // when the record at hand was taken
	notice   wire.Notice // why the newest batch of the record at hand was set aside
	runs     runList

	mu       sync.RWMutex // taken after applying
	gateways map[point.ID]*gateway
	order    []*gateway
	series   map[seriesKey]*series
	points   []*pointState // in order of first mention
	byPoint  map[pointKey]*pointState
	seats    []seat
	seatAt   map[string]int
	gates    map[string]*gate
	gateIDs  []string
	panels   map[string]*panel
	panelIDs []string
	tracks   tracks
	future   futureHeap
	tables   int    // tables that came
	offset   uint64 // next log offset
	count    Counts
	// strangers is what was set aside of gateways that the configuration does not name.
	strangers shelf
	pruned    time.Time // when the horizon was looked at last
	version   uint64    // grows with each change of state
	changed   chan struct{}
}

// Counts are the venue's totals since the process started.
type Counts struct {
	Batches, Samples, Duplicates, Conflicts, Future, Unplaced uint64
	Late                                                      uint64            // samples and events dated before the horizon that no count could take any more
	Unaccounted                                               uint64            // batches of which an alarm was raised: neither durable, nor pending, nor declared
	Forgotten                                                 uint64            // frames that were set aside and given up for lack of space
	GapsDropped                                               uint64            // declared losses that could not be kept
	SetAside                                                  map[string]uint64 // by reason
}

type pointKey struct {
	device point.ID
	name   point.Name
}

type seriesKey struct {
	gateway *gateway
	pointKey
}

// New returns an empty venue.
func New(o Options) (*Venue, error) {
	if o.Bucket <= 0 {
		o.Bucket = DefaultBucket
	}
	if o.Horizon <= 0 {
		o.Horizon = DefaultHorizon
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Log = o.Log.With("venue", o.ID)
	decoder, err := wire.NewDecoder(o.Limits)
	if err != nil {
		return nil, fmt.Errorf("venue %s: %w", o.ID, err)
	}
	v := &Venue{o: o, decoder: decoder, gateways: map[point.ID]*gateway{},
		series: map[seriesKey]*series{}, byPoint: map[pointKey]*pointState{}, seatAt: map[string]int{},
		gates: map[string]*gate{}, panels: map[string]*panel{}, changed: make(chan struct{})}
	v.count.SetAside = map[string]uint64{}
	for i := range o.Gateways {
		gw := newGateway(i, o.Bucket, &o.Gateways[i])
		v.gateways[gw.id] = gw
		v.order = append(v.order, gw)
	}
	if o.Map != nil {
		v.placeMap(o.Map)
	}
	return v, nil
}

// ID returns the venue's id.
func (v *Venue) ID() point.ID { return v.o.ID }

// Map returns the venue's map, nil when it has none.
func (v *Venue) Map() *venuemap.Map { return v.o.Map }

// Bucket returns the step of the venue's history.
func (v *Venue) Bucket() time.Duration { return v.o.Bucket }

// Offset returns the log offset after the last record that was applied.
func (v *Venue) Offset() uint64 {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.offset
}

// Changed returns a channel that is closed at the next change of state or of the overlay.
func (v *Venue) Changed() <-chan struct{} {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.changed
}

// Version grows with each change; equal versions mean equal answers at equal times.
func (v *Venue) Version() uint64 {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.version
}

// Counts returns the totals.
func (v *Venue) Counts() Counts {
	v.mu.RLock()
	defer v.mu.RUnlock()
	c := v.count
	c.SetAside = make(map[string]uint64, len(v.count.SetAside))
	maps.Copy(c.SetAside, v.count.SetAside)
	return c
}

// limit is the time behind which nothing counts yet.
func (v *Venue) limit() int64 { return v.o.Now().Add(LateBy).UnixNano() }

// touch tells everybody who waits that something changed. The caller holds the lock.
func (v *Venue) touch() {
	v.version++
	close(v.changed)
	v.changed = make(chan struct{})
}
