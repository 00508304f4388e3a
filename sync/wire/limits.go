package wire

// Limits bound one batch. An encoder refuses to exceed them; a decoder refuses before it allocates. A zero or
// negative field stands for its default.
type Limits struct {
	MaxFrameBytes int // of the payload as published, without a trailer; some hosted brokers allow 128 KiB only
	MaxRawBytes   int // of the inflated protobuf message; more is taken for a bomb
	MaxSamples    int
}

// DefaultLimits returns 256 KiB a frame, 4 MiB inflated and 65,536 samples.
func DefaultLimits() Limits {
	return Limits{MaxFrameBytes: 256 << 10, MaxRawBytes: 4 << 20, MaxSamples: 65536}
}

// What a configured limit may be at most, so that products of it fit an int of 32 bits and it fits the header.
const (
	maxLimit       = 1 << 28
	maxSampleLimit = 1 << 24
)

// normal returns l with defaults for absent fields, and no field beyond its maximum.
func (l Limits) normal() Limits {
	d := DefaultLimits()
	pick := func(v, def, most int) int {
		if v <= 0 {
			return def
		}
		return min(v, most)
	}
	return Limits{
		MaxFrameBytes: pick(l.MaxFrameBytes, d.MaxFrameBytes, maxLimit),
		MaxRawBytes:   pick(l.MaxRawBytes, d.MaxRawBytes, maxLimit),
		MaxSamples:    pick(l.MaxSamples, d.MaxSamples, maxSampleLimit),
	}
}

// Limits that are not configured. They are far beyond what a venue needs; a payload beyond is refused with ErrTooLarge.
const (
	// MaxControlRawBytes bounds an inflated ack, inventory, command or reply.
	MaxControlRawBytes = 1 << 20
	// MaxInventoryBytes bounds the payload of an inventory that is published: what a broker with small messages takes.
	MaxInventoryBytes = 128 << 10
	// MaxRanges bounds the ranges, table hashes and refusals of an ack each, and all pending ranges of an inventory.
	MaxRanges = 16384
	// MaxEpochs bounds the epochs of an inventory.
	MaxEpochs = 1024
	// MaxTablePoints bounds the points of one point table.
	MaxTablePoints = 1 << 17
	// MaxTableParts bounds the parts of one point table; a part's number has to fit its topic.
	MaxTableParts = 1024
	// MaxTableRawBytes bounds what one TableAssembler holds of tables that are not complete, and one table.
	MaxTableRawBytes = 32 << 20
	// MaxNotes bounds the gaps and the reduced notes of a batch each.
	MaxNotes = 4096
	// MaxTextBytes bounds one text value, session id, command id, reason and every other string but names.
	MaxTextBytes = 4096
)
