package batch

import (
	"github.com/courtside-edge/courtside/firmware/filter"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// bundle is a batch being filled, with what goes along with it. Its memory is kept from one batch to the next.
type bundle struct {
	wire.Batch
	points   []point.Point // the table that Batch.Table names; set when the bundle closes
	cursors  []point.Cursor
	cursorAt map[cursorKey]int
	runs     map[uint32]uint64 // newest run of each counter in Runs
	durable  []func()
}

type cursorKey struct {
	device point.ID
	name   point.Name
}

func newBundle() *bundle {
	return &bundle{cursorAt: map[cursorKey]int{}, runs: map[uint32]uint64{}}
}

// empty reports whether there is nothing to be told.
func (b *bundle) empty() bool {
	return len(b.Samples) == 0 && len(b.Gaps) == 0 && len(b.cursors) == 0 && len(b.Reduced) == 0 && len(b.durable) == 0
}

// declare notes what the filters leave out, if it is something and b has samples of theirs and no newer note.
func (b *bundle) declare(r point.Reduced) {
	if len(b.Samples) > 0 && len(b.Reduced) == 0 && (r.DeadbandFactor > 1 || r.MinInterval > 0) {
		b.Reduced = append(b.Reduced, r)
	}
}

// add copies r in. Positions and texts are counted on.
func (b *bundle) add(table []point.Point, r *filter.Report, durable func()) {
	base, texts := len(b.Samples), len(b.Texts)
	b.Samples = append(b.Samples, r.Samples...)
	if len(r.Texts) > 0 {
		b.Texts = append(b.Texts, r.Texts...)
		for i := range b.Samples[base:] {
			if s := &b.Samples[base+i]; table[s.Index].Type == point.Text {
				s.Bits += uint64(texts)
			}
		}
	}
	for _, d := range r.DeviceTimes {
		d.Position += uint32(base)
		b.DeviceTimes = append(b.DeviceTimes, d)
	}
	for _, e := range r.Events {
		e.Position += uint32(base)
		b.Events = append(b.Events, e)
	}
	for _, c := range r.Runs {
		if newest, ok := b.runs[c.Index]; !ok || newest != c.Run {
			b.runs[c.Index] = c.Run
			b.Runs = append(b.Runs, c)
		}
	}
	b.Gaps = append(b.Gaps, r.Gaps...)
	for _, c := range r.Cursors {
		b.addCursor(c)
	}
	if durable != nil {
		b.durable = append(b.durable, durable)
	}
}

// addCursor keeps the newest cursor of each point.
func (b *bundle) addCursor(c point.Cursor) {
	k := cursorKey{c.Device, c.Name}
	if at, ok := b.cursorAt[k]; ok {
		b.cursors[at] = c
		return
	}
	b.cursorAt[k] = len(b.cursors)
	b.cursors = append(b.cursors, c)
}

// reset empties b. What was handed on with a frame is not reused.
func (b *bundle) reset() {
	clear(b.Texts)
	b.Batch.Reset()
	clear(b.cursorAt)
	clear(b.runs)
	b.cursors, b.durable, b.points = nil, nil, nil
}

// cut fills into with the samples from ≤ i < to of b and all that belongs to them. Gaps go with the first part, notes with each.
func (b *bundle) cut(from, to int, into *wire.Batch) {
	into.Reset()
	into.Venue, into.Gateway, into.Trace, into.Map, into.Table = b.Venue, b.Gateway, b.Trace, b.Map, b.Table
	into.Samples = append(into.Samples, b.Samples[from:to]...)
	into.Texts = append(into.Texts, b.Texts...) // an encoder writes only those that samples refer to
	for _, d := range b.DeviceTimes {
		if int(d.Position) >= from && int(d.Position) < to {
			d.Position -= uint32(from)
			into.DeviceTimes = append(into.DeviceTimes, d)
		}
	}
	for _, e := range b.Events {
		if int(e.Position) >= from && int(e.Position) < to {
			e.Position -= uint32(from)
			into.Events = append(into.Events, e)
		}
	}
	named := make(map[uint32]bool, len(b.runs))
	if len(b.Runs) > 0 {
		for i := range into.Samples {
			named[into.Samples[i].Index] = true
		}
	}
	for _, r := range b.Runs {
		if named[r.Index] {
			into.Runs = append(into.Runs, r)
		}
	}
	into.Reduced = append(into.Reduced, b.Reduced...)
	if from == 0 {
		into.Gaps = append(into.Gaps, b.Gaps...)
	}
}
