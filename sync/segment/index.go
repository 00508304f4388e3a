package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
)

// indexName is the file that says that a segment is complete, synced and closed, and what it holds,
// so that a start opens no segment that it need not open. Little-endian: magic "CSI", version; CRC32C of the rest;
// segment, first, next, frames, bytes, record bytes, sum of Badger's files, each u64.
const (
	indexName    = "INDEX"
	indexSize    = 64
	indexVersion = 1
)

var errIndex = errors.New("the segment's index is not as written")

// index is the account of a closed segment.
type index struct {
	segment, first, next, frames uint64
	bytes                        int64 // of frames
	recordBytes                  int64
	sum                          uint32 // of Badger's files; see sumFiles
}

func (x index) encode() []byte {
	b := append(make([]byte, 0, indexSize), 'C', 'S', 'I', indexVersion, 0, 0, 0, 0)
	for _, v := range []uint64{x.segment, x.first, x.next, x.frames, uint64(x.bytes), uint64(x.recordBytes), uint64(x.sum)} {
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
		sum: uint32(le.Uint64(b[56:])),
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

// writeIndex makes the files of a closed database durable, and then the index that says so.
func writeIndex(dir string, x index) (err error) {
	if x.sum, err = sumFiles(dir, true); err != nil {
		return err
	}
	return writeFile(dir, indexName, x.encode())
}

// sumFiles returns a checksum over the names, the sizes and the contents of Badger's files in dir,
// of the value logs only the head: their frames have checksums of their own. With durable it syncs
// them too.
//
// Badger must not be given tables that are not as it wrote them: it ends the process over some.
func sumFiles(dir string, durable bool) (uint32, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	var all []byte
	for _, e := range entries {
		switch e.Name() {
		case indexName, indexName + ".tmp", "LOCK", "DISCARD":
			continue // ours, or not read by a reader
		}
		if all, err = appendSum(all, dir, e.Name(), durable); err != nil {
			return 0, fmt.Errorf("summing %s: %w", filepath.Join(dir, e.Name()), err)
		}
	}
	return castagnoli(all), nil
}

func appendSum(b []byte, dir, name string, durable bool) ([]byte, error) {
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return b, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return b, err
	}
	if durable {
		if err := f.Sync(); err != nil {
			return b, err
		}
	}
	read := io.Reader(f)
	if filepath.Ext(name) == ".vlog" {
		read = io.LimitReader(f, valueLogHeader)
	}
	h := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	if _, err := io.Copy(h, read); err != nil {
		return b, err
	}
	return fmt.Appendf(b, "%s %d %d\n", name, info.Size(), h.Sum32()), nil
}
