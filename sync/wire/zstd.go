package wire

import (
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// zwindow is how far zstd looks back. More gains nothing on batches and takes memory of gateways.
const zwindow = 128 << 10

// zoverrun is the room behind the content: a block, so that whatever inflates further than declared is seen to do so
// before the room ends, and a little that lets the zstd decoder copy in whole words.
const zoverrun = zblockMax + 64

// encoderOptions are those of every zstd frame that is made here. The header has a checksum of its own; literals are
// compressed even where nothing repeats, without which a column of noisy values is stored as it is.
func encoderOptions() []zstd.EOption {
	return []zstd.EOption{
		zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(zwindow),
		zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(false), zstd.WithAllLitEntropyCompression(true),
		zstd.WithSingleSegment(true), // for the declared size of small messages
	}
}

// deflater makes one zstd frame after the other. It is not safe for concurrent use.
type deflater struct {
	enc *zstd.Encoder
	out []byte
}

func newDeflater() (*deflater, error) {
	enc, err := zstd.NewWriter(nil, encoderOptions()...)
	if err != nil {
		return nil, fmt.Errorf("preparing zstd: %w", err)
	}
	return &deflater{enc: enc}, nil
}

// Write takes what the zstd encoder puts out.
func (d *deflater) Write(p []byte) (int, error) {
	d.out = append(d.out, p...)
	return len(p), nil
}

// frame appends to dst one zstd frame around raw. Each of the ascending cuts begins a new block, so
// that bytes of one nature share a code table.
func (d *deflater) frame(dst, raw []byte, cuts []int) ([]byte, error) {
	d.out = dst
	defer func() { d.out = nil }()
	d.enc.ResetContentSize(d, int64(len(raw)))
	at := 0
	for _, cut := range cuts {
		if _, err := d.enc.Write(raw[at:cut]); err != nil {
			return dst, fmt.Errorf("compressing %d bytes: %w", len(raw), err)
		}
		if err := d.enc.Flush(); err != nil {
			return dst, fmt.Errorf("compressing %d bytes: %w", len(raw), err)
		}
		at = cut
	}
	if _, err := d.enc.Write(raw[at:]); err != nil {
		return dst, fmt.Errorf("compressing %d bytes: %w", len(raw), err)
	}
	if err := d.enc.Close(); err != nil {
		return dst, fmt.Errorf("compressing %d bytes: %w", len(raw), err)
	}
	return d.out, nil
}

// inflater opens zstd frames of at most max bytes of content. It is not safe for concurrent use.
type inflater struct {
	dec *zstd.Decoder
	max int
}

func newInflater(max int) (*inflater, error) {
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecodeAllCapLimit(true),
		zstd.WithDecoderMaxMemory(uint64(max)+zoverrun), zstd.WithDecoderMaxWindow(uint64(max)+zwindow))
	if err != nil {
		return nil, fmt.Errorf("preparing zstd: %w", err)
	}
	return &inflater{dec: dec, max: max}, nil
}

// frame inflates the zstd frame src, which has to hold exactly size bytes, into the memory of buf.
func (i *inflater) frame(buf, src []byte, size int) ([]byte, error) {
	if size > i.max {
		return buf, fmt.Errorf("inflating %d bytes: %w: %d are declared, at most %d are allowed", len(src), ErrTooLarge, size, i.max)
	}
	if cap(buf) < size+zoverrun {
		buf = make([]byte, 0, size+zoverrun)
	}
	out, err := i.dec.DecodeAll(src, buf[:0:size+zoverrun])
	switch {
	case len(out) > size, errors.Is(err, zstd.ErrDecoderSizeExceeded), errors.Is(err, zstd.ErrFrameSizeExceeded), errors.Is(err, zstd.ErrWindowSizeExceeded):
		return buf, fmt.Errorf("inflating %d bytes: %w of %d", len(src), ErrBomb, size)
	case err != nil:
		return buf, fmt.Errorf("inflating %d bytes: %w: %v", len(src), ErrCompression, err)
	case len(out) < size:
		return buf, fmt.Errorf("inflating %d bytes: %w: %d bytes instead of %d", len(src), ErrHeader, len(out), size)
	}
	return out, nil
}

// close releases what the decoder holds.
func (i *inflater) close() { i.dec.Close() }
