package wire

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/courtside-edge/courtside/sync/point"
)

// HeaderSize is the length of the header frame in bytes.
const HeaderSize = 80

// Version is the protocol version that this package writes and reads.
const Version = 1

// Where the header's fields lie. Everything is little-endian.
const (
	headerMagic  = 0x184D2A51 // zstd skippable frame 1
	trailerMagic = 0x184D2A52 // zstd skippable frame 2: key id, signature

	atVersion = 8
	atLane    = 9
	atFlags   = 10
	atEpoch   = 12
	atSeq     = 28
	atCount   = 36
	atRawSize = 40
	atFirst   = 44
	atLast    = 52
	atTable   = 60
	atCRC     = 76
)

// flagsToUnderstand are the flags that a reader must know; it may overlook the others. None is given yet.
const flagsToUnderstand = 0x00FF

// maxTrailer bounds a trailer: a key id and the largest signature in sight, with room.
const maxTrailer = 4096

// Header is what can be said of a batch without inflating it.
type Header struct {
	Lane    point.Lane
	Flags   uint16
	Epoch   point.Epoch // zero in a frame that is not sealed
	Seq     uint64
	Count   uint32 // samples; 0 in a batch of gaps alone
	RawSize uint32 // bytes of the inflated message
	// First and Last are the smallest and largest monotonic time of a sample in ns; both are 0 when Count is.
	First, Last int64
	Table       point.TableHash
}

// ID returns the batch's identity within its gateway.
func (h Header) ID() point.BatchID { return point.BatchID{Epoch: h.Epoch, Lane: h.Lane, Seq: h.Seq} }

// put writes h with epoch, seq and CRC into the first HeaderSize bytes of b.
func (h Header) put(b []byte) {
	le := binary.LittleEndian
	le.PutUint32(b, headerMagic)
	le.PutUint32(b[4:], HeaderSize-8)
	b[atVersion], b[atLane] = Version, byte(h.Lane)
	le.PutUint16(b[atFlags:], h.Flags)
	copy(b[atEpoch:atSeq], h.Epoch[:])
	le.PutUint64(b[atSeq:], h.Seq)
	le.PutUint32(b[atCount:], h.Count)
	le.PutUint32(b[atRawSize:], h.RawSize)
	le.PutUint64(b[atFirst:], uint64(h.First))
	le.PutUint64(b[atLast:], uint64(h.Last))
	copy(b[atTable:atCRC], h.Table[:])
	le.PutUint32(b[atCRC:], 0)
}

// ParseHeader reads the header of a frame. It looks at structure only, neither at the checksum nor at what
// follows, and allocates nothing unless it refuses.
func ParseHeader(frame []byte) (Header, error) {
	le := binary.LittleEndian
	if len(frame) < 4 {
		return Header{}, fmt.Errorf("reading the header of a frame of %d bytes: %w", len(frame), ErrTruncated)
	}
	if m := le.Uint32(frame); m != headerMagic {
		return Header{}, fmt.Errorf("reading a header: %w: it begins with 0x%08X", ErrNotFrame, m)
	}
	if len(frame) < HeaderSize {
		return Header{}, fmt.Errorf("reading the header of a frame of %d bytes: %w", len(frame), ErrTruncated)
	}
	if v := frame[atVersion]; v != Version {
		return Header{}, fmt.Errorf("reading a header: %w: protocol version %d, %d is spoken here", ErrVersion, v, Version)
	}
	if n := le.Uint32(frame[4:]); n != HeaderSize-8 {
		return Header{}, fmt.Errorf("reading a header: %w: it declares %d bytes, version %d has %d", ErrNotFrame, n, Version, HeaderSize-8)
	}
	h := Header{
		Lane: point.Lane(frame[atLane]), Flags: le.Uint16(frame[atFlags:]),
		Epoch: point.Epoch(frame[atEpoch:atSeq]), Seq: le.Uint64(frame[atSeq:]),
		Count: le.Uint32(frame[atCount:]), RawSize: le.Uint32(frame[atRawSize:]),
		First: int64(le.Uint64(frame[atFirst:])), Last: int64(le.Uint64(frame[atLast:])),
		Table: point.TableHash(frame[atTable:atCRC]),
	}
	return h, h.check()
}

// check refuses values that no encoder writes.
func (h Header) check() error {
	switch {
	case h.Flags&flagsToUnderstand != 0:
		return fmt.Errorf("reading a header: %w: flags 0x%04X", ErrVersion, h.Flags)
	case !h.Lane.Valid():
		return fmt.Errorf("reading a header: %w: unknown lane %d", ErrHeader, h.Lane)
	case h.First < 0 || h.Last < h.First:
		return fmt.Errorf("reading a header: %w: times %d to %d", ErrHeader, h.First, h.Last)
	case h.Count == 0 && h.Last != 0:
		return fmt.Errorf("reading a header: %w: times of no sample", ErrHeader)
	}
	return nil
}

// Verify reads the header of a sealed frame and checks all that can be checked without inflating it: sizes against lim
// and against each other, the checksum, the structure of the zstd frame and of a trailer. Besides its answer it
// allocates nothing unless it refuses.
func Verify(frame []byte, lim Limits) (Header, error) {
	h, _, err := verify(frame, lim.normal())
	return h, err
}

// verify is Verify with normal limits; it also returns the zstd frame.
func verify(frame []byte, lim Limits) (Header, []byte, error) {
	if len(frame) > lim.MaxFrameBytes+8+maxTrailer {
		return Header{}, nil, fmt.Errorf("verifying a frame of %d bytes: %w: at most %d are allowed", len(frame), ErrTooLarge, lim.MaxFrameBytes)
	}
	h, err := ParseHeader(frame)
	if err != nil {
		return h, nil, err
	}
	switch {
	case uint64(h.RawSize) > uint64(lim.MaxRawBytes):
		return h, nil, fmt.Errorf("verifying a frame: %w: it declares %d bytes of content, at most %d are allowed", ErrTooLarge, h.RawSize, lim.MaxRawBytes)
	case uint64(h.Count) > uint64(lim.MaxSamples):
		return h, nil, fmt.Errorf("verifying a frame: %w: it declares %d samples, at most %d are allowed", ErrTooLarge, h.Count, lim.MaxSamples)
	case uint64(h.Count)*minSampleBytes > uint64(h.RawSize):
		return h, nil, fmt.Errorf("verifying a frame: %w: %d samples do not fit %d bytes", ErrHeader, h.Count, h.RawSize)
	}
	z, err := scanFrame(frame[HeaderSize:])
	if err != nil {
		return h, nil, fmt.Errorf("verifying a frame: %w", err)
	}
	trailer := checkTrailer(frame[HeaderSize+z.size:])
	if n := HeaderSize + z.size; n > lim.MaxFrameBytes || trailer != nil && len(frame) > lim.MaxFrameBytes {
		return h, nil, fmt.Errorf("verifying a frame of %d bytes: %w: at most %d are allowed", len(frame), ErrTooLarge, lim.MaxFrameBytes)
	}
	if trailer != nil {
		return h, nil, fmt.Errorf("verifying a frame: %w", trailer)
	}
	if want, got := binary.LittleEndian.Uint32(frame[atCRC:]), checksum(frame[:HeaderSize+z.size]); want != got {
		return h, nil, fmt.Errorf("verifying a frame: %w: 0x%08X is written, 0x%08X found", ErrChecksum, want, got)
	}
	if h.Epoch.IsZero() {
		return h, nil, fmt.Errorf("verifying a frame: %w: it has no epoch", ErrHeader)
	}
	if z.known && z.content > uint64(lim.MaxRawBytes) {
		return h, nil, fmt.Errorf("verifying a frame: %w: the zstd frame holds %d bytes, %d are declared", ErrBomb, z.content, h.RawSize)
	}
	if z.known && z.content != uint64(h.RawSize) {
		return h, nil, fmt.Errorf("verifying a frame: %w: %d bytes are declared, the zstd frame holds %d", ErrHeader, h.RawSize, z.content)
	}
	return h, frame[HeaderSize : HeaderSize+z.size], nil
}

// checkTrailer accepts nothing, or exactly one trailer frame.
func checkTrailer(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if len(b) < 8 || binary.LittleEndian.Uint32(b) != trailerMagic {
		return fmt.Errorf("%w: %d bytes follow that are no trailer", ErrCompression, len(b))
	}
	n := binary.LittleEndian.Uint32(b[4:])
	if n > maxTrailer {
		return fmt.Errorf("%w: a trailer of %d bytes, at most %d are allowed", ErrTooLarge, n, maxTrailer)
	}
	if int(n) != len(b)-8 {
		return fmt.Errorf("%w: a trailer of %d bytes declares %d", ErrTruncated, len(b)-8, n)
	}
	return nil
}

// checksum returns the CRC32C of header and zstd frame with the CRC field taken as zero.
func checksum(b []byte) uint32 {
	castagnoli := crc32.MakeTable(crc32.Castagnoli) // the standard library keeps one
	c := ^crc32.Update(0, castagnoli, b[:atCRC])
	for range HeaderSize - atCRC { // a zero byte each, without memory for them
		c = castagnoli[byte(c)] ^ c>>8
	}
	return crc32.Update(^c, castagnoli, b[HeaderSize:])
}

// Seal numbers a frame: it writes epoch, seq and the checksum in place. The frame is as Encode
// made it, without a trailer; it may be sealed again. It panics when frame is shorter than a header.
func Seal(frame []byte, epoch point.Epoch, seq uint64) {
	copy(frame[atEpoch:atSeq], epoch[:])
	binary.LittleEndian.PutUint64(frame[atSeq:], seq)
	binary.LittleEndian.PutUint32(frame[atCRC:], checksum(frame))
}

// FrameHash returns the SHA-256 of header and zstd frame, without trailer: what tells two batches of one
// identity apart. Of bytes that are no frame it returns the hash of all of them.
func FrameHash(frame []byte) [32]byte {
	if len(frame) > HeaderSize {
		if z, err := scanFrame(frame[HeaderSize:]); err == nil {
			return sha256.Sum256(frame[:HeaderSize+z.size])
		}
	}
	return sha256.Sum256(frame)
}
