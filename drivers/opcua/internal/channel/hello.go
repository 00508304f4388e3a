package channel

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gopcua/opcua/ua"
	"github.com/gopcua/opcua/uacp"
)

// prefixSize is the length of a chunk's type and size.
const prefixSize = 8

// hello exchanges HEL and ACK: who takes how much.
func (c *Channel) hello(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { c.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	body, err := (&uacp.Hello{
		ReceiveBufSize: bufferSize, SendBufSize: bufferSize,
		MaxMessageSize: maxMessageBytes, MaxChunkCount: maxMessageBytes / minBufferSize, EndpointURL: c.o.Endpoint,
	}).Encode()
	if err != nil {
		return err
	}
	msg := append([]byte("HELF\x00\x00\x00\x00"), body...)
	binary.LittleEndian.PutUint32(msg[4:], uint32(len(msg)))
	if _, err := c.conn.Write(msg); err != nil {
		return causeOf(ctx, fmt.Errorf("say hello: %w", err))
	}
	buf := make([]byte, bufferSize)
	chunk, err := readChunk(c.conn, buf)
	if err != nil {
		return causeOf(ctx, fmt.Errorf("wait for the server's acknowledgement: %w", err))
	}
	switch typ := string(chunk[:3]); typ {
	case "ACK":
	case "ERR":
		return serverError(chunk)
	default:
		return fmt.Errorf("this is no OPC UA server: %q came where ACK is wanted", typ)
	}
	var ack uacp.Acknowledge
	if _, err := ack.Decode(chunk[prefixSize:]); err != nil {
		return fmt.Errorf("the server's acknowledgement: %w", err)
	}
	if ack.ReceiveBufSize < minBufferSize {
		return fmt.Errorf("the server takes chunks of %d bytes, at least %d are needed", ack.ReceiveBufSize, minBufferSize)
	}
	c.sendSize = int(min(ack.ReceiveBufSize, bufferSize))
	c.sendMost = int(min(ack.MaxMessageSize, maxMessageBytes))
	return nil
}

// causeOf prefers the context's end to the failure that it brought about.
func causeOf(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errors.Join(ctx.Err(), err)
	}
	return err
}

// readChunk reads one whole chunk into buf and returns its part of it.
func readChunk(r io.Reader, buf []byte) ([]byte, error) {
	if _, err := io.ReadFull(r, buf[:prefixSize]); err != nil {
		return nil, err
	}
	size := int64(binary.LittleEndian.Uint32(buf[4:]))
	if size < prefixSize || size > int64(len(buf)) {
		return nil, fmt.Errorf("bytes came that are no OPC UA chunk: type %q, size %d", buf[:4], size)
	}
	if _, err := io.ReadFull(r, buf[prefixSize:size]); err != nil {
		return nil, err
	}
	return buf[:size], nil
}

// serverError returns what an ERR message says.
func serverError(chunk []byte) error {
	var e uacp.Error
	if _, err := e.Decode(chunk[prefixSize:]); err != nil {
		return fmt.Errorf("the server ended the connection without a reason: %w", err)
	}
	return fmt.Errorf("the server ended the connection: %w (%q)", ua.StatusCode(e.ErrorCode), e.Reason)
}
