package channel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/gopcua/opcua/ua"

	"github.com/courtside-edge/courtside/drivers/opcua/internal/uabinary"
)

// maxSequence is where sequence numbers begin anew, below 1024.
const maxSequence = math.MaxUint32 - 1024

// reader is what the reading goroutine knows.
type reader struct {
	*Channel
	seq     uint32 // of the last chunk
	begun   bool
	message []byte // chunks of the message that is under way
	partOf  uint32 // its request id
}

// read takes chunks until the connection ends.
func (c *Channel) read() {
	r := &reader{Channel: c}
	buf := make([]byte, bufferSize)
	for {
		chunk, err := readChunk(c.conn, buf)
		if err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				err = errors.New("the server closed the connection")
			}
			c.fail(err)
			return
		}
		if err := r.take(chunk); err != nil {
			c.fail(err)
			return
		}
	}
}

// take handles one chunk. An error loses the channel.
func (r *reader) take(chunk []byte) (err error) {
	defer func() {
		if p := recover(); p != nil { // the algorithms are gopcua's, the bytes are a stranger's
			err = fmt.Errorf("a chunk cannot be read: %v", p)
		}
	}()
	kind := string(chunk[:3])
	if kind == "ERR" {
		return serverError(chunk)
	}
	if len(chunk) < headerSize+tokenSize {
		return fmt.Errorf("a chunk of %d bytes is too short", len(chunk))
	}
	channel := binary.LittleEndian.Uint32(chunk[8:])
	var plain []byte
	switch kind {
	case "MSG":
		plain, err = r.openMessage(chunk, channel)
	case "OPN":
		plain, err = r.openOpen(chunk)
	case "CLO":
		return errors.New("the server closed the channel")
	default:
		return fmt.Errorf("%q is no type of message", kind)
	}
	if err != nil {
		return err
	}
	if len(plain) < sequenceSize {
		return fmt.Errorf("a chunk of %d bytes is too short", len(chunk))
	}
	if err := r.inOrder(binary.LittleEndian.Uint32(plain)); err != nil {
		return err
	}
	return r.assemble(kind, chunk[3], channel, binary.LittleEndian.Uint32(plain[4:]), plain[sequenceSize:])
}

// openMessage checks the ids of a MSG chunk and takes its protection off.
func (r *reader) openMessage(chunk []byte, channel uint32) ([]byte, error) {
	id := binary.LittleEndian.Uint32(chunk[headerSize:])
	r.mu.Lock()
	want, tok := r.id, r.current
	if r.previous.valid && id == r.previous.id && id != tok.id {
		tok = r.previous
	}
	if id == tok.id && id == r.current.id {
		r.previous.valid = false // the server uses the new keys from now on
	}
	r.mu.Unlock()
	if !tok.valid || channel != want || id != tok.id {
		return nil, fmt.Errorf("a message of channel %d with token %d came to channel %d with token %d", channel, id, want, tok.id)
	}
	return tok.prot.open(chunk, headerSize+tokenSize)
}

// openOpen checks the certificate of an OPN chunk and takes its protection off.
func (r *reader) openOpen(chunk []byte) ([]byte, error) {
	h := uabinary.NewReader(chunk[headerSize:])
	policy, cert := h.Bytes(), h.Bytes()
	h.Bytes()
	if h.Err() != nil {
		return nil, h.Err()
	}
	if string(policy) != r.o.Policy {
		return nil, fmt.Errorf("the server answers under policy %q, %q was asked for", policy, r.o.Policy)
	}
	if r.asym.sign && !bytes.Equal(cert, r.o.ServerCertificate) {
		return nil, errors.New("the server answers with another certificate than the trusted one")
	}
	return r.asym.open(chunk, headerSize+h.Pos())
}

// inOrder checks a chunk's sequence number. A signed stream must not have holes: somebody would have cut into it.
func (r *reader) inOrder(seq uint32) error {
	last, begun := r.seq, r.begun
	r.seq, r.begun = seq, true
	if !begun || !r.asym.sign || seq == last+1 || last >= maxSequence && seq < 1024 {
		return nil
	}
	return fmt.Errorf("chunk %d came after chunk %d", seq, last)
}

// assemble puts chunks together and hands whole messages to whoever asked.
func (r *reader) assemble(kind string, part byte, channel, id uint32, body []byte) error {
	if len(r.message) > 0 && r.partOf != id {
		return fmt.Errorf("a chunk of message %d came within message %d", id, r.partOf)
	}
	if part == 'A' {
		r.message = nil
		r.answer(id, Answer{ID: id, Err: abortError(body)})
		return nil
	}
	if len(r.message)+len(body) > maxMessageBytes {
		return fmt.Errorf("a message is longer than %d bytes", maxMessageBytes)
	}
	r.partOf = id
	r.message = append(r.message, body...)
	switch part {
	case 'C':
		return nil
	case 'F':
	default:
		return fmt.Errorf("%q is no type of chunk", part)
	}
	whole := r.message
	r.message = nil
	if kind == "OPN" {
		r.forget(id)
		return r.opened(channel, whole)
	}
	r.answer(id, Answer{ID: id, Body: whole})
	return nil
}

func (r *reader) answer(id uint32, a Answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if out, ok := r.pending[id]; ok {
		delete(r.pending, id)
		deliver(out, a)
	}
}

func abortError(body []byte) error {
	b := uabinary.NewReader(body)
	code, reason := b.U32(), b.Bytes()
	if b.Err() != nil {
		return fmt.Errorf("the server took its answer back: %w", b.Err())
	}
	return fmt.Errorf("the server took its answer back: %w (%q)", ua.StatusCode(code), reason)
}
