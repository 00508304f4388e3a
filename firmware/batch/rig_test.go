package batch

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/courtside-edge/courtside/firmware/filter"
	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var points = []point.Point{
	{Device: "plc-1", Name: "seat/1", Type: point.Int, Kind: point.Seat, Class: point.State, Lane: point.Telemetry},
	{Device: "plc-1", Name: "text/1", Type: point.Text, Kind: point.Generic, Class: point.State, Lane: point.Telemetry},
	{Device: "plc-1", Name: "gate/1", Type: point.Int, Kind: point.Gate, Class: point.Counter, Lane: point.Critical, Bits: 16, MaxRate: 5},
	{Device: "plc-1", Name: "ticket/1", Type: point.Int, Kind: point.Gate, Class: point.Event, Lane: point.Critical},
	{Device: "plc-1", Name: "float/1", Type: point.Float, Kind: point.Generic, Class: point.State, Lane: point.Telemetry},
}

// sink keeps what is appended, and refuses when it is told to.
type sink struct {
	mu       sync.Mutex
	frames   [][]byte
	at       []time.Time
	cursors  [][]point.Cursor
	durable  [][]func()
	carried  []bool
	refuse   error
	live     uint64
	gaps     []point.Gap
	out      bool
	declared []point.Gap
	room     chan struct{}
	waiting  chan struct{}
}

func newSink() *sink { return &sink{room: make(chan struct{}, 1), waiting: make(chan struct{}, 1)} }

func (s *sink) Append(frame []byte, cursors []point.Cursor, carries bool, durable []func()) (point.BatchID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h, err := wire.ParseHeader(frame)
	if err != nil {
		return point.BatchID{}, err
	}
	if s.refuse != nil && h.Lane == point.Critical {
		return point.BatchID{}, s.refuse
	}
	if carries {
		s.out = false
	}
	s.frames, s.at = append(s.frames, frame), append(s.at, time.Now())
	s.cursors, s.durable, s.carried = append(s.cursors, cursors), append(s.durable, durable), append(s.carried, carries)
	return point.BatchID{Lane: h.Lane}, nil
}

func (s *sink) Room() <-chan struct{}        { return s.room }
func (s *sink) GapsWaiting() <-chan struct{} { return s.waiting }
func (s *sink) Gaps() []point.Gap {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.gaps
	s.gaps, s.out = nil, len(g) > 0
	return g
}
func (s *sink) ReturnGaps()         { s.mu.Lock(); s.out = false; s.mu.Unlock() }
func (s *sink) Declare(g point.Gap) { s.mu.Lock(); s.declared = append(s.declared, g); s.mu.Unlock() }
func (s *sink) LiveWaiting(point.Lane) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live
}

// sent returns when each frame came.
func (s *sink) sent() []time.Time { s.mu.Lock(); defer s.mu.Unlock(); return slices.Clone(s.at) }

func (s *sink) set(f func()) { s.mu.Lock(); f(); s.mu.Unlock() }

// lane returns the decoded batches of a lane.
func (s *sink) lane(t testing.TB, which point.Lane) (out []wire.Batch) {
	t.Helper()
	s.each(t, func(h wire.Header, decode func([]point.Point) wire.Batch) {
		if h.Lane == which {
			out = append(out, decode(points))
		}
	})
	return out
}

// each gives every frame's header to do, and what decodes it under a table.
func (s *sink) each(t testing.TB, do func(h wire.Header, decode func([]point.Point) wire.Batch)) {
	t.Helper()
	dec, err := wire.NewDecoder(wire.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.frames {
		f = slices.Clone(f)
		wire.Seal(f, point.Epoch{1}, 1)
		h, err := wire.ParseHeader(f)
		if err != nil {
			t.Fatal(err)
		}
		do(h, func(table []point.Point) (b wire.Batch) {
			if _, err := dec.Decode(f, table, &b); err != nil {
				t.Fatal(err)
			}
			return b
		})
	}
}

func options(t testing.TB, s *sink) Options {
	t.Helper()
	_, hash, err := wire.EncodeTable(points, 64<<10)
	if err != nil {
		t.Fatal(err)
	}
	return Options{Venue: "dal-001", Gateway: "gw-north", Table: points, Hash: hash, Sink: s,
		Map: func() clock.Map { return clock.Map{Boot: clock.BootID{7}, Source: clock.NTP} }}
}

// start runs a batcher; the function that it returns stops it.
func start(t testing.TB, o Options) (*Batcher, func()) {
	t.Helper()
	b, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = b.Run(ctx) })
	return b, func() { cancel(); wg.Wait() }
}

func seats(n int, from int64) *filter.Report {
	r := new(filter.Report)
	for i := range n {
		r.Samples = append(r.Samples, point.Sample{Index: 0, Time: from + int64(i), Bits: point.IntBits(from + int64(i))})
	}
	return r
}

func gate(total uint64, cursor string) *filter.Report {
	return &filter.Report{Samples: []point.Sample{{Index: 2, Time: int64(1000 + total), Bits: total}},
		Runs:    []point.CounterRun{{Index: 2, Run: 5, Bits: 16, Reason: point.RunFirst}},
		Cursors: []point.Cursor{{Device: "plc-1", Name: "gate/1", Bytes: []byte(cursor)}}}
}

// told writes a sample out with all that belongs to it.
func told(b *wire.Batch, i int) string {
	s := b.Samples[i]
	out := fmt.Sprintf("point %d at %d quality %v", s.Index, s.Time, s.Quality)
	if points[s.Index].Type == point.Text {
		out += " text " + b.Texts[s.Bits]
	} else {
		out += fmt.Sprintf(" bits %d", s.Bits)
	}
	for _, d := range b.DeviceTimes {
		if int(d.Position) == i {
			out += fmt.Sprintf(" device time %d", d.UnixNano)
		}
	}
	for _, e := range b.Events {
		if int(e.Position) == i {
			out += fmt.Sprintf(" event %x", e.Key)
		}
	}
	if points[s.Index].Class == point.Counter {
		run := uint64(0)
		for _, r := range b.Runs {
			if r.Index == s.Index && r.Start <= s.Time {
				run = r.Run
			}
		}
		out += fmt.Sprintf(" run %d", run)
	}
	return out
}
