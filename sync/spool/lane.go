package spool

import (
	"github.com/courtside-edge/courtside/sync/interval"
	"github.com/courtside-edge/courtside/sync/point"
)

// lane is what the epochs share in one lane.
type lane struct {
	lane  point.Lane
	store Store // nil for a telemetry lane that lives in RAM alone

	ram, stored, refused Count

	tail      tail     // stored, in no page yet
	pages     int      // of all epochs
	pageState int      // bytes of their records
	warm      *warming // a page that must be read before more of it can drop
	space     int64    // stored bytes that there was room for when the disk was full; 0 when it was not yet

	// What the next job will do beside storing batches.
	state   map[string][]byte         // small state to be set; a nil value deletes
	urgent  bool                      // state must not wait for the next batch
	release interval.Set              // offsets that the store may forget
	cursors map[uint64][]point.Cursor // of queued batches, by seq

	blind interval.Set // offsets of batches that opening could not read, nor tell the numbers of; until they are declared

	job     *Job  // out, not finished
	retryAt int64 // monotonic ns before which a store that failed is left alone
	err     error // of the last job; nil when it went well
}

// put notes state for the next job. It is not urgent: it rides with the next batch that is stored.
func (l *lane) put(key string, value []byte) {
	if l.state == nil {
		l.state = map[string][]byte{}
	}
	l.state[key] = value
}
