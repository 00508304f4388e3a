package wire

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/courtside-edge/courtside/sync/point"
)

// column is the packed bytes of one repeated field.
type column struct {
	data []byte
	own  []byte // memory for a column that came in pieces
	set  bool
}

// add takes another piece of the column: a packed one, or, as protobuf allows, a single entry.
func (c *column) add(f field, fixed bool) error {
	piece := f.raw
	switch {
	case f.typ == protowire.BytesType:
		piece = f.bytes
	case fixed && f.typ == protowire.Fixed64Type, !fixed && f.typ == protowire.VarintType:
	default:
		return nil // an unknown field
	}
	if !c.set {
		c.data, c.set = piece, true
		return nil
	}
	// From the second piece on data lies in own; until then it is part of the message.
	if len(c.own) == 0 {
		c.own = append(c.own, c.data...)
	}
	c.own = append(c.own, piece...)
	c.data = c.own
	return nil
}

func (c *column) reset() { c.data, c.own, c.set = nil, c.own[:0], false }

// next takes a varint off the column.
func (c *column) next(what string) (uint64, error) {
	if len(c.data) > 0 && c.data[0] < 0x80 {
		v := uint64(c.data[0])
		c.data = c.data[1:]
		return v, nil
	}
	v, n := protowire.ConsumeVarint(c.data)
	if n < 0 {
		return 0, shortColumn(what, c.data)
	}
	c.data = c.data[n:]
	return v, nil
}

// shortColumn is the error of a column that has no further entry, or a broken one.
func shortColumn(what string, rest []byte) error {
	if len(rest) == 0 {
		return fmt.Errorf("%w: %s column has too few entries", ErrMalformed, what)
	}
	return fmt.Errorf("%w: %s column has a broken entry", ErrMalformed, what)
}

// decodeColumns is the columns of one batch as they lie in its message.
type decodeColumns struct {
	points, runs, monos     column
	ints, doubles           column
	qualitySteps, qualities column
	timeSteps, times        column
	eventSteps              column
	eventKeys               []byte
	textCount               int // text samples met
}

func (c *decodeColumns) reset() {
	for _, col := range [...]*column{&c.points, &c.runs, &c.monos, &c.ints, &c.doubles,
		&c.qualitySteps, &c.qualities, &c.timeSteps, &c.times, &c.eventSteps} {
		col.reset()
	}
	c.eventKeys, c.textCount = nil, 0
}

// of returns the column of a field, nil for one that is none, and whether its entries are 64 bits wide.
func (c *decodeColumns) of(num protowire.Number) (col *column, fixed bool) {
	switch num {
	case fieldPointDelta:
		return &c.points, false
	case fieldTimeRun:
		return &c.runs, false
	case fieldMonoDelta:
		return &c.monos, false
	case fieldInts:
		return &c.ints, false
	case fieldDoubles:
		return &c.doubles, true
	case fieldQualityStep:
		return &c.qualitySteps, false
	case fieldQuality:
		return &c.qualities, false
	case fieldDeviceTimeStep:
		return &c.timeSteps, false
	case fieldDeviceTimeDelta:
		return &c.times, false
	case fieldEventStep:
		return &c.eventSteps, false
	}
	return nil, false
}

// samples reads what every sample has a part in and compares it with the header; it returns every kind that it met.
func (c *decodeColumns) samples(h Header, kinds []uint8, b *Batch) (seen uint8, err error) {
	b.Samples = slices.Grow(b.Samples[:0], int(h.Count))[:h.Count]
	if err := c.readTimes(h, b.Samples); err != nil {
		return 0, err
	}
	if seen, err = c.readValues(kinds, b.Samples); err != nil {
		return 0, err
	}
	if err := c.readQualities(b.Samples); err != nil {
		return 0, err
	}
	for _, rest := range [...]struct {
		what string
		data []byte
	}{{"value", c.ints.data}, {"double", c.doubles.data}} {
		if len(rest.data) > 0 {
			return 0, fmt.Errorf("%w: %s column has entries of no sample", ErrMalformed, rest.what)
		}
	}
	return seen, nil
}

// readTimes gives every sample its time, from runs of equal ones.
func (c *decodeColumns) readTimes(h Header, samples []point.Sample) error {
	at, first, last := int64(0), int64(math.MaxInt64), int64(0)
	for i := 0; i < len(samples); {
		if len(c.runs.data) == 0 {
			return fmt.Errorf("%w: it declares %d samples, the times are of %d", ErrHeader, h.Count, i)
		}
		n, err := c.runs.next("time run")
		if err != nil {
			return err
		}
		step, err := c.monos.next("time")
		if err != nil {
			return err
		}
		if n == 0 || n > uint64(len(samples)-i) {
			return fmt.Errorf("%w: a run of %d times, %d samples are left", ErrMalformed, n, len(samples)-i)
		}
		d := protowire.DecodeZigZag(step)
		if d > math.MaxInt64-at || d < -at {
			return fmt.Errorf("%w: time %d%+d", ErrInvalid, at, d)
		}
		at += d
		first, last = min(first, at), max(last, at)
		for range n {
			samples[i] = point.Sample{Time: at}
			i++
		}
	}
	if len(c.runs.data) > 0 || len(c.monos.data) > 0 {
		return fmt.Errorf("%w: it declares %d samples, the times are of more", ErrHeader, h.Count)
	}
	if len(samples) > 0 && (first != h.First || last != h.Last) {
		return fmt.Errorf("%w: it declares times %d to %d, the samples have %d to %d", ErrHeader, h.First, h.Last, first, last)
	}
	return nil
}

// readValues gives every sample its point and value. It is the decoder's innermost loop: the usual entries of one and two
// bytes are read in place.
func (c *decodeColumns) readValues(kinds []uint8, samples []point.Sample) (seen uint8, err error) {
	points, ints, doubles := c.points.data, c.ints.data, c.doubles.data
	index := int64(0)
	for i := range samples {
		v, n := shortVarint(points)
		if n <= 0 {
			return 0, shortColumn("point", points)
		}
		points = points[n:]
		index += protowire.DecodeZigZag(v) // wraps at worst, and is judged at once
		if uint64(index) >= uint64(len(kinds)) {
			return 0, fmt.Errorf("%w: sample %d is of point %d, the table has %d", ErrInvalid, i, index, len(kinds))
		}
		k := kinds[index]
		seen |= k
		s := &samples[i]
		s.Index = uint32(index)
		switch point.Type(k & columnMask) {
		case point.Int, point.Bool:
			v, n := shortVarint(ints)
			if n <= 0 {
				return 0, shortColumn("value", ints)
			}
			ints = ints[n:]
			s.Bits = uint64(protowire.DecodeZigZag(v))
			if point.Type(k&columnMask) == point.Bool && s.Bits > 1 {
				return 0, fmt.Errorf("%w: sample %d is a bool of value %d", ErrInvalid, i, s.Bits)
			}
		case point.Float:
			if len(doubles) < 8 {
				return 0, shortColumn("double", doubles)
			}
			s.Bits = binary.LittleEndian.Uint64(doubles)
			doubles = doubles[8:]
		case point.Text:
			s.Bits = uint64(c.textCount)
			c.textCount++
		default:
			return 0, fmt.Errorf("%w: sample %d is of point %d, which has no type", ErrInvalid, i, index)
		}
	}
	if len(points) > 0 {
		return 0, fmt.Errorf("%w: it declares %d samples, the point column has more", ErrHeader, len(samples))
	}
	c.ints.data, c.doubles.data = ints, doubles
	return seen, nil
}

// shortVarint returns the varint at the start of b and its length, which is not positive when there is none.
func shortVarint(b []byte) (uint64, int) {
	if len(b) > 1 {
		if b[0] < 0x80 {
			return uint64(b[0]), 1
		}
		if b[1] < 0x80 {
			return uint64(b[0]&0x7F) | uint64(b[1])<<7, 2
		}
	}
	return protowire.ConsumeVarint(b)
}

// readQualities gives samples that are not good their quality.
func (c *decodeColumns) readQualities(samples []point.Sample) error {
	for at := int64(-1); len(c.qualitySteps.data) > 0; {
		i, err := c.qualitySteps.position("quality position", &at, len(samples))
		if err != nil {
			return err
		}
		q, err := c.qualities.next("quality")
		if err != nil {
			return err
		}
		if q > math.MaxUint32 || q>>30 == 3 {
			return fmt.Errorf("%w: sample %d has quality 0x%X", ErrInvalid, i, q)
		}
		samples[i].Quality = point.Quality(q)
	}
	if len(c.qualities.data) > 0 {
		return fmt.Errorf("%w: quality column has entries of no sample", ErrMalformed)
	}
	return nil
}

// position takes a step off a column of positions; at is the position before, -1 for none.
func (c *column) position(what string, at *int64, samples int) (uint32, error) {
	step, err := c.next(what)
	if err != nil {
		return 0, err
	}
	if *at >= 0 && step == 0 {
		return 0, fmt.Errorf("%w: %s %d comes twice", ErrMalformed, what, *at)
	}
	p := max(*at, 0)
	if step >= uint64(samples) || p+int64(step) >= int64(samples) {
		return 0, fmt.Errorf("%w: %s %d after %d, there are %d samples", ErrInvalid, what, step, p, samples)
	}
	*at = p + int64(step)
	return uint32(*at), nil
}

// sparse reads device times and event keys.
func (c *decodeColumns) sparse(b *Batch) error {
	unix := int64(0)
	for at := int64(-1); len(c.timeSteps.data) > 0; {
		p, err := c.timeSteps.position("device time position", &at, len(b.Samples))
		if err != nil {
			return err
		}
		d, err := c.times.next("device time")
		if err != nil {
			return err
		}
		unix += protowire.DecodeZigZag(d)
		b.DeviceTimes = append(b.DeviceTimes, point.DeviceTime{Position: p, UnixNano: unix})
	}
	if len(c.times.data) > 0 {
		return fmt.Errorf("%w: device time column has entries of no sample", ErrMalformed)
	}
	for at := int64(-1); len(c.eventSteps.data) > 0; {
		p, err := c.eventSteps.position("event position", &at, len(b.Samples))
		if err != nil {
			return err
		}
		if len(c.eventKeys) < 16 {
			return shortColumn("event key", c.eventKeys)
		}
		b.Events = append(b.Events, point.EventKey{Position: p, Key: [16]byte(c.eventKeys)})
		c.eventKeys = c.eventKeys[16:]
	}
	if len(c.eventKeys) > 0 {
		return fmt.Errorf("%w: event key column has entries of no sample", ErrMalformed)
	}
	return nil
}
