package filter

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/point"
)

// occur reports an occurrence: every reading that is not bad. A bad one says that the source is out of order, once, and
// one without data that it is in order again, once.
func (f *Filter) occur(k uint32, v value, b *drivers.Block, i int, now clock.Map) {
	s, c := &f.slots[k], &f.cells[k]
	switch {
	case v.quality.IsBad():
		if !s.started || v.quality != c.quality {
			f.sample(k, v)
		}
		return
	case v.quality == point.GoodNoData:
		if !s.started || c.quality.IsBad() {
			f.sample(k, v)
		}
		return
	}
	lane := f.lane(s)
	position := uint32(len(lane.Samples))
	if e := f.eventOf(b, i); e != nil {
		lane.Events = append(lane.Events, point.EventKey{Position: position, Key: f.loggedKey(s, e)})
		v.time = occurred(s, v, e, now)
	} else {
		lane.Events = append(lane.Events, point.EventKey{Position: position, Key: f.eventKey(s, v, b, i, now)})
	}
	f.sample(k, v)
}

// eventOf returns what b says of the occurrence that reading i is, or nil. Readings are looked at in order.
func (f *Filter) eventOf(b *drivers.Block, i int) *drivers.Event {
	for f.event < len(b.Events) && int64(b.Events[f.event].Position) < int64(i) {
		f.event++
	}
	if f.event < len(b.Events) && int64(b.Events[f.event].Position) == int64(i) {
		return &b.Events[f.event]
	}
	return nil
}

// loggedKey is the key of an event that the device itself makes unique, whoever reads it.
func (f *Filter) loggedKey(s *slot, e *drivers.Event) (out [16]byte) {
	p := &f.table[s.index]
	buf := append(f.scratch[:0], p.Device...)
	buf = append(append(buf, 0), p.Name...)
	buf = append(buf, 0, 'l')
	for _, n := range [...]uint64{e.Generation, e.ID, e.Time, e.Direction} {
		buf = binary.LittleEndian.AppendUint64(buf, n)
	}
	buf = append(buf, e.Ticket...)
	f.scratch = buf
	sum := sha256.Sum256(buf)
	copy(out[:], sum[:])
	return out
}

// occurred dates an occurrence on the gateway's clock: as the device has it, but not before the last good exchange, not after this
// one, and not before the occurrence reported last.
func occurred(s *slot, v value, e *drivers.Event, now clock.Map) int64 {
	at := v.time
	switch {
	case e.At != 0:
		at = e.At
	case v.deviceTime != 0 && now.Source != clock.Unknown:
		at = v.deviceTime - int64(now.Offset)
	}
	at = max(at, e.From, 0)
	if s.started {
		at = max(at, s.reported)
	}
	return min(at, v.time)
}

// losses passes on what the device lost, and how far its event sources were read.
func (f *Filter) losses(b *drivers.Block, now clock.Map) {
	for _, g := range b.Gaps {
		k, ok := f.position(g.Index)
		if !ok {
			f.stats.Foreign++
			continue
		}
		s := &f.slots[k]
		lane := f.lane(s)
		lane.Gaps = append(lane.Gaps, point.Gap{Boot: now.Boot, First: g.First, Last: g.Last, Count: g.Count, Reason: g.Reason, PointKnown: true, Index: s.index})
	}
	f.critical.Cursors = append(f.critical.Cursors, b.Cursors...)
}

// eventKey makes an occurrence unique: device, point, device time, value, and which one of several alike in the block it is. Without
// a device time the gateway's own stands in: such an event cannot be told from its repetition.
func (f *Filter) eventKey(s *slot, v value, b *drivers.Block, i int, now clock.Map) (out [16]byte) {
	p := &f.table[s.index]
	buf := append(f.scratch[:0], p.Device...)
	buf = append(append(buf, 0), p.Name...)
	buf = append(buf, 0)
	if v.deviceTime != 0 {
		buf = binary.LittleEndian.AppendUint64(append(buf, 'd'), uint64(v.deviceTime))
	} else {
		buf = append(append(buf, 'g'), now.Boot[:]...)
		buf = binary.LittleEndian.AppendUint64(buf, uint64(v.time))
	}
	if p.Type != point.Text {
		buf = binary.LittleEndian.AppendUint64(buf, v.bits)
	}
	buf = append(buf, v.text...)
	buf = binary.LittleEndian.AppendUint32(buf, alike(b, i, p.Type == point.Text))
	f.scratch = buf
	sum := sha256.Sum256(buf)
	copy(out[:], sum[:])
	return out
}

// alike counts the readings before i that are of the same point, value and device time.
func alike(b *drivers.Block, i int, isText bool) (n uint32) {
	r := b.Readings[i]
	for j := range i {
		q := b.Readings[j]
		if q.Index != r.Index || q.Quality.IsBad() {
			continue
		}
		same := q.Bits == r.Bits
		if isText {
			same = q.Bits < uint64(len(b.Texts)) && b.Texts[q.Bits] == b.Texts[r.Bits]
		}
		if same && (i >= len(b.DeviceTimes) || b.DeviceTimes[j] == b.DeviceTimes[i]) {
			n++
		}
	}
	return n
}
