package point

import (
	"encoding/hex"
	"fmt"
	"math"
	"time"
)

// Sample is one value of one point. 24 bytes, no pointers: a batch of 65,536 is one allocation.
type Sample struct {
	Index   uint32  // position of the point in the point table
	Quality Quality // Good unless something says otherwise
	Time    int64   // the gateway's monotonic clock, ns since its boot
	Bits    uint64  // the value; Point.Type says how to read it
}

// BoolBits returns v as Sample.Bits.
func BoolBits(v bool) uint64 {
	if v {
		return 1
	}
	return 0
}

// IntBits returns v as Sample.Bits.
func IntBits(v int64) uint64 { return uint64(v) }

// FloatBits returns v as Sample.Bits.
func FloatBits(v float64) uint64 { return math.Float64bits(v) }

// Epoch is one opening of a spool: 128 random bits. Nothing is ever appended to an earlier one.
type Epoch [16]byte

// IsZero reports whether e is absent.
func (e Epoch) IsZero() bool { return e == Epoch{} }

// String returns e in hexadecimal.
func (e Epoch) String() string { return hex.EncodeToString(e[:]) }

// ParseEpoch returns the epoch that s spells in hexadecimal.
func ParseEpoch(s string) (Epoch, error) {
	var e Epoch
	if len(s) != 2*len(e) { // first: hex.Decode panics when there is more than fits
		return Epoch{}, fmt.Errorf("%q is not an epoch: 32 hexadecimal digits are wanted", s)
	}
	if _, err := hex.Decode(e[:], []byte(s)); err != nil {
		return Epoch{}, fmt.Errorf("%q is not an epoch: 32 hexadecimal digits are wanted", s)
	}
	return e, nil
}

// TableHash names a point table: the first 16 bytes of the SHA-256 of its canonical encoding.
type TableHash [16]byte

// String returns h in hexadecimal, as topics write it.
func (h TableHash) String() string { return hex.EncodeToString(h[:]) }

// ParseTableHash returns the hash that s spells in hexadecimal.
func ParseTableHash(s string) (TableHash, error) {
	e, err := ParseEpoch(s)
	if err != nil {
		return TableHash{}, fmt.Errorf("%q is not a table hash: 32 hexadecimal digits are wanted", s)
	}
	return TableHash(e), nil
}

// BatchID is the identity of a batch within its gateway.
type BatchID struct {
	Epoch Epoch
	Lane  Lane
	Seq   uint64 // dense from 0 within (epoch, lane)
}

// String returns "epoch/lane/seq" with the epoch's first eight digits, for logs.
func (b BatchID) String() string {
	return fmt.Sprintf("%s/%s/%d", b.Epoch.String()[:8], b.Lane, b.Seq)
}

// RunReason says why a counter run began.
type RunReason uint8

// Why a counter run began. Values of the wire contract; never renumber.
const (
	RunFirst  RunReason = 1 // first read ever, or no durable cursor
	RunReset  RunReason = 2 // the raw value went back or jumped further than MaxRate allows
	RunClock  RunReason = 3 // the time since the last read is not known, so MaxRate cannot be judged
	RunDevice RunReason = 4 // the device said that it restarted
)

// CounterRun is one uninterrupted stretch of a counter: its totals count from First.
// A batch carries the run of each counter point of which it holds samples, so that a
// batch is understood alone, whatever else has arrived.
type CounterRun struct {
	Index  uint32 // position of the point in the point table
	Run    uint64 // random, never 0, unique for the point
	First  uint64 // raw value at the run's first read, where its total is 0
	Bits   uint8  // width of the device's register
	Reason RunReason
	Start  int64 // monotonic time of the run's first read on this boot, or of this epoch's first read of it
}

// EventKey makes an event sample unique: two deliveries with one key are one event.
// The key's bytes cover device, generation, id, device time, direction and ticket hash.
type EventKey struct {
	Position uint32   // of the sample in its batch
	Key      [16]byte // truncated SHA-256
}

// DeviceTime is the raw source time that a device gave with a sample. It orders nothing.
type DeviceTime struct {
	Position uint32 // of the sample in its batch
	UnixNano int64
}

// GapReason says why samples were lost.
type GapReason uint8

// Why samples were lost. Values of the wire contract; never renumber.
const (
	GapPowerCut    GapReason = 1 // the epoch did not close cleanly
	GapDropped     GapReason = 2 // the spool's limit; the oldest batches went
	GapOverrun     GapReason = 3 // the device's own ring overran
	GapReset       GapReason = 4 // a counter restarted between two reads
	GapDiskFailed  GapReason = 5 // the store refused or lost batches
	GapCorrupt     GapReason = 6 // a stored batch no longer matched its checksum
	GapUnaccounted GapReason = 7 // found by the cloud: neither durable, pending nor declared
)

// String returns the reason as the API writes it.
func (r GapReason) String() string {
	switch r {
	case GapPowerCut:
		return "power-cut"
	case GapDropped:
		return "dropped"
	case GapOverrun:
		return "overrun"
	case GapReset:
		return "reset"
	case GapDiskFailed:
		return "disk-failed"
	case GapCorrupt:
		return "corrupt"
	case GapUnaccounted:
		return "unaccounted"
	}
	return fmt.Sprintf("reason(%d)", uint8(r))
}

// Gap is a declared loss. Either a range of batches (Epoch, Lane, From ≤ seq < To; To 0
// for an open end), or, with PointKnown, samples of one point that never became part of a batch.
type Gap struct {
	Epoch       Epoch
	Lane        Lane
	From, To    uint64 // seqs, half open; To 0 means "all that nobody holds"
	First, Last int64  // monotonic times on the boot that Boot names; Last 0 for "until the next known sample"
	Boot        [16]byte
	Count       uint64 // samples lost; 0 when unknown
	Reason      GapReason
	PointKnown  bool
	Index       uint32 // the point, when PointKnown
}

// Reduced notes that the filter widened what it leaves out, to save space.
type Reduced struct {
	Since          int64   // monotonic ns
	DeadbandFactor float64 // 1 for none
	MinInterval    time.Duration
}

// Cursor is how far an event source or counter was read. Its bytes belong to the driver or the filter.
// It commits in one transaction with the batch that holds what it covers.
type Cursor struct {
	Device ID
	Name   Name // the point
	Bytes  []byte
}
