package filter

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/point"
)

// occur reports an occurrence: every reading that is not bad. A bad one says that the source is out of order, once.
func (f *Filter) occur(k uint32, v value, b *drivers.Block, i int, now clock.Map) {
	s := &f.slots[k]
	if v.quality.IsBad() {
		if !s.started || v.quality != f.cells[k].quality {
			f.sample(k, v)
		}
		return
	}
	lane := f.lane(s)
	lane.Events = append(lane.Events, point.EventKey{Position: uint32(len(lane.Samples)), Key: f.eventKey(s, v, b, i, now)})
	f.sample(k, v)
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
