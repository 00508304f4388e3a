// Package export is the file in which a gateway's backlog is carried to the cloud by hand, when no link will: signed publications, with the chain of
// the key that signed them. Whoever trusts the chain needs nothing else.
//
// The file, little-endian: the line "courtside export 1"; the manifest's length u32, its JSON, the length u16 of its signature, the signature; then
// one record a publication: the topic's length u16, the payload's length u32, topic, payload; at the end a record of two zeros. The manifest is signed
// for the topic `courtside/1/{venue}/gw/{gateway}/export`, which nobody publishes to; each payload carries the trailer that it would carry
// over MQTT, for its own topic. Point tables come before the batches that name them.
//
//	what is wrong with a file          what a Reader says
//	it is cut off                      ErrTruncated, after the records before
//	it is another file                 ErrNotExport
//	a length beyond its limit          wire.ErrTooLarge, before anything is allocated for it
//	a topic of another gateway         wire.ErrInvalid
//	a payload that was changed, whose  the Reader hands it out; who takes it verifies it, and goes on with the next
//	 signature is another's
package export

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// head begins every export.
const head = "courtside export 1\n"

// Limits of a file, beyond those of its frames.
const (
	maxManifestBytes  = 128 << 10
	maxSignatureBytes = 1 << 10
	maxTrailerBytes   = 8 << 10 // beyond a frame's own limit
)

var (
	// ErrNotExport is what a file wraps that is no export, or one of a later version.
	ErrNotExport = errors.New("this is not an export of a gateway")
	// ErrTruncated is what a file wraps that ends before its end mark.
	ErrTruncated = errors.New("the export is cut off")
)

// Manifest says whose export it is. It travels as JSON.
type Manifest struct {
	Venue   point.ID   `json:"venue"`
	Gateway point.ID   `json:"gateway"`
	Made    time.Time  `json:"made"` // on the gateway's clock
	Version string     `json:"version,omitempty"`
	Chain   wire.Chain `json:"chain"` // of the key that signed everything in the file
}

// Sign signs what is published to topic.
type Sign func(topic string, body []byte) (signature []byte, err error)

// topic is what the manifest is signed for.
func (m *Manifest) topic() string { return wire.GatewayTopic(m.Venue, m.Gateway, "export") }

// check refuses what no gateway writes.
func (m *Manifest) check() error {
	if _, err := point.ParseID(string(m.Venue)); err != nil {
		return fmt.Errorf("%w: venue: %w", wire.ErrInvalid, err)
	}
	if _, err := point.ParseID(string(m.Gateway)); err != nil {
		return fmt.Errorf("%w: gateway: %w", wire.ErrInvalid, err)
	}
	return wire.CheckChains([]wire.Chain{m.Chain})
}

// Writer writes an export.
type Writer struct {
	w    io.Writer
	m    Manifest
	sign Sign
	key  wire.KeyID
}

// NewWriter begins an export.
func NewWriter(w io.Writer, m Manifest, sign Sign) (*Writer, error) {
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("beginning an export: %w", err)
	}
	text, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("beginning an export: %w", err)
	}
	signature, err := sign(m.topic(), text)
	if err != nil {
		return nil, fmt.Errorf("beginning an export: %w", err)
	}
	b := binary.LittleEndian.AppendUint32([]byte(head), uint32(len(text)))
	b = append(b, text...)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(signature)))
	if _, err := w.Write(append(b, signature...)); err != nil {
		return nil, fmt.Errorf("writing an export: %w", err)
	}
	return &Writer{w: w, m: m, sign: sign, key: m.Chain.Key()}, nil
}

// Add signs a payload without trailer for a topic of the manifest's gateway and writes it.
func (w *Writer) Add(topic string, body []byte) error {
	signature, err := w.sign(topic, body)
	if err != nil {
		return fmt.Errorf("exporting what belongs to %s: %w", topic, err)
	}
	return w.record(topic, wire.AppendTrailer(body, wire.Trailer{Key: w.key, Signature: signature}))
}

// Close writes the end mark; without it the file counts as cut off. It does not close what is written to.
func (w *Writer) Close() error { return w.record("", nil) }

func (w *Writer) record(topic string, payload []byte) error {
	b := binary.LittleEndian.AppendUint16(make([]byte, 0, 6+len(topic)+len(payload)), uint16(len(topic)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(payload)))
	b = append(append(b, topic...), payload...)
	if _, err := w.w.Write(b); err != nil {
		return fmt.Errorf("writing an export: %w", err)
	}
	return nil
}

// Reader reads an export. It checks structure; signatures are the caller's to verify, see Vouch.
type Reader struct {
	r   io.Reader
	max int
	// Manifest is what the file says of itself; it is worth as much as its signature.
	Manifest Manifest
	text     []byte
	sig      []byte
}

// NewReader begins to read. Frames may be as large as the limits say.
func NewReader(r io.Reader, lim wire.Limits) (*Reader, error) {
	if lim.MaxFrameBytes <= 0 {
		lim = wire.DefaultLimits()
	}
	out := &Reader{r: r, max: lim.MaxFrameBytes + maxTrailerBytes}
	begin, err := out.take(len(head), len(head))
	if err != nil || string(begin) != head {
		return nil, ErrNotExport
	}
	if out.text, err = out.counted(4, maxManifestBytes); err == nil {
		out.sig, err = out.counted(2, maxSignatureBytes)
	}
	if err != nil {
		return nil, fmt.Errorf("reading an export's manifest: %w", err)
	}
	if err := json.Unmarshal(out.text, &out.Manifest); err != nil {
		return nil, fmt.Errorf("reading an export's manifest: %w: %w", wire.ErrMalformed, err)
	}
	if err := out.Manifest.check(); err != nil {
		return nil, fmt.Errorf("reading an export's manifest: %w", err)
	}
	return out, nil
}

// Vouch lets verify judge the manifest's signature.
func (r *Reader) Vouch(verify func(digest [32]byte, signature []byte) error) error {
	if err := verify(wire.SigningDigest(r.Manifest.topic(), r.text), r.sig); err != nil {
		return fmt.Errorf("the export's manifest: %w", err)
	}
	return nil
}

// Next returns the next publication, or io.EOF at the end mark.
func (r *Reader) Next() (t wire.Topic, payload []byte, err error) {
	sizes, err := r.take(6, 6)
	if err != nil {
		return t, nil, fmt.Errorf("reading an export: %w", err)
	}
	name, size := int(binary.LittleEndian.Uint16(sizes)), binary.LittleEndian.Uint32(sizes[2:])
	if name == 0 && size == 0 {
		return t, nil, io.EOF
	}
	if size > uint32(r.max) {
		return t, nil, fmt.Errorf("reading an export: %w: a payload of %d bytes, at most %d are allowed", wire.ErrTooLarge, size, r.max)
	}
	topic, err := r.take(name, wire.MaxTopicBytes)
	if err == nil {
		payload, err = r.take(int(size), r.max)
	}
	if err != nil {
		return t, nil, fmt.Errorf("reading an export: %w", err)
	}
	if t, err = wire.ParseTopic(string(topic)); err != nil {
		return t, nil, fmt.Errorf("reading an export: %w", err)
	}
	if t.Venue != r.Manifest.Venue || t.Gateway != r.Manifest.Gateway {
		return t, nil, fmt.Errorf("reading an export of gateway %s of venue %s: %w: it holds something of %s", r.Manifest.Gateway, r.Manifest.Venue, wire.ErrInvalid, topic)
	}
	return t, payload, nil
}

// counted reads bytes behind their length of so many bytes.
func (r *Reader) counted(width, most int) ([]byte, error) {
	b, err := r.take(width, width)
	if err != nil {
		return nil, err
	}
	n := uint32(binary.LittleEndian.Uint16(b))
	if width == 4 {
		n = binary.LittleEndian.Uint32(b)
	}
	if n > uint32(most) {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are allowed", wire.ErrTooLarge, n, most)
	}
	return r.take(int(n), most)
}

func (r *Reader) take(n, most int) ([]byte, error) {
	if n > most {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are allowed", wire.ErrTooLarge, n, most)
	}
	b := make([]byte, n)
	switch _, err := io.ReadFull(r.r, b); {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, ErrTruncated
	case err != nil:
		return nil, err
	}
	return b, nil
}
