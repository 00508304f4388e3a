package wire

import (
	"encoding/binary"
	"fmt"

	"github.com/klauspost/compress/zstd"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// storeBelow is the size of a message under which compression is not worth its memory: most acks, commands and
// replies travel stored, which is a plain zstd frame too and takes neither an encoder nor a decoder.
const storeBelow = 512

// pack returns one zstd frame around raw.
func pack(raw []byte) ([]byte, error) {
	if len(raw) < storeBelow {
		return storedFrame(raw), nil
	}
	enc, err := zstd.NewWriter(nil, encoderOptions()...)
	if err != nil {
		return nil, fmt.Errorf("preparing zstd: %w", err)
	}
	out := enc.EncodeAll(raw, nil)
	return out, enc.Close()
}

// storedFrame returns a zstd frame that holds raw, fewer than storeBelow bytes, as it is.
func storedFrame(raw []byte) []byte {
	le := binary.LittleEndian
	out := le.AppendUint32(make([]byte, 0, len(raw)+10), zstdMagic)
	if len(raw) < 256 {
		out = append(out, 1<<5, byte(len(raw))) // single segment, content size of 1 byte
	} else {
		out = le.AppendUint16(append(out, 1<<6|1<<5), uint16(len(raw)-256)) // of 2 bytes
	}
	block := uint32(len(raw))<<3 | 1 // raw, last
	out = append(out, byte(block), byte(block>>8), byte(block>>16))
	return append(out, raw...)
}

// unpack returns the content, at most max bytes, of a payload that is one zstd frame and perhaps a trailer.
func unpack(payload []byte, max int) ([]byte, error) {
	if len(payload) > max {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrTooLarge, len(payload), max)
	}
	z, err := scanFrame(payload)
	if err != nil {
		return nil, err
	}
	if err := checkTrailer(payload[z.size:]); err != nil {
		return nil, err
	}
	if z.known && z.content > uint64(max) {
		return nil, fmt.Errorf("%w: the zstd frame holds %d bytes, at most %d are allowed", ErrBomb, z.content, max)
	}
	payload = payload[:z.size]
	if raw, ok := storedContent(payload, z); ok {
		return raw, nil
	}
	if !z.known {
		return nil, fmt.Errorf("%w: it does not declare its content's size", ErrCompression)
	}
	in, err := newInflater(max)
	if err != nil {
		return nil, err
	}
	defer in.close()
	return in.frame(nil, payload, int(z.content))
}

// storedContent returns what a frame holds that consists of one stored block without a checksum, as storedFrame writes it.
func storedContent(b []byte, z zframe) ([]byte, bool) {
	at := 6
	if b[4] == 1<<6|1<<5 {
		at = 7
	} else if b[4] != 1<<5 {
		return nil, false
	}
	h := uint32(b[at]) | uint32(b[at+1])<<8 | uint32(b[at+2])<<16
	content := b[at+3:]
	if h&7 != 1 || uint64(len(content)) != z.content {
		return nil, false
	}
	return content, true
}

// shape says how many of its repeated messages a message may hold, all told: generated code
// allocates for each before anybody could look at it.
type shape map[protowire.Number]part

// part is one repeated field of a shape.
type part struct {
	what string
	max  int
	sub  shape // of the message; nil for a scalar or a message that holds no repeated field
}

// check counts the parts of m and refuses more than allowed, and what is not protobuf.
func (s shape) check(m []byte) error { return s.count(m, map[string]int{}) }

func (s shape) count(m []byte, met map[string]int) error {
	return eachField(m, func(f field) error {
		p, ok := s[f.num]
		if !ok || f.typ != protowire.BytesType {
			return nil
		}
		if met[p.what]++; met[p.what] > p.max {
			return fmt.Errorf("%w: more than %d %s", ErrTooLarge, p.max, p.what)
		}
		if p.sub == nil {
			return nil
		}
		return p.sub.count(f.bytes, met)
	})
}

// encodeControl returns the payload of a message whose strings are UTF-8. It cannot fail: what it is
// given comes from this program and is bounded.
func encodeControl(m proto.Message) []byte {
	raw, err := proto.Marshal(m)
	if err == nil {
		raw, err = pack(raw)
	}
	if err != nil {
		panic(fmt.Sprintf("wire: encoding %T: %v", m, err)) // only zstd options that do not fit each other
	}
	return raw
}

// decodeControl reads a payload into m, within the bounds of s.
func decodeControl(payload []byte, s shape, m proto.Message) error {
	raw, err := unpack(payload, MaxControlRawBytes)
	if err != nil {
		return err
	}
	if err := s.check(raw); err != nil {
		return err
	}
	if err := proto.Unmarshal(raw, m); err != nil {
		return fmt.Errorf("%w: %v", ErrMalformed, err)
	}
	return nil
}
