package gateway

import (
	"context"
	"sync"
	"time"
)

const (
	meterEvery = 10 * time.Second
	meterKeeps = 31 // moments: rates are over five minutes at most
)

// meter remembers what the spool held over the last minutes, so that rates can be told.
type meter struct {
	mu      sync.Mutex
	moments []moment // oldest first
}

// moment is what was held and written at one time.
type moment struct {
	at      time.Time
	held    int64  // bytes on flash and in RAM
	stored  int64  // bytes on flash
	written uint64 // bytes to flash since the start
}

// run takes a moment now and then until ctx ends.
func (m *meter) run(ctx context.Context, take func() moment) {
	ticker := time.NewTicker(meterEvery)
	defer ticker.Stop()
	for {
		m.add(take())
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (m *meter) add(now moment) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.moments) == meterKeeps {
		copy(m.moments, m.moments[1:])
		m.moments = m.moments[:meterKeeps-1]
	}
	m.moments = append(m.moments, now)
}

// since returns the oldest moment that is remembered, and whether it is old enough to tell a rate by.
func (m *meter) since(now time.Time) (moment, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.moments) == 0 || now.Sub(m.moments[0].at) < time.Second {
		return moment{}, false
	}
	return m.moments[0], true
}

// longest is beyond what a forecast is worth.
const longest = 10 * 365 * 24 * time.Hour

// until returns how long a quantity takes to grow by room at the rate of growth within span; 0 when it does not, or not within years.
func until(room, growth int64, span time.Duration) time.Duration {
	if growth <= 0 || room < 0 {
		return 0
	}
	seconds := float64(room) / float64(growth) * span.Seconds()
	if seconds > longest.Seconds() {
		return 0
	}
	return time.Duration(seconds * float64(time.Second))
}
