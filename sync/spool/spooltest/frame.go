package spooltest

import (
	"encoding/binary"
	"encoding/json"

	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// Body is what Frame puts where a batch's columns would be.
type Body struct {
	Content uint64
	Gaps    []point.Gap
}

// TableHash returns the hash that Frame's batches name.
func TableHash() point.TableHash { return point.TableHash{0xCA, 0xFE} }

// Frame returns an unsealed frame of count samples at times from first to last, with body as its content in one raw
// block. It passes wire.Verify once it is sealed; no batch can be decoded from it.
func Frame(lane point.Lane, table point.TableHash, first, last int64, count uint32, body Body) []byte {
	content, err := json.Marshal(body)
	if err != nil {
		panic(err) // numbers always marshal
	}
	for len(content) < int(count)*3 {
		content = append(content, ' ')
	}
	le := binary.LittleEndian
	b := make([]byte, wire.HeaderSize, wire.HeaderSize+len(content)+16)
	le.PutUint32(b, 0x184D2A51)
	le.PutUint32(b[4:], wire.HeaderSize-8)
	b[8], b[9] = wire.Version, byte(lane)
	le.PutUint32(b[36:], count)
	le.PutUint32(b[40:], uint32(len(content)))
	le.PutUint64(b[44:], uint64(first))
	le.PutUint64(b[52:], uint64(last))
	copy(b[60:], table[:])
	b = le.AppendUint32(b, 0xFD2FB528)           // zstd
	b = append(b, 0xA0)                          // single segment, 4 bytes of content size
	b = le.AppendUint32(b, uint32(len(content))) //
	block := uint32(len(content))<<3 | 1         // last, raw
	b = append(b, byte(block), byte(block>>8), byte(block>>16))
	return append(b, content...)
}

// Open returns the body of a frame made by Frame.
func Open(frame []byte) (Body, error) {
	var b Body
	err := json.Unmarshal(frame[wire.HeaderSize+12:], &b)
	return b, err
}
