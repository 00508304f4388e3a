package wire

import "errors"

// Why bytes are refused. Every error of this package's decoders wraps exactly one of them; Reason gives its label.
var (
	// ErrTruncated: the payload ends before what it declares.
	ErrTruncated = errors.New("truncated")
	// ErrTooLarge: a frame, a raw size or a count lies beyond the limits. Encoders use it too.
	ErrTooLarge = errors.New("too large")
	// ErrNotFrame: the payload does not begin with a header frame of this protocol.
	ErrNotFrame = errors.New("not a header frame")
	// ErrVersion: a protocol version or a flag that this program must understand and does not.
	ErrVersion = errors.New("unknown version")
	// ErrChecksum: header or content are not what was sealed.
	ErrChecksum = errors.New("checksum mismatch")
	// ErrHeader: the header holds an impossible value or disagrees with the content behind it.
	ErrHeader = errors.New("header disagrees with content")
	// ErrCompression: the content is not one zstd frame.
	ErrCompression = errors.New("not a zstd frame")
	// ErrBomb: the content inflates beyond what it declared, or beyond the limits.
	ErrBomb = errors.New("inflates beyond its declared size")
	// ErrMalformed: the inflated content is not the protobuf message that was expected, or its columns do not fit each other.
	ErrMalformed = errors.New("malformed message")
	// ErrInvalid: the message is well formed and says something impossible: an unknown enum value, an
	// index beyond the table, an id that is none, a range that ends before it begins. Encoders use it too.
	ErrInvalid = errors.New("invalid value")
	// ErrTableHash: a point table does not have the hash that it was sent under.
	ErrTableHash = errors.New("point table hash mismatch")
)

// Reason returns a short label for the refusal that err wraps, fit for a metric: "truncated", "too-large", "not-frame",
// "version", "checksum", "header", "compression", "bomb", "malformed", "invalid" or "table-hash"; "other"
// for an error that is no refusal of this package, and "" for nil.
func Reason(err error) string {
	if err == nil {
		return ""
	}
	for _, k := range [...]struct {
		kind  error
		label string
	}{
		{ErrTruncated, "truncated"}, {ErrTooLarge, "too-large"}, {ErrNotFrame, "not-frame"}, {ErrVersion, "version"},
		{ErrChecksum, "checksum"}, {ErrHeader, "header"}, {ErrCompression, "compression"}, {ErrBomb, "bomb"},
		{ErrMalformed, "malformed"}, {ErrInvalid, "invalid"}, {ErrTableHash, "table-hash"},
	} {
		if errors.Is(err, k.kind) {
			return k.label
		}
	}
	return "other"
}
