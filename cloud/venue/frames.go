package venue

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/courtside-edge/courtside/cloud/log"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// ErrNotAside is what the refusal of an offset wraps at which nothing is set aside.
var ErrNotAside = errors.New("no frame is set aside at this offset")

// shownBytes and shownSamples bound what FrameView shows of a frame.
const (
	shownBytes   = 4096
	shownSamples = 100
)

// FrameView is one record that was set aside, as far as it can be read.
type FrameView struct {
	SetAside
	Kind    string       `json:"kind"`
	Header  *FrameHeader `json:"header,omitempty" doc:"of a batch whose header can be read"`
	Samples []FrameValue `json:"samples,omitempty" doc:"the first 100, when the point table is known and the content can be decoded"`
	Error   string       `json:"error,omitempty" doc:"what decoding says now"`
	Dump    string       `json:"dump" doc:"the first 4,096 bytes, hexadecimal"`
}

// FrameHeader is a batch's header.
type FrameHeader struct {
	Epoch   string `json:"epoch"`
	Lane    string `json:"lane"`
	Seq     uint64 `json:"seq"`
	Samples uint32 `json:"samples"`
	RawSize uint32 `json:"raw_bytes"`
	First   int64  `json:"first_mono"`
	Last    int64  `json:"last_mono"`
	Table   string `json:"table"`
}

// FrameValue is one sample of a frame.
type FrameValue struct {
	Point   string    `json:"point"`
	At      time.Time `json:"at"`
	Value   any       `json:"value"`
	Quality string    `json:"quality"`
}

// Frame shows what is set aside at an offset of the log. The error wraps ErrNotAside, or is the log's.
func (v *Venue) Frame(offset uint64) (FrameView, error) {
	f, g, ok := v.asideAt(offset)
	if !ok {
		return FrameView{}, fmt.Errorf("offset %d: %w", offset, ErrNotAside)
	}
	r, err := v.o.Fetch(offset)
	if err != nil {
		return FrameView{SetAside: f}, fmt.Errorf("reading the frame at offset %d: %w", offset, err)
	}
	w := FrameView{SetAside: f, Kind: r.Kind.String(), Dump: hex.Dump(r.Payload[:min(len(r.Payload), shownBytes)])}
	if r.Kind != log.Batch {
		return w, nil
	}
	h, err := wire.ParseHeader(r.Payload)
	if err != nil {
		w.Error = err.Error()
		return w, nil
	}
	w.Header = &FrameHeader{h.Epoch.String(), h.Lane.String(), h.Seq, h.Count, h.RawSize, h.First, h.Last, h.Table.String()}
	w.Samples, err = v.read(g, h, r.Payload)
	if err != nil {
		w.Error = err.Error()
	}
	return w, nil
}

// asideAt returns what is set aside at an offset, and its gateway, nil for a stranger.
func (v *Venue) asideAt(offset uint64) (SetAside, *gateway, bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	shelves := []*shelf{&v.strangers}
	for _, g := range v.order {
		shelves = append(shelves, &g.aside)
	}
	for i, s := range shelves {
		for _, f := range s.frames {
			if f.Offset != offset {
				continue
			}
			if i == 0 {
				return f.SetAside, nil, true
			}
			return f.SetAside, v.order[i-1], true
		}
	}
	return SetAside{}, nil, false
}

// read decodes the first samples of a batch with a decoder of its own.
func (v *Venue) read(g *gateway, h wire.Header, payload []byte) ([]FrameValue, error) {
	var t *table
	if g != nil {
		v.mu.RLock()
		t = g.tables[h.Table]
		v.mu.RUnlock()
	}
	if t == nil {
		return nil, fmt.Errorf("point table %s is not known", h.Table)
	}
	d, err := wire.NewDecoder(v.o.Limits)
	if err != nil {
		return nil, err
	}
	var b wire.Batch
	if _, err := d.Decode(payload, t.points, &b); err != nil {
		return nil, err
	}
	out := make([]FrameValue, 0, min(len(b.Samples), shownSamples))
	for _, s := range b.Samples[:min(len(b.Samples), shownSamples)] {
		o := observation{bits: s.Bits, point: &t.points[s.Index]}
		if o.point.Type == point.Text {
			o.text = b.Texts[s.Bits]
		}
		out = append(out, FrameValue{o.point.Qualified(), time.Unix(0, b.Map.Wall(s.Time)).UTC(), o.engineering(), s.Quality.String()})
	}
	return out, nil
}

// Reprocess tries a frame again that was set aside, say after its device was granted. It returns what became of it: nil for applied or
// known already, ErrNotAside, or why it was set aside again.
func (v *Venue) Reprocess(offset uint64) error {
	v.applying.Lock()
	defer v.applying.Unlock()
	f, g, ok := v.asideAt(offset)
	if !ok {
		return fmt.Errorf("offset %d: %w", offset, ErrNotAside)
	}
	if g == nil {
		return fmt.Errorf("offset %d: gateway %s is not one of the venue's; add it to the configuration and start again", offset, f.Gateway)
	}
	r, err := v.o.Fetch(offset)
	if err != nil {
		return fmt.Errorf("reading the frame at offset %d: %w", offset, err)
	}
	v.mu.Lock()
	g.aside.take(offset)
	v.mu.Unlock()
	if r.Kind == log.Batch {
		v.applyBatch(g, r, true)
	} else {
		v.applyRecord(g, r)
	}
	if again, _, aside := v.asideAt(offset); aside {
		return fmt.Errorf("offset %d is set aside again: %s: %s", offset, again.Reason, again.Detail)
	}
	v.mu.Lock()
	v.touch()
	v.mu.Unlock()
	return nil
}

// Needed returns the first offset of the log that the state wants to read again: a frame that waits for its table or was set aside, and was
// received at or after since, or a part of a table that is not complete. False when it wants none.
func (v *Venue) Needed(since time.Time) (offset uint64, ok bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	need := func(off uint64) {
		if !ok || off < offset {
			offset, ok = off, true
		}
	}
	shelves := []*shelf{&v.strangers}
	for _, g := range v.order {
		shelves = append(shelves, &g.aside)
		if len(g.parts) > 0 {
			need(slices.Min(g.parts))
		}
		for _, list := range g.waiting {
			for _, w := range list {
				if w.received >= since.UnixNano() {
					need(w.offset)
				}
			}
		}
	}
	for _, s := range shelves {
		for _, f := range s.frames {
			if !f.Received.Before(since) {
				need(f.Offset)
			}
		}
	}
	return offset, ok
}

// Trimmed gives up what lay below an offset of the log and is read no more: batches among it count as lost from now on.
func (v *Venue) Trimmed(before uint64) {
	v.applying.Lock()
	defer v.applying.Unlock()
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, f := range slices.Clone(v.strangers.frames) {
		if f.Offset < before {
			v.strangers.take(f.Offset)
			v.forget(nil, f)
		}
	}
	for _, g := range v.order {
		for _, f := range slices.Clone(g.aside.frames) {
			if f.Offset < before {
				g.aside.take(f.Offset)
				v.forget(g, f)
			}
		}
		for hash, list := range g.waiting {
			kept := slices.DeleteFunc(list, func(w waiting) bool {
				if w.offset >= before {
					return false
				}
				v.forget(g, asideFrame{SetAside: SetAside{Offset: w.offset, Gateway: g.id}, batch: w.id})
				return true
			})
			g.waitCount -= len(list) - len(kept)
			if g.waiting[hash] = kept; len(kept) == 0 {
				delete(g.waiting, hash)
			}
		}
		g.parts = slices.DeleteFunc(g.parts, func(off uint64) bool { return off < before })
		g.recount(v.limit())
	}
	v.touch()
}

// Loose returns where in the log the parts of point tables lie that are not complete.
func (v *Venue) Loose() (out []uint64) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	for _, g := range v.order {
		out = append(out, g.parts...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
