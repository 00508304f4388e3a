package wire

import (
	"errors"

	"github.com/courtside-edge/courtside/sync/point"
)

const minSampleBytes = 3

var errStub = errors.New("not built yet")

// Encoder encodes batches. It is not safe for concurrent use.
type Encoder struct{ lim Limits }

// NewEncoder returns an encoder.
func NewEncoder(lim Limits) (*Encoder, error) { return &Encoder{lim.normal()}, nil }

// Encode appends an unsealed frame to dst.
func (e *Encoder) Encode(dst []byte, lane point.Lane, table []point.Point, b *Batch) ([]byte, error) {
	return dst, errStub
}

// Decoder decodes batches. It is not safe for concurrent use.
type Decoder struct{ lim Limits }

// NewDecoder returns a decoder.
func NewDecoder(lim Limits) (*Decoder, error) { return &Decoder{lim.normal()}, nil }

// Decode verifies a frame and decodes it.
func (d *Decoder) Decode(frame []byte, table []point.Point, into *Batch) (Header, error) {
	return Header{}, errStub
}

// EncodeTable encodes a table.
func EncodeTable(points []point.Point, maxPartBytes int) (parts [][]byte, hash point.TableHash, err error) {
	return nil, hash, errStub
}

// TableAssembler puts parts of tables together. The zero value is ready.
type TableAssembler struct{}

// Add takes one part.
func (a *TableAssembler) Add(payload []byte) (points []point.Point, hash point.TableHash, done bool, err error) {
	return nil, hash, false, errStub
}

// EncodeAck encodes an ack.
func EncodeAck(a Ack) []byte { return nil }

// DecodeAck decodes an ack.
func DecodeAck(payload []byte) (Ack, error) { return Ack{}, errStub }

// EncodeInventory encodes an inventory.
func EncodeInventory(i Inventory) []byte { return nil }

// DecodeInventory decodes an inventory.
func DecodeInventory(payload []byte) (Inventory, error) { return Inventory{}, errStub }

// EncodeCommand encodes a command.
func EncodeCommand(c Command) []byte { return nil }

// DecodeCommand decodes a command.
func DecodeCommand(payload []byte) (Command, error) { return Command{}, errStub }

// EncodeReply encodes a reply.
func EncodeReply(r Reply) []byte { return nil }

// DecodeReply decodes a reply.
func DecodeReply(payload []byte) (Reply, error) { return Reply{}, errStub }
