package uplink

import (
	"slices"
	"time"

	"github.com/courtside-edge/courtside/sync/point"
)

const (
	firstWindow  = 256 << 10 // bytes in flight after the first ack of a session
	leastWindow  = 16 << 10  // bytes in flight before it, and the least later; a lone batch may always go, however large
	mostBatches  = 512       // in flight, however small; the MQTT session refuses more than 1,024 messages without a PUBACK
	growth       = 64 << 10  // bytes that the window grows by for each window acknowledged
	firstTimeout = 3 * time.Second
	minTimeout   = time.Second
	maxTimeout   = 30 * time.Second
	silences     = 3 // timeouts without an ack that mean that the link is down
	probeBase    = time.Second
	probeMax     = 30 * time.Second
)

// flight is one batch on its way.
type flight struct {
	at      time.Time
	size    int
	waited  time.Duration // before it was published
	backlog bool
}

// window decides how much may be in flight, and when an ack is late. It is a state machine: the time is passed in.
// It grows by doubling until the first late ack, then by addition, and halves when an ack is late (once a timeout).
type window struct {
	size, most int64
	slowStart  int64 // below it the window grows by what is acknowledged
	flights    map[point.BatchID]flight
	backlog    int64 // bytes of flights that are of the backlog
	pace       pace
	began      time.Time
	again      map[point.BatchID]bool // late once: their acks measure nothing

	srtt, vary time.Duration
	measured   bool
	timeout    time.Duration
	since      time.Time // from when an ack has been due: the last that counted, or the first batch after it; zero for none due
	halved     time.Time

	heard  bool // an ack has counted
	down   bool
	fell   time.Time // when it went down
	probe  time.Time // when the next probe may go
	pauses backoff
}

// newWindow returns the window of a new session. One that follows a session that ended down begins with a probe.
func newWindow(now time.Time, most int64, down bool, jitter func(time.Duration) time.Duration) *window {
	return &window{size: min(leastWindow, most), down: down, fell: now, most: most, slowStart: most, flights: map[point.BatchID]flight{}, pace: newPace(now, most), began: now,
		again: map[point.BatchID]bool{}, timeout: firstTimeout, pauses: backoff{jitter: jitter, base: probeBase, max: probeMax}}
}

// grant returns how many bytes may be in flight now; 0 for nothing.
func (w *window) grant(now time.Time) int64 {
	if len(w.flights) >= mostBatches {
		return 0
	}
	if !w.down {
		return w.size
	}
	if len(w.flights) > 0 || now.Before(w.probe) {
		return 0
	}
	return 1 // one probe
}

func (w *window) sent(id point.BatchID, f flight) {
	if w.since.IsZero() {
		w.since = f.at
	}
	w.flights[id] = f
	if f.backlog {
		w.backlog += int64(f.size)
	}
}

// over takes a batch out of flight.
func (w *window) over(id point.BatchID, f flight) {
	delete(w.flights, id)
	if f.backlog {
		w.backlog -= int64(f.size)
	}
}

// paced returns how many bytes of the backlog may be in flight.
func (w *window) paced(now time.Time) int64 { return w.pace.backlog(now, w.backlog) }

// unsent takes back a batch that did not go.
func (w *window) unsent(id point.BatchID) { w.over(id, w.flights[id]) }

// acked takes in an ack that counted; ids are those of its batches that were in flight. It reports whether the link came up again.
func (w *window) acked(now time.Time, ids []point.BatchID) (up bool) {
	for _, id := range ids {
		f, ok := w.flights[id]
		if !ok {
			continue
		}
		w.over(id, f)
		if w.again[id] {
			delete(w.again, id)
		} else {
			w.measure(now.Sub(f.at))
			w.pace.measure(now.Sub(f.at))
		}
		if !f.backlog || f.waited > 0 && f.at.Add(-f.waited).After(w.began) { // a live one that waited until it counts as backlog is late above all
			w.pace.observe(now, f.waited+now.Sub(f.at))
		}
		if w.size < w.slowStart {
			w.size += int64(f.size)
		} else {
			w.size += growth * int64(f.size) / w.size
		}
	}
	if w.since = now; len(w.flights) == 0 {
		w.since = time.Time{}
	}
	w.size = min(w.size, w.most)
	if !w.down && w.heard {
		return false
	}
	up, w.heard = w.down, true
	w.down, w.size = false, min(firstWindow, w.most)
	w.pauses.reset()
	return up
}

// measure moves the timeout after a round trip (RFC 6298).
func (w *window) measure(rtt time.Duration) {
	if !w.measured {
		w.srtt, w.vary, w.measured = rtt, rtt/2, true
	} else {
		w.vary += ((w.srtt - rtt).Abs() - w.vary) / 4
		w.srtt += (rtt - w.srtt) / 8
	}
	w.timeout = min(max(w.srtt+4*w.vary, minTimeout), maxTimeout)
}

// late returns the batches whose ack is late; they are in flight no more. fell reports that the link went down with it: then
// everything in flight is among them.
func (w *window) late(now time.Time) (ids []point.BatchID, fell bool) {
	if !w.since.IsZero() && !w.down && now.Sub(w.since) >= silences*w.timeoutAtFirst() {
		w.down, w.fell, fell = true, now, true
	}
	for id, f := range w.flights {
		if fell || now.Sub(f.at) >= w.timeout {
			ids = append(ids, id)
			w.again[id] = true
			w.over(id, f)
		}
	}
	if len(ids) == 0 && !fell {
		return nil, false
	}
	slices.SortFunc(ids, compareIDs)
	if w.down {
		w.probe = now.Add(w.pauses.next())
	}
	if len(w.again) > maxAgain {
		clear(w.again) // forgotten ones are measured too long at worst
	}
	if now.Sub(w.halved) >= w.timeout {
		w.halved = now
		w.size = min(max(w.size/2, leastWindow), w.most)
		w.slowStart = w.size
		w.timeout = min(2*w.timeout, maxTimeout)
	}
	return ids, fell
}

// maxAgain bounds what is remembered of late batches.
const maxAgain = 4096

// timeoutAtFirst is the timeout before it was doubled for late acks: three doubled ones would take minutes to notice.
func (w *window) timeoutAtFirst() time.Duration {
	if !w.measured {
		return firstTimeout
	}
	return min(max(w.srtt+4*w.vary, minTimeout), maxTimeout)
}

// next returns when the state may change by time alone; the zero time for never.
func (w *window) next(now time.Time) time.Time {
	var at time.Time
	sooner := func(t time.Time) {
		if at.IsZero() || t.Before(at) {
			at = t
		}
	}
	for _, f := range w.flights {
		sooner(f.at.Add(w.timeout))
	}
	switch {
	case !w.since.IsZero() && !w.down:
		sooner(w.since.Add(silences * w.timeoutAtFirst()))
	case len(w.flights) == 0 && w.down && w.probe.After(now):
		sooner(w.probe)
	}
	return at
}

func compareIDs(a, b point.BatchID) int {
	switch {
	case a.Lane != b.Lane:
		return int(a.Lane) - int(b.Lane)
	case a.Epoch != b.Epoch:
		return slices.Compare(a.Epoch[:], b.Epoch[:])
	case a.Seq < b.Seq:
		return -1
	}
	return 1
}
