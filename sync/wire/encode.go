package wire

import (
	"fmt"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/courtside-edge/courtside/sync/point"
)

// minSampleBytes is the least that a sample takes of an inflated batch: one byte each of index and value.
const minSampleBytes = 2

// blockAt is how many bytes a column and what stands before it need to be worth a zstd block, and so a code table, of
// their own. Measured on seat batches of 1,000 and 10,000 samples: 3 to 10 % fewer bytes; below 512 the table costs more.
const blockAt = 512

// Encoder makes frames of batches. It keeps its memory, about 1 MB and what the largest batch took, so that encoding
// allocates nothing a sample. It is not safe for concurrent use.
type Encoder struct {
	lim     Limits
	z       *deflater
	layouts layouts
	cols    encodeColumns
	counts  bitset // counter points of which the batch holds a run
	runs    []point.CounterRun
	raw     []byte
	cuts    []int
	block   int // where in raw the current zstd block begins
}

// NewEncoder returns an encoder that refuses to exceed lim.
func NewEncoder(lim Limits) (*Encoder, error) {
	z, err := newDeflater()
	if err != nil {
		return nil, err
	}
	return &Encoder{lim: lim.normal(), z: z}, nil
}

// Encode appends to dst the frame of b: header, with epoch, seq and checksum still zero, and zstd frame. See Seal.
//
// table is what the indices of b refer to; it is immutable, and b.Table is its hash. Positions of DeviceTimes and Events ascend.
// Every sample of a counter point that is not bad has its run in b.Runs (one given twice is
// written once), every sample of an event point that is not bad its key in b.Events. A decoder finds the texts
// numbered in the order of their samples; a text sample that is bad may lack its text.
//
// An error wraps ErrTooLarge, when b should be divided, or ErrInvalid; dst is then returned as it was.
func (e *Encoder) Encode(dst []byte, lane point.Lane, table []point.Point, b *Batch) ([]byte, error) {
	h, err := e.message(lane, table, b)
	if err != nil {
		return dst, fmt.Errorf("encoding a batch of %d samples: %w", len(b.Samples), err)
	}
	start := len(dst)
	var head [HeaderSize]byte
	h.put(head[:])
	out, err := e.z.frame(append(dst, head[:]...), e.raw, e.cuts)
	if err != nil {
		return dst, fmt.Errorf("encoding a batch of %d samples: %w", len(b.Samples), err)
	}
	if n := len(out) - start; n > e.lim.MaxFrameBytes {
		return out[:start], fmt.Errorf("encoding a batch of %d samples: %w: a frame of %d bytes, at most %d are allowed",
			len(b.Samples), ErrTooLarge, n, e.lim.MaxFrameBytes)
	}
	return out, nil
}

// message writes the protobuf message of b to e.raw and returns its header.
func (e *Encoder) message(lane point.Lane, table []point.Point, b *Batch) (Header, error) {
	if !lane.Valid() {
		return Header{}, fmt.Errorf("%w: unknown lane %d", ErrInvalid, lane)
	}
	if n := len(b.Samples); n > e.lim.MaxSamples {
		return Header{}, fmt.Errorf("%w: at most %d samples are allowed", ErrTooLarge, e.lim.MaxSamples)
	}
	if len(b.Gaps) > MaxNotes || len(b.Reduced) > MaxNotes || len(b.Runs) > e.lim.MaxSamples {
		return Header{}, fmt.Errorf("%w: %d gaps, %d reduced notes, %d counter runs", ErrTooLarge, len(b.Gaps), len(b.Reduced), len(b.Runs))
	}
	if err := checkIDs(b); err != nil {
		return Header{}, err
	}
	if err := checkMap(b.Map); err != nil {
		return Header{}, err
	}
	kinds := e.layouts.of(table)
	if err := e.takeRuns(kinds, b.Runs); err != nil {
		return Header{}, err
	}
	if err := e.cols.fill(kinds, e.counts, b); err != nil {
		return Header{}, err
	}
	if err := e.assemble(len(kinds), b); err != nil {
		return Header{}, err
	}
	if len(e.raw) > e.lim.MaxRawBytes {
		return Header{}, fmt.Errorf("%w: %d bytes before compression, at most %d are allowed", ErrTooLarge, len(e.raw), e.lim.MaxRawBytes)
	}
	return Header{Lane: lane, Count: uint32(len(b.Samples)), RawSize: uint32(len(e.raw)),
		First: e.cols.first, Last: e.cols.last, Table: b.Table}, nil
}

// takeRuns checks runs, leaves out doubles and notes which counters have one.
func (e *Encoder) takeRuns(kinds []uint8, runs []point.CounterRun) error {
	e.counts.reset(len(kinds))
	e.runs = e.runs[:0]
	for i := range runs {
		r := &runs[i]
		if err := checkRun(r, kinds); err != nil {
			return err
		}
		if e.counts.has(r.Index) && holds(e.runs, r) {
			continue
		}
		e.counts.add(r.Index)
		e.runs = append(e.runs, *r)
	}
	return nil
}

// holds reports whether runs holds r. It looks back from the end, where the reports of one scan meet those of the scan before.
func holds(runs []point.CounterRun, r *point.CounterRun) bool {
	for i := len(runs) - 1; i >= 0; i-- {
		if runs[i].Index == r.Index && runs[i] == *r {
			return true
		}
	}
	return false
}

// assemble puts the message together. Its fields come in the order of their numbers.
func (e *Encoder) assemble(points int, b *Batch) error {
	c := &e.cols
	e.cuts, e.block = e.cuts[:0], 0
	m := appendString(e.raw[:0], fieldVenue, string(b.Venue))
	m = appendString(m, fieldGateway, string(b.Gateway))
	m = appendString(m, fieldTrace, b.Trace)
	m = appendMap(m, fieldMap, b.Map)
	m = e.column(m, fieldPointDelta, c.points)
	m = e.column(m, fieldTimeRun, c.runs)
	m = e.column(m, fieldMonoDelta, c.monos)
	m = e.column(m, fieldInts, c.ints)
	m = e.column(m, fieldDoubles, c.doubles)
	m, err := e.texts(m, b)
	if err != nil {
		return err
	}
	m = e.column(m, fieldQualityStep, c.qualitySteps)
	m = e.column(m, fieldQuality, c.qualities)
	if m, err = e.sparse(m, b); err != nil {
		return err
	}
	for i := range e.runs {
		m = appendRun(m, &e.runs[i])
	}
	for i := range b.Gaps {
		if err := checkGap(&b.Gaps[i], points); err != nil {
			return err
		}
		m = appendGap(m, &b.Gaps[i])
	}
	for i := range b.Reduced {
		if err := checkReduced(&b.Reduced[i]); err != nil {
			return err
		}
		m = appendReduced(m, &b.Reduced[i])
	}
	e.raw = m
	return nil
}

// column appends a packed column, in a zstd block of its own when that pays.
func (e *Encoder) column(m []byte, num protowire.Number, col []byte) []byte {
	if len(col) == 0 {
		return m
	}
	if len(col) >= blockAt && len(m)-e.block >= blockAt {
		e.cuts, e.block = append(e.cuts, len(m)), len(m)
	}
	m = protowire.AppendTag(m, num, protowire.BytesType)
	return protowire.AppendBytes(m, col)
}

// texts appends the texts that samples refer to, in the order of the samples.
func (e *Encoder) texts(m []byte, b *Batch) ([]byte, error) {
	for _, i := range e.cols.texts {
		s := ""
		if i < uint64(len(b.Texts)) {
			s = b.Texts[i]
		}
		if len(s) > MaxTextBytes {
			return m, fmt.Errorf("%w: text of %d bytes, at most %d are allowed", ErrTooLarge, len(s), MaxTextBytes)
		}
		m = protowire.AppendTag(m, fieldTexts, protowire.BytesType)
		if utf8.ValidString(s) {
			m = protowire.AppendString(m, s)
		} else {
			m = protowire.AppendString(m, string([]rune(s))) // each bad byte becomes U+FFFD
		}
	}
	return m, nil
}

// sparse appends device times and event keys.
func (e *Encoder) sparse(m []byte, b *Batch) ([]byte, error) {
	c := &e.cols
	if err := c.fillSparse(b); err != nil {
		return m, err
	}
	m = e.column(m, fieldDeviceTimeStep, c.timeSteps)
	m = e.column(m, fieldDeviceTimeDelta, c.times)
	m = e.column(m, fieldEventStep, c.eventSteps)
	return e.column(m, fieldEventKeys, c.eventKeys), nil
}
