package uplink

import "time"

// Flight is what is on its way, for people.
type Flight struct {
	Window    int64 // bytes that may be in flight
	Bytes     int64
	Batches   int
	RoundTrip time.Duration // from publish to the cloud's ack, smoothed; 0 when not measured on this session
	Timeout   time.Duration // after which an ack is late
	// Ahead is how far the system clock was ahead of the cloud's time when the last ack came, the way of the ack included; Judged says that
	// one came.
	Ahead  time.Duration
	Judged bool
}

// Flight returns what is on its way now; without a session little more than the clock's judgement.
func (u *Uplink) Flight() Flight {
	f := Flight{Ahead: time.Duration(u.ahead.Load()), Judged: u.judged.Load()}
	s := u.present.Load()
	if s == nil {
		return f
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f.Window, f.Batches, f.RoundTrip, f.Timeout = s.win.size, len(s.win.flights), s.win.srtt, s.win.timeout
	for _, b := range s.win.flights {
		f.Bytes += int64(b.size)
	}
	return f
}

// judge compares the system clock with the cloud's time.
func (u *Uplink) judge(now, cloud time.Time) {
	u.ahead.Store(int64(now.Round(0).Sub(cloud)))
	u.judged.Store(true)
}
