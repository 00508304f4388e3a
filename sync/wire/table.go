package wire

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"math"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/courtside-edge/courtside/sync/contract"
	"github.com/courtside-edge/courtside/sync/point"
)

// The field numbers of contract.PointTable.
const (
	fieldTableHash    protowire.Number = 1
	fieldTablePart    protowire.Number = 2
	fieldTableParts   protowire.Number = 3
	fieldTablePoints  protowire.Number = 4
	fieldTableEntries protowire.Number = 5
)

// tablePartHead is the most that the fields of a part take beside its entries.
const tablePartHead = 18 + 3*6

// maxEntryBytes bounds one encoded point.
const maxEntryBytes = 4096

// EncodeTable returns the payloads of a point table's parts, each of at most maxPartBytes (0 or less stands for 128 KiB), and
// the table's hash. The same points give the same hash, whatever the parts. An error wraps ErrTooLarge or ErrInvalid: a
// point is not valid (see point.Point.Check), stands twice, or one alone is larger than a part.
func EncodeTable(points []point.Point, maxPartBytes int) (parts [][]byte, hash point.TableHash, err error) {
	if maxPartBytes <= 0 {
		maxPartBytes = 128 << 10
	}
	raw, ends, hash, err := encodeEntries(points)
	if err != nil {
		return nil, hash, fmt.Errorf("encoding a table of %d points: %w", len(points), err)
	}
	t := tableParts{hash: hash, points: len(points), raw: raw, ends: ends, limit: min(maxPartBytes, MaxControlRawBytes)}
	if err := t.split(0, len(ends)); err != nil {
		return nil, hash, fmt.Errorf("encoding a table of %d points: %w", len(points), err)
	}
	if len(t.cuts) > MaxTableParts {
		return nil, hash, fmt.Errorf("encoding a table of %d points: %w: %d parts of %d bytes, at most %d are allowed",
			len(points), ErrTooLarge, len(t.cuts), maxPartBytes, MaxTableParts)
	}
	from := 0
	for i, to := range t.cuts {
		part, err := t.payload(from, to, i, len(t.cuts))
		if err != nil {
			return nil, hash, fmt.Errorf("encoding a table of %d points: %w", len(points), err)
		}
		parts = append(parts, part)
		from = to
	}
	return parts, hash, nil
}

// encodeEntries returns the entries as PointTable holds them, where each ends, and their hash.
func encodeEntries(points []point.Point) (raw []byte, ends []int, id point.TableHash, err error) {
	if len(points) == 0 || len(points) > MaxTablePoints {
		return nil, nil, id, fmt.Errorf("%w: 1 to %d points are allowed", ErrTooLarge, MaxTablePoints)
	}
	sum, entry := sha256.New(), []byte(nil)
	met := make(map[string]bool, len(points))
	for i := range points {
		p := &points[i]
		if err := p.Check(); err != nil {
			return nil, nil, id, fmt.Errorf("%w: entry %d: %w", ErrInvalid, i, err)
		}
		if met[p.Qualified()] {
			return nil, nil, id, fmt.Errorf("%w: entry %d: %s stands twice", ErrInvalid, i, p.Qualified())
		}
		met[p.Qualified()] = true
		entry = appendPoint(entry[:0], p)
		hashEntry(sum, entry)
		raw = appendBytes(raw, fieldTableEntries, entry)
		ends = append(ends, len(raw))
	}
	if len(raw) > MaxTableRawBytes {
		return nil, nil, id, fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrTooLarge, len(raw), MaxTableRawBytes)
	}
	return raw, ends, point.TableHash(sum.Sum(nil)[:16]), nil
}

// hashEntry adds one entry to a table's hash, behind its length so that no two lists of entries look alike.
func hashEntry(sum hash.Hash, entry []byte) {
	var n [10]byte
	sum.Write(protowire.AppendVarint(n[:0], uint64(len(entry))))
	sum.Write(entry)
}

// appendPoint writes p by hand, in the order of the field numbers: its bytes are what a table's hash rests on, and
// generated code may write the same message another way after an upgrade.
func appendPoint(m []byte, p *point.Point) []byte {
	m = appendString(m, 1, string(p.Device))
	m = appendString(m, 2, string(p.Name))
	m = appendUint(m, 3, uint64(p.Type))
	m = appendString(m, 4, p.Unit)
	m = appendUint(m, 5, uint64(p.Kind))
	m = appendUint(m, 6, uint64(p.Lane))
	m = appendUint(m, 7, uint64(p.Class))
	m = appendString(m, 8, p.Place)
	m = appendUint(m, 9, uint64(p.Direction))
	m = appendDouble(m, 10, p.Scale)
	m = appendDouble(m, 11, p.Offset)
	m = appendDouble(m, 12, p.Deadband)
	m = appendDouble(m, 13, p.OccupiedAbove)
	m = appendDouble(m, 14, p.OccupiedBelow)
	m = appendUint(m, 15, uint64(p.MaxSilence))
	m = appendUint(m, 16, uint64(p.Bits))
	return appendDouble(m, 17, p.MaxRate)
}

// tableParts divides a table's entries.
type tableParts struct {
	hash   point.TableHash
	points int
	raw    []byte
	ends   []int // where in raw each entry ends
	limit  int   // bytes of a payload
	cuts   []int // where each part ends, counted in entries
}

// split finds the parts of the entries from ≤ i < to, halving what does not fit.
func (t *tableParts) split(from, to int) error {
	if size := t.start(to) - t.start(from); size+tablePartHead <= MaxControlRawBytes {
		// The numbers of the part are not known yet; the largest stand in, so that the real ones fit too.
		p, err := t.payload(from, to, math.MaxInt32, math.MaxInt32)
		if err != nil {
			return err
		}
		if len(p)+tablePartHead <= t.limit {
			t.cuts = append(t.cuts, to)
			return nil
		}
	}
	if to-from == 1 {
		return fmt.Errorf("%w: entry %d does not fit a part of %d bytes", ErrTooLarge, from, t.limit)
	}
	middle := from + (to-from)/2
	if err := t.split(from, middle); err != nil {
		return err
	}
	return t.split(middle, to)
}

// start returns where in raw entry i begins.
func (t *tableParts) start(i int) int {
	if i == 0 {
		return 0
	}
	return t.ends[i-1]
}

func (t *tableParts) payload(from, to, part, parts int) ([]byte, error) {
	m := appendBytes(nil, fieldTableHash, t.hash[:])
	m = appendUint(m, fieldTablePart, uint64(part))
	m = appendUint(m, fieldTableParts, uint64(parts))
	m = appendUint(m, fieldTablePoints, uint64(t.points))
	return pack(append(m, t.raw[t.start(from):t.start(to)]...))
}

// readPoint reads one entry of a table.
func readPoint(entry []byte) (p point.Point, err error) {
	var c contract.Point
	if err := proto.Unmarshal(entry, &c); err != nil {
		return p, fmt.Errorf("%w: %v", ErrMalformed, err)
	}
	if c.MaxSilenceNs > math.MaxInt64 || c.Bits > math.MaxUint8 {
		return p, fmt.Errorf("%w: max silence %d ns, %d bits", ErrInvalid, c.MaxSilenceNs, c.Bits)
	}
	p = point.Point{
		Device: point.ID(c.Device), Name: point.Name(c.Name), Unit: c.Unit, Place: c.Place,
		Scale: c.Scale, Offset: c.Offset, Deadband: c.Deadband, OccupiedAbove: c.OccupiedAbove, OccupiedBelow: c.OccupiedBelow,
		MaxSilence: time.Duration(c.MaxSilenceNs), Bits: uint8(c.Bits), MaxRate: c.MaxRate,
	}
	if p.Type, err = enumOf("type", int32(c.Type), point.Type.Valid); err != nil {
		return p, err
	}
	if p.Kind, err = enumOf("kind", int32(c.Kind), point.Kind.Valid); err != nil {
		return p, err
	}
	if p.Lane, err = laneOf(c.Lane); err != nil {
		return p, err
	}
	if p.Class, err = enumOf("class", int32(c.Class), point.Class.Valid); err != nil {
		return p, err
	}
	if p.Direction, err = enumOf("direction", int32(c.Direction), point.Direction.Valid); err != nil {
		return p, err
	}
	if err := p.Check(); err != nil {
		return p, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return p, nil
}
