package venue

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/courtside-edge/courtside/cloud/log"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// Apply folds one record of the log into the state. It never fails: what cannot be used is set aside.
// Records come in log order from one goroutine.
func (v *Venue) Apply(r log.Record) []Effect {
	defer v.advance(r.Offset)
	g := v.gateways[r.Gateway] // the map is fixed at New
	if g == nil {
		v.setAside(r, "unknown-gateway", "the configuration of the venue does not name this gateway")
		return nil
	}
	switch r.Kind {
	case log.Batch:
		return v.applyBatch(g, r)
	case log.Table:
		return v.applyTable(g, r)
	case log.Inventory:
		v.applyInventory(g, r)
	case log.Status:
		v.applyStatus(g, r)
	default:
		v.setAside(r, "unknown-kind", fmt.Sprintf("record kind %d was written by a later version", r.Kind))
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

func (v *Venue) setAside(r log.Record, reason, detail string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.count.SetAside[reason]++
	if v.count.SetAside[reason] == 1 {
		v.o.Log.Warn("frame set aside", "gateway", r.Gateway, "offset", r.Offset, "reason", reason, "detail", detail)
	}
	if len(v.aside) == maxAside {
		v.aside = append(v.aside[:0], v.aside[1:]...)
	}
	v.aside = append(v.aside, SetAside{r.Offset, r.Gateway, r.Received, reason, detail})
}

func (v *Venue) applyBatch(g *gateway, r log.Record) []Effect {
	h, err := wire.Verify(r.Payload, v.o.Limits)
	if err != nil {
		v.setAside(r, wire.Reason(err), err.Error())
		return nil
	}
	ep, lane, err := v.laneOf(g, h)
	if err != nil {
		v.setAside(r, "too-many-epochs", err.Error())
		return nil
	}
	if seen, conflict := lane.known(h.Seq, r.Payload); seen {
		if conflict {
			v.conflict(r, h)
			return nil
		}
		v.mu.Lock()
		v.count.Duplicates++
		v.mu.Unlock()
		return nil
	}
	t := g.tables[h.Table]
	switch {
	case t == nil:
		return v.await(g, h.Table, r)
	case t.refused != "":
		v.setAside(r, "device-not-granted", t.refused)
		return nil
	}
	if _, err := v.decoder.Decode(r.Payload, t.points, &v.batch); err != nil {
		v.setAside(r, wire.Reason(err), err.Error())
		return nil
	}
	if v.batch.Venue != v.o.ID || v.batch.Gateway != g.id {
		v.setAside(r, "foreign-batch", fmt.Sprintf("the batch names %s/%s", v.batch.Venue, v.batch.Gateway))
		return nil
	}
	v.fold(g, ep, lane, t, h, r)
	return nil
}

func (v *Venue) laneOf(g *gateway, h wire.Header) (*epoch, *laneState, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return g.lane(h.Epoch, h.Lane)
}

func (v *Venue) conflict(r log.Record, h wire.Header) {
	v.mu.Lock()
	v.count.Conflicts++
	v.mu.Unlock()
	v.o.Log.Error("one batch identity came with two contents; the second was set aside", "gateway", r.Gateway, "batch", h.ID())
	v.setAside(r, "conflict", fmt.Sprintf("batch %s was applied with another content; is the gateway's storage cloned?", h.ID()))
}

// await keeps a frame's place in the log until its table comes.
func (v *Venue) await(g *gateway, hash point.TableHash, r log.Record) []Effect {
	v.mu.Lock()
	full := g.waitCount >= maxWaiting
	if !full {
		g.waiting[hash] = append(g.waiting[hash], r.Offset)
		g.waitCount++
	}
	v.mu.Unlock()
	if full {
		v.setAside(r, "too-many-waiting", fmt.Sprintf("%d frames wait for tables already", maxWaiting))
	}
	return []Effect{{Gateway: g.id, TableWanted: hash}}
}

// fold merges the decoded batch into the state.
func (v *Venue) fold(g *gateway, ep *epoch, lane *laneState, t *table, h wire.Header, r log.Record) {
	b := &v.batch
	now := v.o.Now()
	limit := now.Add(LateBy).UnixNano()
	v.runs.set(b.Runs)
	keys := eventKeys(b)
	v.mu.Lock()
	st := stamp{epoch: &ep.id, lane: h.Lane, seq: h.Seq}
	newest := int64(0)
	for i := range b.Samples {
		s := &b.Samples[i]
		st.wall, st.index = b.Map.Wall(s.Time), uint32(i)
		newest = max(newest, st.wall)
		f := folded{stamp: st, sample: *s, run: 0, point: &t.points[s.Index], series: t.series[s.Index]}
		if f.point.Type == point.Text {
			f.text = b.Texts[s.Bits]
		}
		if f.point.Class == point.Counter {
			f.run = v.runs.of(s.Index, s.Time)
		} else if f.point.Class == point.Event {
			f.key = keys[uint32(i)]
		}
		if st.wall > limit {
			v.future.push(f)
			v.count.Future++
			continue
		}
		v.foldOne(&f)
	}
	v.addGaps(g, b, r.Received)
	lane.mark(h.Seq, r.Payload)
	g.applied, g.newest, g.clock = r.Received, max(g.newest, newest), b.Map.Source.String()
	v.count.Batches++
	v.count.Samples += uint64(len(b.Samples))
	v.touch()
	v.mu.Unlock()
	if v.o.Observe != nil {
		v.o.Observe(Applied{Venue: v.o.ID, Gateway: g.id, ID: h.ID(), Samples: len(b.Samples), Newest: time.Unix(0, newest), At: v.o.Now(), Trace: b.Trace})
	}
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
	run    uint64
	key    [16]byte
	text   string
	point  *point.Point
	series *series
}

// foldOne merges one sample. The caller holds the lock.
func (v *Venue) foldOne(f *folded) {
	o := observation{stamp: f.stamp, quality: f.sample.Quality, bits: f.sample.Bits, text: f.text, point: f.point}
	bucket := v.bucketOf(f.wall)
	switch f.point.Class {
	case point.Counter:
		f.series.observe(&o)
		if !o.quality.IsBad() && f.run != 0 {
			f.series.observeTotal(f.run, o.bits, f.wall, bucket)
		}
	case point.Event:
		f.series.observe(&o)
		f.series.addEvent(f.key, f.wall)
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
}

// addEvent folds in an occurrence; of one key the earliest time counts.
func (s *series) addEvent(key [16]byte, wall int64) {
	if key == ([16]byte{}) {
		return
	}
	if s.events == nil {
		s.events = map[[16]byte]int64{}
	}
	if have, ok := s.events[key]; !ok || wall < have {
		s.events[key] = wall
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

func (v *Venue) addGaps(g *gateway, b *wire.Batch, declared time.Time) {
	for _, gap := range b.Gaps {
		span := gapSpan{gap: gap, declared: declared}
		if gap.Boot == b.Map.Boot && gap.Last != 0 {
			span.first, span.last = b.Map.Wall(gap.First), b.Map.Wall(gap.Last)
		}
		g.gaps = append(g.gaps, span)
	}
}

// Tick lets samples that were dated in the future take effect and forgets edges beyond the horizon. Call it every second or so.
func (v *Venue) Tick() {
	now := v.o.Now()
	v.mu.Lock()
	defer v.mu.Unlock()
	due := v.future.due(now.Add(LateBy).UnixNano())
	for i := range due {
		v.foldOne(&due[i])
	}
	oldest := v.bucketOf(now.Add(-v.o.Horizon).UnixNano())
	if int64(v.version)%60 == 0 {
		for _, s := range v.series {
			s.prune(oldest)
		}
	}
	v.touch()
}

func (v *Venue) applyInventory(g *gateway, r log.Record) {
	inv, err := wire.DecodeInventory(r.Payload)
	if err != nil {
		v.setAside(r, wire.Reason(err), err.Error())
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if inv.Session == g.inventory.Session && inv.Number < g.inventory.Number {
		return
	}
	g.inventory, g.invAt = inv, r.Received
	v.touch()
}

var errStatus = errors.New("names another gateway")

func (v *Venue) applyStatus(g *gateway, r log.Record) {
	var st wire.Status
	err := json.Unmarshal(r.Payload, &st)
	if err == nil && (st.Gateway != g.id || st.Venue != v.o.ID) {
		err = errStatus
	}
	if err != nil {
		v.setAside(r, "malformed-status", err.Error())
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	// A half-open old session's will may fire after the new birth: a death counts for its own session only.
	if st.State == "death" && g.status.Session != "" && st.Session != g.status.Session {
		return
	}
	if st.State == "death" {
		last := g.status
		last.State, last.Reason, last.Session, last.Gateway, last.Venue = "death", st.Reason, st.Session, st.Gateway, st.Venue
		st = last
	}
	g.status, g.statusAt = st, r.Received
	v.touch()
}
