package wire

import (
	"fmt"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/courtside-edge/courtside/sync/point"
)

// Decoder opens frames. It keeps its memory, what the largest batch took, so that decoding allocates
// nothing a sample. It is not safe for concurrent use.
type Decoder struct {
	lim     Limits
	z       *inflater
	layouts layouts
	raw     []byte
	cols    decodeColumns
	counts  bitset // counter points of which the batch holds a run
	text    []byte
	ends    []int
}

// NewDecoder returns a decoder that refuses what exceeds lim.
func NewDecoder(lim Limits) (*Decoder, error) {
	lim = lim.normal()
	z, err := newInflater(lim.MaxRawBytes)
	if err != nil {
		return nil, err
	}
	return &Decoder{lim: lim, z: z}, nil
}

// Decode verifies a sealed frame (see Verify), inflates it and reads it into into, whose memory it uses again. table is the
// point table that the frame's header names; it is immutable. Fields that are not known are skipped.
//
// A refusal wraps exactly one of this package's errors (see Reason) and leaves into empty. Nothing is allocated beyond what
// the limits allow. The batch shares no memory with frame or with the decoder.
func (d *Decoder) Decode(frame []byte, table []point.Point, into *Batch) (Header, error) {
	venue, gateway := into.Venue, into.Gateway
	into.Reset()
	h, z, err := verify(frame, d.lim)
	if err != nil {
		return h, err
	}
	into.Venue, into.Gateway, into.Table = venue, gateway, h.Table
	if err := d.decode(h, z, table, into); err != nil {
		into.Reset()
		return h, fmt.Errorf("decoding batch %v: %w", h.ID(), err)
	}
	return h, nil
}

func (d *Decoder) decode(h Header, z []byte, table []point.Point, into *Batch) error {
	var err error
	if d.raw, err = d.z.frame(d.raw, z, int(h.RawSize)); err != nil {
		return err
	}
	if err := d.fields(into); err != nil {
		return err
	}
	if err := checkIDs(into); err != nil {
		return err
	}
	if err := checkMap(into.Map); err != nil {
		return err
	}
	kinds := d.layouts.of(table)
	if err := d.rest(kinds, into); err != nil {
		return err
	}
	seen, err := d.cols.samples(h, kinds, into)
	if err != nil {
		return err
	}
	if err := d.texts(into); err != nil {
		return err
	}
	if err := d.cols.sparse(into); err != nil {
		return err
	}
	return checkClasses(kinds, d.counts, seen, into)
}

// rest checks counter runs, gaps and notes against the table.
func (d *Decoder) rest(kinds []uint8, b *Batch) error {
	d.counts.reset(len(kinds))
	for i := range b.Runs {
		if err := checkRun(&b.Runs[i], kinds); err != nil {
			return err
		}
		d.counts.add(b.Runs[i].Index)
	}
	for i := range b.Gaps {
		if err := checkGap(&b.Gaps[i], len(kinds)); err != nil {
			return err
		}
	}
	for i := range b.Reduced {
		if err := checkReduced(&b.Reduced[i]); err != nil {
			return err
		}
	}
	return nil
}

// fields walks over the message once: it reads what is small and notes where the columns are.
func (d *Decoder) fields(b *Batch) error {
	d.cols.reset()
	d.text, d.ends = d.text[:0], d.ends[:0]
	var venue, gateway, trace []byte
	err := eachField(d.raw, func(f field) error {
		if col, fixed := d.cols.of(f.num); col != nil {
			return col.add(f, fixed)
		}
		if f.typ != protowire.BytesType {
			return nil
		}
		switch f.num {
		case fieldVenue:
			venue = f.bytes
		case fieldGateway:
			gateway = f.bytes
		case fieldTrace:
			trace = f.bytes
		case fieldMap:
			return readMap(f.bytes, &b.Map)
		case fieldTexts:
			return d.addText(f.bytes)
		case fieldEventKeys:
			d.cols.eventKeys = f.bytes
		case fieldRuns:
			return d.addRun(f.bytes, b)
		case fieldGaps:
			return d.addGap(f.bytes, b)
		case fieldReduced:
			return d.addReduced(f.bytes, b)
		}
		return nil
	})
	if err != nil {
		return err
	}
	// A comparison with converted bytes allocates nothing; most batches come from few gateways.
	if string(b.Venue) != string(venue) {
		b.Venue = point.ID(venue)
	}
	if string(b.Gateway) != string(gateway) {
		b.Gateway = point.ID(gateway)
	}
	b.Trace = string(trace)
	return nil
}

func (d *Decoder) addText(t []byte) error {
	if len(t) > MaxTextBytes {
		return fmt.Errorf("%w: text of %d bytes, at most %d are allowed", ErrTooLarge, len(t), MaxTextBytes)
	}
	if !utf8.Valid(t) {
		return fmt.Errorf("%w: text %d is not UTF-8", ErrMalformed, len(d.ends))
	}
	if len(d.ends) >= d.lim.MaxSamples {
		return fmt.Errorf("%w: more than %d texts", ErrTooLarge, d.lim.MaxSamples)
	}
	d.text = append(d.text, t...)
	d.ends = append(d.ends, len(d.text))
	return nil
}

// texts gives the batch its texts as parts of one string.
func (d *Decoder) texts(b *Batch) error {
	if d.cols.textCount != len(d.ends) {
		return fmt.Errorf("%w: %d texts for %d text samples", ErrMalformed, len(d.ends), d.cols.textCount)
	}
	if len(d.ends) == 0 {
		return nil
	}
	all, at := string(d.text), 0
	for _, end := range d.ends {
		b.Texts = append(b.Texts, all[at:end])
		at = end
	}
	return nil
}

func (d *Decoder) addRun(body []byte, b *Batch) error {
	if len(b.Runs) >= d.lim.MaxSamples {
		return fmt.Errorf("%w: more than %d counter runs", ErrTooLarge, d.lim.MaxSamples)
	}
	r, err := readRun(body)
	b.Runs = append(b.Runs, r)
	return err
}

func (d *Decoder) addGap(body []byte, b *Batch) error {
	if len(b.Gaps) >= MaxNotes {
		return fmt.Errorf("%w: more than %d gaps", ErrTooLarge, MaxNotes)
	}
	g, err := readGap(body)
	b.Gaps = append(b.Gaps, g)
	return err
}

func (d *Decoder) addReduced(body []byte, b *Batch) error {
	if len(b.Reduced) >= MaxNotes {
		return fmt.Errorf("%w: more than %d reduced notes", ErrTooLarge, MaxNotes)
	}
	r, err := readReduced(body)
	b.Reduced = append(b.Reduced, r)
	return err
}
