package segment

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// A frame is what one transaction stores, as the one value of one Badger entry: so a transaction is
// atomic by construction, Badger's limit of entries a transaction (1,638 with a 1 MB memtable) does
// not matter, and a frame found anywhere in a file says by itself what it is. Little-endian:
//
//	 0 magic "CSF", version 1
//	 4 CRC32C of everything from 8 to the end of the directory
//	 8 mark: 8 random bytes of this store, so that no record's bytes can pass for a frame
//	16 id of the segment          u64
//	24 number within the segment  u32
//	28 flags                      u32
//	32 offset of the first record u64
//	40 durable: every offset below was synced when the frame was written  u64
//	48 records                    u32
//	52 bytes of the state section u32
//	56 CRC32C of the state section
//	60 bytes of the whole frame   u32
//	64 directory: for each record the end of its bytes (u32, from where the records begin) and their CRC32C
//	   state section, then the records' bytes
const (
	frameHeaderSize = 64
	directoryEntry  = 8
	frameVersion    = 1
	// maxFrameBytes is what a frame can take: the largest transaction, and releases written with it.
	maxFrameBytes = MaxTxBytes + MaxSegmentBytes/16
	// flagSnapshot marks a segment's first frame: its state section is the whole state.
	flagSnapshot = 1
)

var (
	errNotFrame    = errors.New("not a frame")
	errRecordSum   = errors.New("its checksum differs")
	errStateSum    = errors.New("the checksum of the small state differs")
	errFrameAbsent = errors.New("the transaction that held it is missing")
)

// mark is the store's own random bytes at the head of each frame.
type mark [8]byte

// frameHead is what a new frame says of itself.
type frameHead struct {
	mark    mark
	segment uint64
	index   uint32
	flags   uint32
	first   uint64
	durable uint64
}

// frame is an encoded frame whose header and directory were checked.
type frame []byte

func frameMagic() []byte { return []byte{'C', 'S', 'F', frameVersion} }

func castagnoli(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// frameSize returns how many bytes a frame with these contents takes.
func frameSize(records [][]byte, state int) int64 {
	n := int64(frameHeaderSize + state)
	for _, r := range records {
		n += directoryEntry + int64(len(r))
	}
	return n
}

// newFrame encodes a frame. Its size must have been checked: it fits 32 bits.
func newFrame(h frameHead, records [][]byte, state []byte) frame {
	f := make([]byte, frameSize(records, len(state)))
	copy(f, frameMagic())
	copy(f[8:], h.mark[:])
	le := binary.LittleEndian
	le.PutUint64(f[16:], h.segment)
	le.PutUint32(f[24:], h.index)
	le.PutUint32(f[28:], h.flags)
	le.PutUint64(f[32:], h.first)
	le.PutUint64(f[40:], h.durable)
	le.PutUint32(f[48:], uint32(len(records)))
	le.PutUint32(f[52:], uint32(len(state)))
	le.PutUint32(f[56:], castagnoli(state))
	le.PutUint32(f[60:], uint32(len(f)))
	at := frameHeaderSize + directoryEntry*len(records)
	at += copy(f[at:], state)
	begin := at
	for i, r := range records {
		at += copy(f[at:], r)
		d := f[frameHeaderSize+directoryEntry*i:]
		le.PutUint32(d, uint32(at-begin))
		le.PutUint32(d[4:], castagnoli(r))
	}
	le.PutUint32(f[4:], castagnoli(f[8:frameHeaderSize+directoryEntry*len(records)]))
	return f
}

// frameLength returns how long the frame that b begins with claims to be, and whether b begins like
// a frame of this store at all. b holds at least frameHeaderSize bytes.
func frameLength(b []byte, m *mark) (int, bool) {
	if !bytes.Equal(b[:4], frameMagic()) || (m != nil && mark(b[8:16]) != *m) {
		return 0, false
	}
	n := int64(binary.LittleEndian.Uint32(b[60:]))
	head := frameHeaderSize + directoryEntry*int64(binary.LittleEndian.Uint32(b[48:]))
	if n > maxFrameBytes || head+int64(binary.LittleEndian.Uint32(b[52:])) > n {
		return 0, false
	}
	return int(n), true
}

// parseFrame returns the frame that b begins with, once its header and directory are known to be
// as written. A nil mark accepts any store's. It keeps b and allocates nothing.
func parseFrame(b []byte, m *mark) (frame, error) {
	if len(b) < frameHeaderSize {
		return nil, fmt.Errorf("%w: %d bytes", errNotFrame, len(b))
	}
	n, ok := frameLength(b, m)
	if !ok || n > len(b) {
		return nil, fmt.Errorf("%w: its header is not this store's", errNotFrame)
	}
	f := frame(b[:n:n])
	if castagnoli(f[8:frameHeaderSize+directoryEntry*f.count()]) != binary.LittleEndian.Uint32(f[4:]) {
		return nil, fmt.Errorf("%w: the checksum of its header differs", errNotFrame)
	}
	return f, nil
}

func (f frame) mark() mark      { return mark(f[8:16]) }
func (f frame) segment() uint64 { return binary.LittleEndian.Uint64(f[16:]) }
func (f frame) index() uint32   { return binary.LittleEndian.Uint32(f[24:]) }
func (f frame) snapshot() bool  { return binary.LittleEndian.Uint32(f[28:])&flagSnapshot != 0 }
func (f frame) first() uint64   { return binary.LittleEndian.Uint64(f[32:]) }
func (f frame) durable() uint64 { return binary.LittleEndian.Uint64(f[40:]) }
func (f frame) count() int      { return int(binary.LittleEndian.Uint32(f[48:])) }
func (f frame) end() uint64     { return f.first() + uint64(f.count()) }
func (f frame) stateSize() int  { return int(binary.LittleEndian.Uint32(f[52:])) }

// recordBytes is how many bytes the records take without what frames them.
func (f frame) recordBytes() int64 {
	return int64(len(f) - frameHeaderSize - directoryEntry*f.count() - f.stateSize())
}

// state returns the state section, which aliases f.
func (f frame) state() ([]byte, error) {
	at := frameHeaderSize + directoryEntry*f.count()
	b := f[at : at+f.stateSize()]
	if castagnoli(b) != binary.LittleEndian.Uint32(f[56:]) {
		return nil, errStateSum
	}
	return b, nil
}

// record returns the bytes of the i-th record, which alias f.
func (f frame) record(i int) ([]byte, error) {
	le := binary.LittleEndian
	d := f[frameHeaderSize+directoryEntry*i:]
	begin := int64(frameHeaderSize+f.stateSize()) + directoryEntry*int64(f.count())
	from, to := begin, begin+int64(le.Uint32(d))
	if i > 0 {
		from += int64(le.Uint32(f[frameHeaderSize+directoryEntry*(i-1):]))
	}
	if from > to || to > int64(len(f)) {
		return nil, fmt.Errorf("%w: bytes %d to %d of %d", errNotFrame, from, to, len(f))
	}
	b := f[from:to:to]
	if castagnoli(b) != le.Uint32(d[4:]) {
		return nil, errRecordSum
	}
	return b, nil
}

// intact reports whether the state section and every record are as written.
func (f frame) intact() bool {
	if _, err := f.state(); err != nil {
		return false
	}
	for i := range f.count() {
		if _, err := f.record(i); err != nil {
			return false
		}
	}
	return true
}

// frameRef says where a frame stands in its segment.
type frameRef struct {
	first uint64
	count uint32
	index uint32
}

// keySize is the size of a Badger key: index, first, count, big-endian so that order is kept.
const keySize = 16

func (r frameRef) key() []byte {
	k := make([]byte, keySize)
	binary.BigEndian.PutUint32(k, r.index)
	binary.BigEndian.PutUint64(k[4:], r.first)
	binary.BigEndian.PutUint32(k[12:], r.count)
	return k
}

func parseKey(k []byte) (frameRef, bool) {
	if len(k) != keySize {
		return frameRef{}, false
	}
	return frameRef{
		index: binary.BigEndian.Uint32(k),
		first: binary.BigEndian.Uint64(k[4:]),
		count: binary.BigEndian.Uint32(k[12:]),
	}, true
}

func (f frame) ref() frameRef {
	return frameRef{first: f.first(), count: uint32(f.count()), index: f.index()}
}
