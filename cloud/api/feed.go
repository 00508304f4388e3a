package api

import (
	"encoding/json"
	"sync"
	"time"

	"github.com/courtside-edge/courtside/cloud/venue"
)

// How old what a reader is shown may be because another reader asked for it just before: what is evaluated and encoded once serves all, so that
// hundreds of readers cost little more than one.
const (
	shareFor     = 50 * time.Millisecond
	shareRestFor = 250 * time.Millisecond
)

// frame is what a house's readers are told at one moment. It never changes.
type frame struct {
	changed <-chan struct{} // closed as soon as the house is not what it was
	at      time.Time
	seats   []venue.Occupancy
	rest    []byte // the events summary, gates and panels, as they are sent
	restAt  time.Time
}

// feed evaluates one house for all of its readers.
type feed struct {
	house House
	share time.Duration

	mu   sync.Mutex
	last *frame
}

func newFeed(h House, pace time.Duration) *feed { return &feed{house: h, share: min(pace/4, shareFor)} }

// frame returns the house as it is, or as it was a moment ago.
func (f *feed) frame() *frame {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	if f.last != nil && now.Sub(f.last.at) < f.share {
		return f.last
	}
	next := &frame{at: now, changed: f.house.Venue.Changed()}
	next.seats, _ = f.house.Venue.SeatVector(make([]venue.Occupancy, 0, f.seats()))
	if f.last != nil && now.Sub(f.last.restAt) < shareRestFor {
		next.rest, next.restAt = f.last.rest, f.last.restAt
	} else {
		next.rest, next.restAt = f.rest(), now
	}
	f.last = next
	return next
}

// seats is how many seats the last frame had.
func (f *feed) seats() int {
	if f.last == nil {
		return 0
	}
	return len(f.last.seats)
}

func (f *feed) rest() []byte {
	b := appendEvent(nil, "summary", SummaryEvent(f.house.Venue.Summary()))
	b = appendEvent(b, "gates", GatesEvent(f.house.Venue.Gates()))
	return appendEvent(b, "panels", PanelsEvent(f.house.Venue.Panels()))
}

// appendEvent appends one server-sent event.
func appendEvent(b []byte, name string, data any) []byte {
	text, err := json.Marshal(data)
	if err != nil { // the types are ours: a number that JSON lacks would be a fault of the venue's, and a test's business
		text = []byte("null")
	}
	b = append(append(append(b, "event: "...), name...), "\ndata: "...)
	return append(append(b, text...), "\n\n"...)
}
