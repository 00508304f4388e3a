package channel

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/gopcua/opcua/ua"
)

// Request is an encoded service request without its header. It may be sent any number of times.
type Request struct {
	typ  uint16
	tail []byte
	open bool // an OPN
	end  bool // a CLO
}

// Encode returns req without its header, ready to be sent again and again.
func Encode(req ua.Request) (*Request, error) {
	typ := ua.ServiceTypeID(req)
	if typ == 0 {
		return nil, fmt.Errorf("%T is no service request", req)
	}
	empty := &ua.RequestHeader{AuthenticationToken: ua.NewTwoByteNodeID(0)}
	head, err := ua.Encode(empty)
	if err != nil {
		return nil, err
	}
	req.SetHeader(empty)
	all, err := ua.Encode(req)
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", req, err)
	}
	r := &Request{typ: typ, tail: all[len(head):]}
	switch req.(type) {
	case *ua.OpenSecureChannelRequest:
		r.open = true
	case *ua.CloseSecureChannelRequest:
		r.end = true
	}
	return r, nil
}

// message returns the request with a header.
func (r *Request) message(auth []byte, id uint32, hint time.Duration) []byte {
	if auth == nil {
		auth = []byte{0, 0} // the null node id
	}
	b := make([]byte, 0, len(r.tail)+len(auth)+64)
	b = append(b, 1, 0) // a four-byte node id of namespace 0
	b = binary.LittleEndian.AppendUint16(b, r.typ)
	b = append(b, auth...)
	b = binary.LittleEndian.AppendUint64(b, ticks(time.Now()))
	b = binary.LittleEndian.AppendUint32(b, id)
	b = binary.LittleEndian.AppendUint32(b, 0)          // no diagnostics
	b = binary.LittleEndian.AppendUint32(b, 0xffffffff) // no audit entry
	b = binary.LittleEndian.AppendUint32(b, uint32(hint/time.Millisecond))
	b = append(b, 0, 0, 0) // no additional header
	return append(b, r.tail...)
}

// ticks returns t as a DateTime: 100 ns since 1601.
func ticks(t time.Time) uint64 {
	const since1601 = 11_644_473_600
	return uint64((t.Unix()+since1601)*10_000_000 + int64(t.Nanosecond()/100))
}

// Call sends a request and waits for its answer until ctx ends. auth is the encoded authentication token of
// the session, nil for none.
func (c *Channel) Call(ctx context.Context, r *Request, auth []byte) ([]byte, error) {
	out := make(chan Answer, 1)
	hint := time.Duration(0)
	if d, ok := ctx.Deadline(); ok {
		hint = time.Until(d)
	}
	id, err := c.send(ctx, r, auth, hint, out)
	if err != nil {
		return nil, err
	}
	select {
	case a := <-out:
		return a.Body, a.Err
	case <-ctx.Done():
		c.forget(id)
		return nil, ctx.Err()
	}
}

// Send sends a request and returns its id; the answer, or the channel's end, comes on out, which must have room for
// all answers that its owner waits for. hint tells the server how long we are going to wait.
func (c *Channel) Send(ctx context.Context, r *Request, auth []byte, hint time.Duration, out chan<- Answer) (uint32, error) {
	return c.send(ctx, r, auth, hint, out)
}

func (c *Channel) forget(id uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.pending, id)
}

func (c *Channel) send(ctx context.Context, r *Request, auth []byte, hint time.Duration, out chan<- Answer) (uint32, error) {
	if err := c.lock(ctx); err != nil {
		return 0, err
	}
	defer c.unlock()
	return c.sendLocked(ctx, r, auth, hint, out)
}

// lock takes the right to write.
func (c *Channel) lock(ctx context.Context) error {
	select {
	case c.writer <- struct{}{}:
		return nil
	case <-c.lost:
		return c.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *Channel) unlock() { <-c.writer }

func (c *Channel) sendLocked(ctx context.Context, r *Request, auth []byte, hint time.Duration, out chan<- Answer) (uint32, error) {
	c.lastID++
	if c.lastID == 0 {
		c.lastID = 1
	}
	id := c.lastID
	msg := r.message(auth, id, hint)
	if c.sendMost > 0 && len(msg) > c.sendMost {
		return 0, fmt.Errorf("a request of %d bytes is more than the %d that the server takes", len(msg), c.sendMost)
	}
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return 0, c.Err()
	}
	if out != nil {
		c.pending[id] = out
	}
	channel, tok := c.id, c.current
	c.mu.Unlock()
	if err := c.write(ctx, r, id, channel, tok, msg); err != nil {
		c.forget(id)
		return 0, err
	}
	return id, nil
}

// write sends msg in as many chunks as it takes. The caller holds the right to write.
func (c *Channel) write(ctx context.Context, r *Request, id, channel uint32, tok token, msg []byte) error {
	if r.open {
		return c.writeAll(ctx, c.openHeader(channel), c.asym, id, msg)
	}
	most := tok.prot.maxBody(c.sendSize)
	for {
		kind := "MSGC"
		if r.end {
			kind = "CLOC"
		}
		part := msg
		if len(part) > most {
			part = part[:most]
		} else {
			kind = kind[:3] + "F"
		}
		msg = msg[len(part):]
		header := make([]byte, headerSize+tokenSize, len(part)+256)
		copy(header, kind)
		binary.LittleEndian.PutUint32(header[8:], channel)
		binary.LittleEndian.PutUint32(header[12:], tok.id)
		if err := c.writeAll(ctx, header, tok.prot, id, part); err != nil {
			return err
		}
		if len(msg) == 0 {
			return nil
		}
	}
}

// writeAll seals and writes one chunk. A chunk that was cut short by ctx loses the channel.
func (c *Channel) writeAll(ctx context.Context, header []byte, p protection, id uint32, body []byte) error {
	c.seq++
	if c.seq > maxSequence {
		c.seq = 1
	}
	plain := make([]byte, sequenceSize, sequenceSize+len(body)+512)
	binary.LittleEndian.PutUint32(plain, c.seq)
	binary.LittleEndian.PutUint32(plain[4:], id)
	chunk, err := p.seal(header, append(plain, body...))
	if err != nil {
		c.fail(err)
		return err
	}
	done := make(chan struct{})
	c.conn.SetWriteDeadline(time.Time{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		c.conn.SetWriteDeadline(time.Unix(1, 0))
	})
	_, err = c.conn.Write(chunk)
	if !stop() {
		<-done
	}
	if err != nil {
		c.fail(fmt.Errorf("write to the server: %w", err))
		return errors.Join(ctx.Err(), c.Err())
	}
	return nil
}
