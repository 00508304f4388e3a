package venue_test

import (
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/courtside-edge/courtside/cloud/log"
	. "github.com/courtside-edge/courtside/cloud/venue"
	"github.com/courtside-edge/courtside/cloud/venue/venuetest"
	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// fate is what becomes of a batch.
type fate int

const (
	delivered fate = iota
	pending        // the gateway still holds it, and says so
	dropped        // the gateway declared it lost, with its times
	gone           // nobody says anything of it: lost in a cut if its epoch had one, else unaccounted
)

// made is a batch that a gateway made.
type made struct {
	id          point.BatchID
	batch       wire.Batch
	flats       []flat
	fate        fate
	first, last int64 // monotonic
}

// world is what one gateway made in two epochs, the second of which followed the first.
type world struct {
	t       *rapid.T
	r       *venuetest.Rig
	batches []*made
	next    map[point.BatchID]uint64 // by epoch and lane
	unclean bool                     // the first epoch ended in a power cut
}

var first, second = point.Epoch{1}, point.Epoch{2}

func newWorld(t *rapid.T, r *venuetest.Rig) *world {
	return &world{t: t, r: r, next: map[point.BatchID]uint64{}, unclean: rapid.Bool().Draw(t, "unclean")}
}

// add draws a batch and its fate.
func (w *world) add(epoch point.Epoch, lane point.Lane) {
	id := point.BatchID{Epoch: epoch, Lane: lane}
	seq := w.next[id]
	w.next[id]++
	id.Seq = seq
	m := &made{id: id, fate: rapid.SampledFrom([]fate{delivered, delivered, delivered, pending, dropped, gone}).Draw(w.t, "fate")}
	m.batch, m.flats = drawBatch(w.t, w.r, id)
	m.first, m.last = m.batch.Samples[0].Time, m.batch.Samples[0].Time
	for _, s := range m.batch.Samples {
		m.first, m.last = min(m.first, s.Time), max(m.last, s.Time)
	}
	w.batches = append(w.batches, m)
}

// gap declares what was dropped.
func (m *made) gap() point.Gap {
	return point.Gap{Epoch: m.id.Epoch, Lane: m.id.Lane, From: m.id.Seq, To: m.id.Seq + 1, First: m.first, Last: m.last, Boot: clock.BootID{1},
		Count: uint64(len(m.flats)), Reason: point.GapDropped}
}

// records returns what the cloud gets: batches, some of which carry gaps, and the newest inventory.
func (w *world) records() []log.Record {
	inv := w.inventory()
	var carriers []*made
	for _, m := range w.batches {
		if m.fate == delivered && m.id.Lane == point.Critical && m.id.Epoch == second {
			carriers = append(carriers, m)
		}
	}
	for _, m := range w.batches {
		if m.fate != dropped {
			continue
		}
		if len(carriers) == 0 || rapid.Bool().Draw(w.t, "told") {
			inv.Gaps = append(inv.Gaps, m.gap())
			continue
		}
		c := carriers[rapid.IntRange(0, len(carriers)-1).Draw(w.t, "carrier")]
		c.batch.Gaps = append(c.batch.Gaps, m.gap())
	}
	if w.unclean && len(carriers) > 0 && rapid.Bool().Draw(w.t, "cut is declared") {
		carriers[0].batch.Gaps = append(carriers[0].batch.Gaps, point.Gap{Epoch: first, Lane: point.Telemetry, Boot: clock.BootID{1}, Reason: point.GapPowerCut})
	}
	out := []log.Record{{Kind: log.Inventory, Payload: wire.EncodeInventory(inv)}}
	for _, m := range w.batches {
		if m.fate == delivered {
			out = append(out, log.Record{Kind: log.Batch, Payload: w.r.Frame(m.id, m.batch)})
		}
	}
	return out
}

// inventory is what the gateway says of both epochs once the second is open.
func (w *world) inventory() wire.Inventory {
	inv := wire.Inventory{Number: 1, Session: "s"}
	for _, e := range []point.Epoch{first, second} {
		ei := wire.EpochInventory{Epoch: e, Open: e == second, Clean: e == first && !w.unclean, Map: w.r.TimeMap()}
		if e == second {
			ei.Predecessor = first
		}
		for lane := point.Telemetry; lane <= point.Critical; lane++ {
			ei.Lanes = append(ei.Lanes, w.lane(e, lane))
		}
		inv.Epochs = append(inv.Epochs, ei)
	}
	return inv
}

func (w *world) lane(e point.Epoch, lane point.Lane) wire.LaneInventory {
	l := wire.LaneInventory{Lane: lane}
	for _, m := range w.batches {
		if m.id.Epoch != e || m.id.Lane != lane {
			continue
		}
		if m.fate == pending {
			l.Pending = append(l.Pending, wire.PendingRange{From: m.id.Seq, To: m.id.Seq + 1, First: m.first, Last: m.last})
		}
		if m.fate == pending || !w.cut(e) { // after a cut the gateway knows what it stored
			l.Next = m.id.Seq + 1
		}
	}
	return l
}

func (w *world) cut(e point.Epoch) bool { return e == first && w.unclean }

// obviousHole is batches of one lane that were lost.
type obviousHole struct {
	epoch       point.Epoch
	lane        point.Lane
	from, to    uint64 // to is beyond everything for an open end
	reason      point.GapReason
	first, last int64 // Unix ns
	exact       bool
}

const openEnd = 1 << 62

// obvious computes the state from the set.
func (w *world) obvious() *obvious {
	o := &obvious{table: w.r.Table, now: w.r.Now}
	for _, m := range w.batches {
		if m.fate == delivered {
			o.all = append(o.all, m.flats...)
		}
	}
	for _, e := range []point.Epoch{first, second} {
		for lane := point.Telemetry; lane <= point.Critical; lane++ {
			o.holes = append(o.holes, w.holes(e, lane)...)
		}
	}
	return o
}

// holes goes through the seqs of a lane one by one.
func (w *world) holes(e point.Epoch, lane point.Lane) (out []obviousHole) {
	var seqs []*made
	for _, m := range w.batches {
		if m.id.Epoch == e && m.id.Lane == lane {
			seqs = append(seqs, m)
		}
	}
	known, next := uint64(0), w.lane(e, lane).Next // what the cloud can know of
	for _, m := range seqs {
		if m.fate == delivered || m.fate == dropped && !w.cut(e) {
			known = max(known, m.id.Seq+1)
		}
	}
	known = max(known, next)
	cutFrom := uint64(0)
	if lane == point.Critical {
		cutFrom = next
	}
	for _, m := range seqs {
		h := obviousHole{epoch: e, lane: lane, from: m.id.Seq, to: m.id.Seq + 1, reason: point.GapUnaccounted}
		switch {
		case m.fate == delivered || m.fate == pending:
			continue
		case m.fate == dropped:
			h.reason, h.exact = point.GapDropped, true
			h.first, h.last = venuetest.Origin.UnixNano()+m.first, venuetest.Origin.UnixNano()+m.last
		case m.id.Seq >= known && !w.cut(e):
			continue // not even the inventory knows that it was given
		case m.id.Seq >= known:
			continue // part of the open end
		case w.cut(e) && m.id.Seq >= cutFrom:
			h.reason = point.GapPowerCut
		}
		out = append(out, h)
	}
	if w.cut(e) {
		out = append(out, obviousHole{epoch: e, lane: lane, from: max(known, cutFrom), to: openEnd, reason: point.GapPowerCut})
	}
	return w.dated(seqs, joined(out))
}

func joined(holes []obviousHole) (out []obviousHole) {
	slices.SortFunc(holes, func(a, b obviousHole) int { return int(min(a.from, 1<<30)) - int(min(b.from, 1<<30)) })
	for _, h := range holes {
		if n := len(out); n > 0 && out[n-1].to == h.from && out[n-1].reason == h.reason && out[n-1].exact == h.exact {
			out[n-1].to = h.to
			out[n-1].first, out[n-1].last = min(out[n-1].first, h.first), max(out[n-1].last, h.last)
			continue
		}
		out = append(out, h)
	}
	return out
}

// dated gives the holes without times of their own those of the held neighbours.
func (w *world) dated(seqs []*made, holes []obviousHole) []obviousHole {
	origin := venuetest.Origin.UnixNano()
	for i := range holes {
		h := &holes[i]
		if h.exact {
			continue
		}
		h.first, h.last = origin, 1<<63-1
		for _, m := range seqs {
			if m.fate == delivered && m.id.Seq < h.from {
				h.first = origin + m.last
			}
		}
		for _, m := range slices.Backward(seqs) {
			if m.fate == delivered && m.id.Seq >= h.to {
				h.last = origin + m.first
			}
		}
		if h.last == 1<<63-1 && h.epoch == first {
			for _, m := range slices.Backward(w.batches) {
				if m.fate == delivered && m.id.Epoch == second && m.id.Lane == h.lane {
					h.last = origin + m.first
				}
			}
		}
		if h.last < h.first {
			h.first, h.last = h.last, h.first
		}
	}
	return holes
}

// compareGaps compares the gaps that are shown with those of the set.
func (o *obvious) compareGaps(t *rapid.T, v *Venue) {
	type key struct {
		epoch, lane, reason string
		from, to            uint64
	}
	got := map[key]GapView{}
	for _, g := range v.Gaps().Gaps {
		got[key{g.Epoch, g.Lane, g.Reason, g.From, g.To}] = g
	}
	for _, h := range o.holes {
		k := key{h.epoch.String(), h.lane.String(), h.reason.String(), h.from, h.to}
		if h.to == openEnd {
			k.to = 0
		}
		g, ok := got[k]
		if !ok {
			t.Fatalf("the set has the gap %+v, which is not shown: %+v", k, v.Gaps().Gaps)
		}
		if !g.First.Equal(time.Unix(0, h.first)) || h.last != 1<<63-1 && !g.Last.Equal(time.Unix(0, h.last)) || h.last == 1<<63-1 && !g.Last.IsZero() {
			t.Fatalf("gap %+v lies between %v and %v, the set says %v and %v", k, g.First, g.Last, time.Unix(0, h.first).UTC(), time.Unix(0, h.last).UTC())
		}
		delete(got, k)
	}
	for k := range got {
		t.Fatalf("the gap %+v is shown, which the set does not have: %+v", k, o.holes)
	}
}
