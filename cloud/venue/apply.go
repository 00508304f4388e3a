package venue

import (
	"fmt"
	"time"

	"github.com/courtside-edge/courtside/cloud/fingerprint"
	"github.com/courtside-edge/courtside/cloud/log"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// Apply folds one record of the log into the state. It never fails: what cannot be used is set aside. Records come in log order;
// those below Offset are in the state already and are passed over.
func (v *Venue) Apply(r log.Record) []Effect {
	v.applying.Lock()
	defer v.applying.Unlock()
	if r.Offset < v.Offset() {
		return nil
	}
	defer v.advance(r.Offset)
	g := v.gateways[r.Gateway] // the map is fixed at New
	if g == nil {
		v.setAside(nil, r, "unknown-gateway", "the configuration of the venue does not name this gateway")
		return nil
	}
	if v.o.Observe != nil {
		v.began = v.o.Now()
	}
	v.notice = wire.Notice{}
	effects := v.applyRecord(g, r)
	if v.notice.Reason != "" {
		effects = append(effects, Effect{Gateway: g.id, SetAside: v.notice})
	}
	return effects
}

func (v *Venue) applyRecord(g *gateway, r log.Record) []Effect {
	switch r.Kind {
	case log.Batch:
		return v.applyBatch(g, r, false)
	case log.Table:
		return v.applyTable(g, r)
	case log.Inventory:
		return v.applyInventory(g, r)
	case log.Status:
		v.applyStatus(g, r)
	default:
		v.setAside(g, r, "unknown-kind", fmt.Sprintf("record kind %d was written by a later version", r.Kind))
	}
	return nil
}

func (v *Venue) advance(offset uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if offset+1 > v.offset {
		v.offset = offset + 1
	}
}

// applyBatch applies a batch; again is set for one that lay in the log beside the state until now.
func (v *Venue) applyBatch(g *gateway, r log.Record, again bool) []Effect {
	h, err := wire.Verify(r.Payload, v.o.Limits)
	if err != nil {
		v.setAside(g, r, wire.Reason(err), err.Error())
		return nil
	}
	print := fingerprint.Of(r.Payload)
	e := v.admit(g, h, r, print, again)
	if e == nil {
		return nil
	}
	t := g.tables[h.Table]
	switch {
	case t == nil:
		return v.await(g, e, h, r, print)
	case t.refused != "":
		v.setBatchAside(g, e, r, h.ID(), print, "device-not-granted", t.refused)
		return nil
	}
	if _, err := v.decoder.Decode(r.Payload, t.points, &v.batch); err != nil {
		v.setBatchAside(g, e, r, h.ID(), print, wire.Reason(err), err.Error())
		return nil
	}
	if v.batch.Venue != v.o.ID || v.batch.Gateway != g.id {
		v.setBatchAside(g, e, r, h.ID(), print, "foreign-batch", fmt.Sprintf("the batch names %s/%s", v.batch.Venue, v.batch.Gateway))
		return nil
	}
	if v.date(g, e, h, r, print) {
		v.fold(g, e, t, h, r, print)
	}
	return nil
}

// admit returns the epoch of a batch that is new to the state, nil for one that was dealt with: a duplicate, a conflict, or one that no
// limit allows.
func (v *Venue) admit(g *gateway, h wire.Header, r log.Record, print fingerprint.Print, again bool) *epoch {
	v.mu.Lock()
	defer v.mu.Unlock()
	if t := g.tombs[h.Epoch]; t != nil {
		if h.Seq < t.next[h.Lane-1] {
			v.count.Duplicates++
		} else {
			v.shelve(g, r, point.BatchID{}, "settled-epoch", "its epoch was settled before, and an epoch never grows")
		}
		return nil
	}
	e, err := g.epoch(h.Epoch, r.Received)
	if err != nil {
		v.shelve(g, r, point.BatchID{}, "too-many-epochs", err.Error())
		return nil
	}
	ls := &e.lanes[h.Lane-1]
	have, known := g.prints.Get(h.ID())
	switch {
	case !ls.held.has(h.Seq) && !(ls.logged.Has(h.Seq) && known && have == print && !again):
		if len(ls.held.stretches) >= maxStretches && !ls.held.joins(h.Seq) {
			v.shelve(g, r, point.BatchID{}, "too-many-holes", fmt.Sprintf("gateway %s has a lane of an epoch with %d holes, its limit", g.id, maxStretches))
			return nil
		}
		return e
	case known && have != print:
		v.count.Conflicts++
		v.o.Log.Error("one batch identity came with two contents; the second was set aside", "gateway", r.Gateway, "batch", h.ID())
		v.shelve(g, r, point.BatchID{}, "conflict", fmt.Sprintf("batch %s was applied with another content; is the gateway's storage cloned?", h.ID()))
	default:
		v.count.Duplicates++
	}
	return nil
}

// await keeps a frame's place in the log until its table comes.
func (v *Venue) await(g *gateway, e *epoch, h wire.Header, r log.Record, print fingerprint.Print) []Effect {
	if g.waitCount >= maxWaiting {
		v.setBatchAside(g, e, r, h.ID(), print, "too-many-waiting", fmt.Sprintf("%d frames wait for tables already", maxWaiting))
	} else {
		v.mu.Lock()
		g.waiting[h.Table] = append(g.waiting[h.Table], waiting{r.Offset, h.ID(), r.Received.UnixNano()})
		g.waitCount++
		v.logged(g, e, h.ID(), print)
		v.mu.Unlock()
	}
	return []Effect{{Gateway: g.id, TableWanted: h.Table}}
}

// logged notes that a batch lies in the log and not in the state. The caller holds the lock.
func (v *Venue) logged(g *gateway, e *epoch, id point.BatchID, print fingerprint.Print) {
	ls := &e.lanes[id.Lane-1]
	if ls.held.has(id.Seq) {
		return
	}
	if _, known := g.prints.Get(id); !known {
		g.prints.Put(id, print)
	}
	if ls.logged.AddOne(id.Seq) {
		g.touched(e)
		g.recount(v.limit())
	}
}

// fold merges the decoded batch into the state.
func (v *Venue) fold(g *gateway, e *epoch, t *table, h wire.Header, r log.Record, print fingerprint.Print) {
	b := &v.batch
	limit := v.limit()
	v.runs.set(b.Runs)
	keys := eventKeys(b)
	v.mu.Lock()
	newest := v.foldSamples(e, t, h, keys, limit)
	v.addGaps(g, t, b, h, r.Received)
	v.mark(g, e, h, b, limit)
	g.prints.Put(h.ID(), print)
	g.remembers(b.Map)
	e.applied = r.Received
	if g.applied = r.Received; newest >= g.newest {
		g.newest, g.clock = newest, b.Map.Source.String()
	}
	v.count.Batches++
	v.count.Samples += uint64(len(b.Samples))
	v.touch()
	v.mu.Unlock()
	if v.o.Observe != nil {
		v.o.Observe(Applied{Venue: v.o.ID, Gateway: g.id, ID: h.ID(), Samples: len(b.Samples), Newest: time.Unix(0, newest), At: v.o.Now(), Trace: b.Trace,
			Received: r.Received, Began: v.began})
	}
}

// mark notes that the state holds the batch now, and finds the holes again if that changed any.
func (v *Venue) mark(g *gateway, e *epoch, h wire.Header, b *wire.Batch, limit int64) {
	ls := &e.lanes[h.Lane-1]
	first, last := int64(0), int64(0)
	if h.Count > 0 {
		first, last = b.Map.Wall(h.First), b.Map.Wall(h.Last)
	}
	begin := ls.held.begin()
	behind := ls.held.add(h.Seq, first, last)
	waited := ls.logged.Len() > 0 && ls.logged.Remove(intervalOf(h.Seq, h.Seq+1)) > 0
	if n := len(ls.holes); !behind || waited || ls.awaited || n > 0 && ls.holes[n-1].end() > h.Seq {
		g.touched(e)
	}
	if ls.held.begin() != begin { // where the holes at the ends of earlier epochs end
		for _, holed := range g.holed {
			g.touched(holed)
		}
	}
	if len(g.stale) > 0 {
		g.recount(limit)
	}
}

// foldSamples merges the batch's samples and returns the time of the newest. The caller holds the lock.
func (v *Venue) foldSamples(e *epoch, t *table, h wire.Header, keys map[uint32][16]byte, limit int64) (newest int64) {
	b := &v.batch
	st := stamp{epoch: e.name, lane: h.Lane, seq: h.Seq}
	for i := range b.Samples {
		s := &b.Samples[i]
		st.wall, st.index = b.Map.Wall(s.Time), uint32(i)
		newest = max(newest, st.wall)
		f := folded{stamp: st, sample: *s, point: &t.points[s.Index], series: t.series[s.Index]}
		f.sample.Quality = quality(s.Quality, b.Map)
		if f.point.Type == point.Text {
			f.text = b.Texts[s.Bits]
		}
		if f.point.Class == point.Counter {
			f.run = v.runs.of(s.Index, s.Time)
		} else if f.point.Class == point.Event {
			f.key = keys[uint32(i)]
		}
		if st.wall > limit {
			if f.run != nil {
				own := *f.run
				f.run = &own
			}
			v.future.push(f)
			v.count.Future++
			continue
		}
		v.foldOne(&f)
	}
	return newest
}

func eventKeys(b *wire.Batch) map[uint32][16]byte {
	if len(b.Events) == 0 {
		return nil
	}
	keys := make(map[uint32][16]byte, len(b.Events))
	for _, e := range b.Events {
		keys[e.Position] = e.Key
	}
	return keys
}

// folded is one sample on its way into the state.
type folded struct {
	stamp
	sample point.Sample
	run    *point.CounterRun // of a counter; nil for none
	key    [16]byte
	text   string
	point  *point.Point
	series *series
}

// foldOne merges one sample. The caller holds the lock.
func (v *Venue) foldOne(f *folded) {
	o := observation{stamp: f.stamp, quality: f.sample.Quality, bits: f.sample.Bits, text: f.text, point: f.point}
	bucket := v.bucketOf(f.wall)
	taken := true
	switch f.point.Class {
	case point.Counter:
		f.series.observe(&o)
		if !o.quality.IsBad() && f.run != nil {
			taken = f.series.observeTotal(f.run, o.bits, f.wall, bucket)
		}
	case point.Event:
		f.series.observe(&o)
		taken = f.series.point.addEvent(f.key, f.wall)
	default:
		switch f.point.Kind {
		case point.Seat:
			f.series.observeSeat(&o, bucket)
		case point.Position:
			f.series.observeFix(&o, v.o.Now())
		default:
			f.series.observe(&o)
		}
	}
	if !taken {
		v.count.Late++
	}
}

func (v *Venue) bucketOf(wall int64) int64 {
	b := int64(v.o.Bucket)
	q := wall / b
	if wall < 0 && wall%b != 0 {
		q--
	}
	return q
}
