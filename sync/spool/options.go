package spool

import (
	"crypto/rand"
	"errors"
	"time"

	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// Errors that Append and the others wrap.
var (
	// ErrBacklogged says that no critical batch can be taken on now: the store does not keep up or is full.
	// The caller keeps the batch and tries again; event reads stop meanwhile.
	ErrBacklogged = errors.New("the critical lane is backlogged")
	// ErrClosed says that the spool is closing.
	ErrClosed = errors.New("the spool is closed")
)

// Options configure a spool. Critical is required; a zero value elsewhere stands for the default named beside it.
type Options struct {
	Critical  Store // the critical lane, the epoch list, cursors and gaps
	Telemetry Store // what telemetry spills to; nil keeps telemetry in RAM alone

	Window        int64         // bytes of frames held in RAM a lane; 16 MiB. Beyond: spill, then drop (telemetry) or ErrBacklogged (critical)
	SpillAfter    time.Duration // an unacknowledged telemetry batch is stored at this age; 500 ms
	Limit         int64         // bytes of stored telemetry; 8 GiB. Beyond: the oldest batches drop with a gap
	MaxAge        time.Duration // telemetry that is older drops with a gap; 0 for no limit. See dropAged for what counts across boots
	CriticalLimit int64         // bytes of stored critical batches; 2 GiB. Beyond: ErrBacklogged
	Retry         time.Duration // how long a store that failed is left alone; 1 s

	PageBytes   int64 // stored batches of so many bytes are known as one page; Limit / 2048, at least 1 MiB
	PageBatches int   // or so many batches; 4096

	Limits wire.Limits        // of frames read back; raised to wire.DefaultLimits, so that what a larger setting stored is not lost
	Map    clock.Map          // the time map at opening; names the epoch's boot
	Draw   func() point.Epoch // draws the epoch; crypto/rand
}

func (o Options) withDefaults() (Options, error) {
	if o.Critical == nil {
		return o, errors.New("opening the spool: Options.Critical is missing")
	}
	def := func(v *int64, d int64) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&o.Window, 16<<20)
	def(&o.Limit, 8<<30)
	def(&o.CriticalLimit, 2<<30)
	def(&o.PageBytes, max(o.Limit/2048, 1<<20))
	if o.PageBatches <= 0 {
		o.PageBatches = 4096
	}
	lim := wire.DefaultLimits()
	o.Limits.MaxFrameBytes = max(o.Limits.MaxFrameBytes, lim.MaxFrameBytes)
	o.Limits.MaxRawBytes = max(o.Limits.MaxRawBytes, lim.MaxRawBytes)
	o.Limits.MaxSamples = max(o.Limits.MaxSamples, lim.MaxSamples)
	if o.SpillAfter <= 0 {
		o.SpillAfter = 500 * time.Millisecond
	}
	if o.Retry <= 0 {
		o.Retry = time.Second
	}
	if o.Draw == nil {
		o.Draw = func() (e point.Epoch) { _, _ = rand.Read(e[:]); return e } // never fails: crypto/rand ends the process instead
	}
	return o, nil
}
