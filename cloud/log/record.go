package log

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/courtside-edge/courtside/sync/point"
)

// A stored record, little-endian: version u8, kind u8, venue (length u8, bytes), gateway (the same),
// received as Unix nanoseconds i64, then the payload to the end.
const recordVersion = 1

// The first and last time that Unix nanoseconds hold.
const (
	minReceived = -1 << 63
	maxReceived = 1<<63 - 1
)

// appendRecord encodes r behind dst, or wraps ErrRecord.
func appendRecord(dst []byte, r Record) ([]byte, error) {
	if !r.Kind.Valid() {
		return dst, fmt.Errorf("%w: its kind is %v", ErrRecord, r.Kind)
	}
	for _, id := range []point.ID{r.Venue, r.Gateway} {
		if _, err := point.ParseID(string(id)); err != nil {
			return dst, fmt.Errorf("%w: %w", ErrRecord, err)
		}
	}
	if r.Received.Before(time.Unix(0, minReceived)) || r.Received.After(time.Unix(0, maxReceived)) {
		return dst, fmt.Errorf("%w: it came at %v", ErrRecord, r.Received)
	}
	if len(r.Payload) > MaxPayloadBytes {
		return dst, fmt.Errorf("%w: its payload has %d bytes, at most %d are allowed", ErrRecord, len(r.Payload), MaxPayloadBytes)
	}
	dst = append(dst, recordVersion, byte(r.Kind), byte(len(r.Venue)))
	dst = append(dst, r.Venue...)
	dst = append(dst, byte(len(r.Gateway)))
	dst = append(dst, r.Gateway...)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(r.Received.UnixNano()))
	return append(dst, r.Payload...), nil
}

// parseRecord decodes b, which the payload aliases.
func parseRecord(offset uint64, b []byte) (Record, error) {
	if len(b) < 2 {
		return Record{}, fmt.Errorf("a record of %d bytes has no header", len(b))
	}
	if b[0] != recordVersion {
		return Record{}, fmt.Errorf("the record's version is %d, this program knows %d", b[0], recordVersion)
	}
	r := Record{Offset: offset, Kind: Kind(b[1])}
	if !r.Kind.Valid() {
		return Record{}, fmt.Errorf("the record's kind is %v", r.Kind)
	}
	b = b[2:]
	for _, id := range []*point.ID{&r.Venue, &r.Gateway} {
		if len(b) < 1 || len(b) < 1+int(b[0]) {
			return Record{}, fmt.Errorf("the record ends within its header")
		}
		got, err := point.ParseID(string(b[1 : 1+int(b[0])]))
		if err != nil {
			return Record{}, err
		}
		*id, b = got, b[1+int(b[0]):]
	}
	if len(b) < 8 {
		return Record{}, fmt.Errorf("the record ends within its header")
	}
	r.Received = time.Unix(0, int64(binary.LittleEndian.Uint64(b))).UTC()
	r.Payload = b[8:len(b):len(b)]
	return r, nil
}
