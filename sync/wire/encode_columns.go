package wire

import (
	"encoding/binary"
	"fmt"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/courtside-edge/courtside/sync/point"
)

// encodeColumns is the columns of one batch as their packed bytes, without tag and length.
type encodeColumns struct {
	points, runs, monos     []byte
	ints, doubles           []byte
	texts                   []uint64 // Bits of the text samples
	qualitySteps, qualities []byte
	timeSteps, times        []byte
	eventSteps, eventKeys   []byte
	first, last             int64 // smallest and largest time
}

// fill makes the columns that every sample has a part in. counts holds the counters of which the batch has a run.
func (c *encodeColumns) fill(kinds []uint8, counts bitset, b *Batch) error {
	c.texts = c.texts[:0]
	if err := c.fillTimes(b.Samples); err != nil {
		return err
	}
	seen, err := c.fillValues(kinds, b)
	if err != nil {
		return err
	}
	return checkClasses(kinds, counts, seen, b)
}

// fillTimes makes the runs of equal times, and first and last.
func (c *encodeColumns) fillTimes(samples []point.Sample) error {
	c.runs, c.monos, c.first, c.last = c.runs[:0], c.monos[:0], 0, 0
	if len(samples) == 0 {
		return nil
	}
	c.first, c.last = samples[0].Time, samples[0].Time
	prev := int64(0)
	for i := 0; i < len(samples); {
		t, start := samples[i].Time, i
		for i < len(samples) && samples[i].Time == t {
			i++
		}
		c.first, c.last = min(c.first, t), max(c.last, t)
		c.runs = protowire.AppendVarint(c.runs, uint64(i-start))
		c.monos = protowire.AppendVarint(c.monos, protowire.EncodeZigZag(t-prev))
		prev = t
	}
	if c.first < 0 {
		return fmt.Errorf("%w: a sample's time is %d", ErrInvalid, c.first)
	}
	return nil
}

// fillValues makes the columns of indices, values and qualities, and returns every kind that it met. It is the
// encoder's innermost loop.
func (c *encodeColumns) fillValues(kinds []uint8, b *Batch) (seen uint8, err error) {
	n := len(b.Samples)
	points := room(c.points, n*5) // a zigzag step between two uint32 takes 33 bits
	ints := room(c.ints, n*binary.MaxVarintLen64)
	c.doubles, c.qualitySteps, c.qualities = c.doubles[:0], c.qualitySteps[:0], c.qualities[:0]
	pi, vi, prev, marked := 0, 0, int64(0), 0
	for i := range b.Samples {
		s := &b.Samples[i]
		if uint64(s.Index) >= uint64(len(kinds)) {
			return seen, fmt.Errorf("%w: sample %d is of point %d, the table has %d", ErrInvalid, i, s.Index, len(kinds))
		}
		pi = putVarint(points, pi, protowire.EncodeZigZag(int64(s.Index)-prev))
		prev = int64(s.Index)
		if s.Quality != point.Good {
			c.qualitySteps = protowire.AppendVarint(c.qualitySteps, uint64(i-marked))
			c.qualities = protowire.AppendVarint(c.qualities, uint64(quality(s.Quality)))
			marked = i
		}
		k := kinds[s.Index]
		seen |= k
		switch point.Type(k & columnMask) {
		case point.Int:
			vi = putVarint(ints, vi, protowire.EncodeZigZag(int64(s.Bits)))
		case point.Bool:
			if s.Bits > 1 {
				return seen, fmt.Errorf("%w: sample %d is a bool of value %d", ErrInvalid, i, s.Bits)
			}
			vi = putVarint(ints, vi, s.Bits<<1)
		case point.Float:
			c.doubles = binary.LittleEndian.AppendUint64(c.doubles, s.Bits)
		case point.Text:
			if s.Bits >= uint64(len(b.Texts)) && !s.Quality.IsBad() {
				return seen, fmt.Errorf("%w: sample %d has text %d of %d", ErrInvalid, i, s.Bits, len(b.Texts))
			}
			c.texts = append(c.texts, s.Bits)
		default:
			return seen, fmt.Errorf("%w: sample %d is of point %d, which has no type", ErrInvalid, i, s.Index)
		}
	}
	c.points, c.ints = points[:pi], ints[:vi]
	return seen, nil
}

// room returns buf with n bytes to write to.
func room(buf []byte, n int) []byte { return slices.Grow(buf[:0], n)[:n] }

// putVarint writes v to buf at i and returns what follows it.
func putVarint(buf []byte, i int, v uint64) int {
	for v >= 0x80 {
		buf[i] = byte(v) | 0x80
		v >>= 7
		i++
	}
	buf[i] = byte(v)
	return i + 1
}

// fillSparse makes the columns of device times and event keys.
func (c *encodeColumns) fillSparse(b *Batch) error {
	c.timeSteps, c.times, c.eventSteps, c.eventKeys = c.timeSteps[:0], c.times[:0], c.eventSteps[:0], c.eventKeys[:0]
	at, before := int64(-1), int64(0)
	for i := range b.DeviceTimes {
		d := &b.DeviceTimes[i]
		if int64(d.Position) <= at || int64(d.Position) >= int64(len(b.Samples)) {
			return fmt.Errorf("%w: device time %d is at position %d of %d, after %d", ErrInvalid, i, d.Position, len(b.Samples), at)
		}
		c.timeSteps = protowire.AppendVarint(c.timeSteps, uint64(int64(d.Position)-max(at, 0)))
		c.times = protowire.AppendVarint(c.times, protowire.EncodeZigZag(d.UnixNano-before))
		at, before = int64(d.Position), d.UnixNano
	}
	at = 0
	for i := range b.Events { // their positions are checked
		c.eventSteps = protowire.AppendVarint(c.eventSteps, uint64(int64(b.Events[i].Position)-at))
		c.eventKeys = append(c.eventKeys, b.Events[i].Key[:]...)
		at = int64(b.Events[i].Position)
	}
	return nil
}
