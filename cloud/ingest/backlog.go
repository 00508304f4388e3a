package ingest

import (
	"bytes"
	"sync"
	"time"

	"github.com/courtside-edge/courtside/cloud/fingerprint"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

const (
	// aheadSamples is how many samples of backlogs may lie in the log and not be applied: what is live comes behind them. They take the
	// venues about ten milliseconds, and keep them busy meanwhile.
	aheadSamples = 32 << 10
	// mostWaiting is how many bytes of backlogs wait in memory. What comes beyond them goes into the log at once, as if it were live.
	mostWaiting = 32 << 20
)

// backlogs keeps batches of backlogs back until the venues have nearly applied those before them, so that what is live never waits behind
// hundreds of them: the log is read in its own order. Gateways take turns. What waits is durable nowhere but in its gateway's spool; it is
// not acknowledged, and comes again when this process ends. A batch goes as soon as no other one is under way, so that those that wait
// always have one before them whose end lets them go. The zero value is ready.
type backlogs struct {
	mu      sync.Mutex
	turns   []*gateway // who has something waiting, the next one first
	waiting map[*gateway][]*delayed
	known   map[delayedKey]bool // everything in waiting
	bytes   int

	ahead   int      // samples under way: let go and not applied
	landed  []landed // those of them that are in the log, ascending by offset
	reached uint64   // the venues have applied what is below
}

// delayed is a batch that waits for its turn.
type delayed struct {
	gw       *gateway
	topic    wire.Topic
	header   wire.Header
	print    fingerprint.Print
	payload  []byte
	received time.Time
}

func (d *delayed) key() delayedKey { return delayedKey{d.gw, d.header.ID(), d.print} }

type delayedKey struct {
	gw    *gateway
	batch point.BatchID
	print fingerprint.Print
}

type landed struct {
	offset  uint64
	samples int
}

// What put says.
type place int

const (
	now   place = iota // it goes into the log at once; landed or dropped has to follow
	later              // it was copied and waits
	again              // the same batch waits already
)

// put says when d goes. It keeps a copy of the payload of one that has to wait.
func (b *backlogs) put(d delayed) place {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch size := len(d.payload); {
	case b.known[d.key()]:
		return again
	case len(b.turns) == 0 && b.free(d.header), b.bytes+size > mostWaiting:
		b.ahead += int(d.header.Count)
		return now
	}
	d.payload = bytes.Clone(d.payload)
	if b.waiting == nil {
		b.waiting, b.known = map[*gateway][]*delayed{}, map[delayedKey]bool{}
	}
	if len(b.waiting[d.gw]) == 0 {
		b.turns = append(b.turns, d.gw)
	}
	b.waiting[d.gw] = append(b.waiting[d.gw], &d)
	b.known[d.key()] = true
	b.bytes += len(d.payload)
	return later
}

// free reports whether another batch may be under way. The caller holds the lock.
func (b *backlogs) free(h wire.Header) bool {
	return b.ahead == 0 || b.ahead+int(h.Count) <= aheadSamples
}

// next returns the batch whose turn it is, nil while none may go; landed or dropped has to follow.
func (b *backlogs) next() *delayed {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.turns) == 0 {
		return nil
	}
	gw := b.turns[0]
	d := b.waiting[gw][0]
	if !b.free(d.header) {
		return nil
	}
	b.turns = b.turns[1:]
	if rest := b.waiting[gw][1:]; len(rest) > 0 {
		b.waiting[gw], b.turns = rest, append(b.turns, gw)
	} else {
		delete(b.waiting, gw)
	}
	delete(b.known, d.key())
	b.bytes -= len(d.payload)
	b.ahead += int(d.header.Count)
	return d
}

// lands says that a batch that was let go is in the log.
func (b *backlogs) lands(h wire.Header, offset uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if offset < b.reached {
		b.ahead -= int(h.Count)
		return
	}
	at := len(b.landed)
	for at > 0 && b.landed[at-1].offset > offset { // two that land at once
		at--
	}
	b.landed = append(b.landed, landed{})
	copy(b.landed[at+1:], b.landed[at:])
	b.landed[at] = landed{offset, int(h.Count)}
}

// drops says that a batch that was let go did not go into the log.
func (b *backlogs) drops(h wire.Header) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ahead -= int(h.Count)
}

// applied says that the venues have applied what is below an offset. It reports whether somebody waits.
func (b *backlogs) applied(below uint64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reached = max(b.reached, below)
	n := 0
	for n < len(b.landed) && b.landed[n].offset < below {
		b.ahead -= b.landed[n].samples
		n++
	}
	b.landed = b.landed[:copy(b.landed, b.landed[n:])]
	return len(b.turns) > 0
}

// oldest returns since when the first batch has waited; the zero time when none waits.
func (b *backlogs) oldest() (at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, w := range b.waiting {
		if at.IsZero() || w[0].received.Before(at) {
			at = w[0].received
		}
	}
	return at
}

// held returns what waits.
func (b *backlogs) held() (batches, bytes int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.known), b.bytes
}
