package wire

import (
	"encoding/binary"
	"fmt"
)

// zstdMagic begins every zstd frame (RFC 8878 section 3.1.1).
const zstdMagic = 0xFD2FB528

// zblockMax is the largest block that a zstd frame may hold.
const zblockMax = 128 << 10

// zframe is what the headers of a zstd frame say.
type zframe struct {
	size    int    // of the frame in bytes
	content uint64 // declared size of the content
	known   bool   // whether it is declared
}

// scanFrame walks over the headers of the zstd frame at the start of b, inflating nothing. Dictionaries are refused.
func scanFrame(b []byte) (zframe, error) {
	if len(b) < 5 {
		return zframe{}, fmt.Errorf("%w: a zstd frame of %d bytes", ErrTruncated, len(b))
	}
	if m := binary.LittleEndian.Uint32(b); m != zstdMagic {
		return zframe{}, fmt.Errorf("%w: it begins with 0x%08X", ErrCompression, m)
	}
	d := b[4] // frame header descriptor
	single := d&(1<<5) != 0
	if d&(1<<3) != 0 || d&3 != 0 {
		return zframe{}, fmt.Errorf("%w: descriptor 0x%02X", ErrCompression, d)
	}
	at := 5
	if !single {
		at++ // window descriptor
	}
	z, at, err := contentSize(b, at, d>>6, single)
	if err != nil {
		return zframe{}, err
	}
	for last := false; !last; {
		if len(b)-at < 3 {
			return zframe{}, fmt.Errorf("%w: the zstd frame has no last block", ErrTruncated)
		}
		h := uint32(b[at]) | uint32(b[at+1])<<8 | uint32(b[at+2])<<16
		at += 3
		last = h&1 != 0
		size := int(h >> 3)
		switch h >> 1 & 3 {
		case 1: // one byte, repeated
			size = 1
		case 3:
			return zframe{}, fmt.Errorf("%w: reserved block type", ErrCompression)
		}
		if size > zblockMax {
			return zframe{}, fmt.Errorf("%w: block of %d bytes", ErrCompression, size)
		}
		if len(b)-at < size {
			return zframe{}, fmt.Errorf("%w: %d bytes of a zstd block are missing", ErrTruncated, size-(len(b)-at))
		}
		at += size
	}
	if d&(1<<2) != 0 { // content checksum
		if len(b)-at < 4 {
			return zframe{}, fmt.Errorf("%w: the zstd frame's checksum is missing", ErrTruncated)
		}
		at += 4
	}
	z.size = at
	return z, nil
}

// contentSize reads the frame content size field of code at b[at:] and returns what follows it.
func contentSize(b []byte, at int, code byte, single bool) (zframe, int, error) {
	n := 0
	switch {
	case code > 0:
		n = 1 << code
	case single:
		n = 1
	}
	if len(b)-at < n {
		return zframe{}, 0, fmt.Errorf("%w: the zstd frame's header is cut", ErrTruncated)
	}
	le := binary.LittleEndian
	z := zframe{known: n > 0}
	switch n {
	case 1:
		z.content = uint64(b[at])
	case 2:
		z.content = uint64(le.Uint16(b[at:])) + 256
	case 4:
		z.content = uint64(le.Uint32(b[at:]))
	case 8:
		z.content = le.Uint64(b[at:])
	}
	return z, at + n, nil
}
