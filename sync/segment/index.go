package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// indexName is the file that says that a segment is complete, synced and closed, and what it holds,
// so that a start opens no segment that it need not open. Little-endian: magic "CSI", version; CRC32C of the rest;
// segment, first, next, frames, bytes, record bytes, each u64.
const (
	indexName    = "INDEX"
	indexSize    = 56
	indexVersion = 1
)

var errIndex = errors.New("the segment's index is not as written")

// index is the account of a closed segment.
type index struct {
	segment, first, next, frames uint64
	bytes                        int64 // of frames
	recordBytes                  int64
}

func (x index) encode() []byte {
	b := append(make([]byte, 0, indexSize), 'C', 'S', 'I', indexVersion, 0, 0, 0, 0)
	for _, v := range []uint64{x.segment, x.first, x.next, x.frames, uint64(x.bytes), uint64(x.recordBytes)} {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	binary.LittleEndian.PutUint32(b[4:], castagnoli(b[8:]))
	return b
}

func decodeIndex(b []byte) (index, error) {
	if len(b) != indexSize || string(b[:3]) != "CSI" || b[3] != indexVersion ||
		castagnoli(b[8:]) != binary.LittleEndian.Uint32(b[4:]) {
		return index{}, errIndex
	}
	le := binary.LittleEndian
	x := index{
		segment: le.Uint64(b[8:]), first: le.Uint64(b[16:]), next: le.Uint64(b[24:]), frames: le.Uint64(b[32:]),
		bytes: int64(le.Uint64(b[40:])), recordBytes: int64(le.Uint64(b[48:])),
	}
	if x.first > x.next || x.bytes < 0 || x.recordBytes < 0 {
		return index{}, errIndex
	}
	return x, nil
}

func readIndex(dir string, segment uint64) (index, error) {
	b, err := os.ReadFile(filepath.Join(dir, indexName))
	if err != nil {
		return index{}, err
	}
	x, err := decodeIndex(b)
	if err == nil && x.segment != segment {
		err = fmt.Errorf("%w: it is that of segment %d", errIndex, x.segment)
	}
	return x, err
}

func writeIndex(dir string, x index) error { return writeFile(dir, indexName, x.encode()) }
