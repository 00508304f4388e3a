package segment

import (
	"fmt"
	"log/slog"
	"time"
)

// The limits of a store. What is beyond one is refused with ErrTooLarge, or by Open for an option.
const (
	// MinSegmentBytes and MaxSegmentBytes bound Options.SegmentBytes. Badger maps twice a segment's
	// size, so the largest takes 1 GiB of address space; keep to 64 MiB or less on 32-bit machines.
	MinSegmentBytes = 64 << 10
	MaxSegmentBytes = 512 << 20
	// DefaultSegmentBytes suits a gateway: two open segments take about 25 MB of memory.
	DefaultSegmentBytes = 8 << 20
	// DefaultCacheBytes is what Options.CacheBytes 0 stands for.
	DefaultCacheBytes = 1 << 20
	// DefaultMinFree is what Options.MinFree 0 stands for.
	DefaultMinFree = 128 << 20
	// MaxTxRecords is how many records one transaction may hold.
	MaxTxRecords = 65536
	// MaxKeyBytes is the longest key of the small state.
	MaxKeyBytes = 1024
	// MaxTxBytes is the most that one transaction may take whatever the segment's size; see Options.SegmentBytes.
	MaxTxBytes = 16 << 20
)

// Options say how a store keeps its records. The zero value is ready to use.
type Options struct {
	// SegmentBytes is about how many bytes of records go into one segment; 0 stands for
	// DefaultSegmentBytes. One transaction may take half of it (at most MaxTxBytes), headers
	// included, and the small state an eighth. It may differ from one opening to the next.
	SegmentBytes int64
	// CacheBytes is how many bytes of the newest records stay readable without the disk; 0 stands
	// for DefaultCacheBytes, a negative number for none.
	CacheBytes int64
	// MinFree is how many bytes must be free on the file system, beyond the segment's own, for a
	// new segment to begin; 0 stands for DefaultMinFree, a negative number for no guard. Open may
	// use all but a quarter of it, so that a full store can be drained after a restart: let it be four segments or more.
	MinFree int64
	// Ballast is the size in bytes of a file that holds space back while there is plenty, and that
	// Open and the guard remove when there is not; 0 for none.
	Ballast int64
	// Log takes what the store and Badger have to say; nil discards it.
	Log *slog.Logger
	// Now dates what is set aside; nil stands for time.Now.
	Now func() time.Time
	// Free says how many bytes the file system of dir has left for this process; nil asks the
	// operating system.
	Free func(dir string) (int64, error)

	manual  bool   // for tests: no background work but by tend
	barrier func() // for tests: called after each step that makes something durable
}

// withDefaults returns o with its zero values filled in, or says which option is out of range.
func (o Options) withDefaults() (Options, error) {
	if o.SegmentBytes == 0 {
		o.SegmentBytes = DefaultSegmentBytes
	}
	if o.SegmentBytes < MinSegmentBytes || o.SegmentBytes > MaxSegmentBytes {
		return o, fmt.Errorf("segment size %d is out of range: use %d to %d bytes", o.SegmentBytes, MinSegmentBytes, MaxSegmentBytes)
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = DefaultCacheBytes
	}
	if o.MinFree == 0 {
		o.MinFree = DefaultMinFree
	}
	if o.Ballast < 0 {
		return o, fmt.Errorf("ballast size %d is negative: use 0 for none", o.Ballast)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.barrier == nil {
		o.barrier = func() {}
	}
	if o.Free == nil {
		o.Free = freeBytes
	}
	return o, nil
}

// maxTxBytes is how large a frame of this store may be.
func (o Options) maxTxBytes() int64 { return min(o.SegmentBytes/2, MaxTxBytes) }

// maxStateBytes is how large the small state may become, so that a snapshot always fits.
func (o Options) maxStateBytes() int { return int(min(o.SegmentBytes/8, MaxTxBytes/4)) }
