package wire

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math"

	"github.com/courtside-edge/courtside/sync/point"
)

// maxTables bounds the tables of one gateway that are put together at a time; beyond, the one
// that waited longest for a part is given up, and its parts have to be sent again.
const maxTables = 4

// TableAssembler puts the parts of one gateway's point tables together. The zero value is ready. It holds
// MaxTableRawBytes at most. It is not safe for concurrent use.
type TableAssembler struct {
	waiting []*partialTable // the one that got a part last stands last
	bytes   int             // of all of them
}

// partialTable is a table of which parts are missing.
type partialTable struct {
	hash   point.TableHash
	points int
	parts  []*tablePart
	got    int
	bytes  int
}

// tablePart is one part of a table as it lies in its payload.
type tablePart struct {
	hash                point.TableHash
	part, parts, points int
	entries             [][]byte
	bytes               int // of raw content, which entries keep in memory
}

// Add takes the payload of one part. Parts come in any order and may come twice; parts of several tables may be mixed. When it
// completes a table, done is true and points is that table, which the assembler then forgets. A table is
// given out only if it has the hash that it was sent under and every point of it is valid.
//
// A refusal wraps one of this package's errors. When a complete table is refused, all its parts are forgotten.
func (a *TableAssembler) Add(payload []byte) (points []point.Point, hash point.TableHash, done bool, err error) {
	p, err := readPart(payload)
	if err != nil {
		return nil, hash, false, fmt.Errorf("reading a part of a point table: %w", err)
	}
	return a.add(p)
}

// AddFrom is Add of what came on topic t. A part of another table or of another number than the topic says is refused with
// ErrTableHash, and touches no table: readers of the retained topics would be misled by it.
func (a *TableAssembler) AddFrom(t Topic, payload []byte) (points []point.Point, hash point.TableHash, done bool, err error) {
	p, err := readPart(payload)
	if err != nil {
		return nil, hash, false, fmt.Errorf("reading part %d of point table %v: %w", t.Part, t.Hash, err)
	}
	if p.hash != t.Hash || p.part != t.Part {
		return nil, p.hash, false, fmt.Errorf("reading part %d of point table %v: %w: it is part %d of %v", t.Part, t.Hash, ErrTableHash, p.part, p.hash)
	}
	return a.add(p)
}

// add puts a part to its table.
func (a *TableAssembler) add(p *tablePart) (points []point.Point, hash point.TableHash, done bool, err error) {
	t := a.take(p)
	a.put(t, p)
	if t.got < len(t.parts) {
		return nil, p.hash, false, nil
	}
	a.forget(len(a.waiting) - 1)
	points, err = t.read()
	if err != nil {
		return nil, p.hash, false, fmt.Errorf("reading point table %v: %w", p.hash, err)
	}
	return points, p.hash, true, nil
}

// Waiting returns how many tables miss parts.
func (a *TableAssembler) Waiting() int { return len(a.waiting) }

// take returns the table that p is a part of, last in waiting.
func (a *TableAssembler) take(p *tablePart) *partialTable {
	for i, t := range a.waiting {
		if t.hash == p.hash && len(t.parts) == p.parts && t.points == p.points {
			a.waiting = append(append(a.waiting[:i:i], a.waiting[i+1:]...), t)
			return t
		}
	}
	for len(a.waiting) >= maxTables {
		a.forget(0)
	}
	t := &partialTable{hash: p.hash, points: p.points, parts: make([]*tablePart, p.parts)}
	a.waiting = append(a.waiting, t)
	return t
}

// put adds p to t, in the place of an earlier one of that number, and gives up older tables when memory is short.
func (a *TableAssembler) put(t *partialTable, p *tablePart) {
	if old := t.parts[p.part]; old != nil {
		t.bytes, a.bytes, t.got = t.bytes-old.bytes, a.bytes-old.bytes, t.got-1
	}
	t.parts[p.part] = p
	t.bytes, a.bytes, t.got = t.bytes+p.bytes, a.bytes+p.bytes, t.got+1
	for a.bytes > MaxTableRawBytes && len(a.waiting) > 1 {
		a.forget(0)
	}
	if a.bytes > MaxTableRawBytes { // t alone; it begins again with p
		for i := range t.parts {
			if i != p.part {
				t.parts[i] = nil
			}
		}
		t.bytes, a.bytes, t.got = p.bytes, p.bytes, 1
	}
}

// forget drops the i-th waiting table.
func (a *TableAssembler) forget(i int) {
	a.bytes -= a.waiting[i].bytes
	a.waiting = append(a.waiting[:i:i], a.waiting[i+1:]...)
}

// read returns the points of a complete table.
func (t *partialTable) read() ([]point.Point, error) {
	sum, n := sha256.New(), 0
	for _, p := range t.parts {
		for _, e := range p.entries {
			hashEntry(sum, e)
		}
		n += len(p.entries)
	}
	if n != t.points {
		return nil, fmt.Errorf("%w: %d points are declared, it has %d", ErrTableHash, t.points, n)
	}
	if got := point.TableHash(sum.Sum(nil)[:16]); got != t.hash {
		return nil, fmt.Errorf("%w: its entries have %v", ErrTableHash, got)
	}
	points := make([]point.Point, 0, n)
	met := make(map[string]bool, n)
	for _, part := range t.parts {
		for _, e := range part.entries {
			p, err := readPoint(e)
			if err != nil {
				return nil, fmt.Errorf("entry %d: %w", len(points), err)
			}
			if met[p.Qualified()] {
				return nil, fmt.Errorf("entry %d: %w: %s stands twice", len(points), ErrInvalid, p.Qualified())
			}
			met[p.Qualified()] = true
			points = append(points, p)
		}
	}
	return points, nil
}

// readPart opens one payload and finds the entries in it; the entries themselves are read when the table is complete.
func readPart(payload []byte) (*tablePart, error) {
	raw, err := unpack(payload, MaxControlRawBytes)
	if err != nil {
		return nil, err
	}
	raw = bytes.Clone(raw) // a stored frame's content is part of the payload, which is the caller's
	p := &tablePart{bytes: len(raw)}
	err = eachField(raw, func(f field) (err error) {
		switch {
		case f.num == fieldTableHash && isBytes(f):
			h, err := from16("table hash", f.bytes)
			p.hash = h
			return err
		case f.num == fieldTablePart && isVarint(f):
			p.part, err = intOf(f, "part")
		case f.num == fieldTableParts && isVarint(f):
			p.parts, err = intOf(f, "parts")
		case f.num == fieldTablePoints && isVarint(f):
			p.points, err = intOf(f, "points")
		case f.num == fieldTableEntries && isBytes(f):
			if len(f.bytes) > maxEntryBytes || len(p.entries) >= MaxTablePoints {
				return fmt.Errorf("%w: entry %d has %d bytes", ErrTooLarge, len(p.entries), len(f.bytes))
			}
			p.entries = append(p.entries, f.bytes)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	p.bytes += len(p.entries) * 24 // their slice headers
	return p, p.check()
}

// intOf returns the value of a varint field as an int.
func intOf(f field, what string) (int, error) {
	v, err := uintOf(f, what, math.MaxInt32)
	return int(v), err
}

func (p *tablePart) check() error {
	switch {
	case p.hash == point.TableHash{}:
		return fmt.Errorf("%w: it names no table", ErrInvalid)
	case p.parts < 1 || p.part >= p.parts:
		return fmt.Errorf("%w: part %d of %d", ErrInvalid, p.part, p.parts)
	case p.parts > MaxTableParts:
		return fmt.Errorf("%w: %d parts, at most %d are allowed", ErrTooLarge, p.parts, MaxTableParts)
	case p.points > MaxTablePoints:
		return fmt.Errorf("%w: a table of %d points, at most %d are allowed", ErrTooLarge, p.points, MaxTablePoints)
	case len(p.entries) < 1 || len(p.entries) > p.points:
		return fmt.Errorf("%w: %d points in a part of a table of %d", ErrInvalid, len(p.entries), p.points)
	}
	return nil
}
