package scan

import (
	"time"

	"github.com/courtside-edge/courtside/drivers"
)

// schedule holds the slots of a device's scan classes: phase + n × period on the monotonic clock, for
// every device alike, so that phases keep scans apart across devices and nothing drifts.
type schedule struct {
	classes []drivers.ScanClass
	next    []int64 // the slot to serve next
}

// newSchedule begins at now: each class is due at once, for the first values, then at its slots.
func newSchedule(classes []drivers.ScanClass, now int64) *schedule {
	s := &schedule{classes: classes, next: make([]int64, len(classes))}
	for i := range s.next {
		s.next[i] = now
	}
	return s
}

// due returns the class to serve first and its slot. There must be a class.
func (s *schedule) due() (class int, slot int64) {
	for i, at := range s.next {
		if at < s.next[class] {
			class = i
		}
	}
	return class, s.next[class]
}

// start says that class is served at now, not before its slot is due. It returns the slot that this serves, the latest one,
// and how many earlier ones were missed.
func (s *schedule) start(class int, now int64) (slot int64, missed uint64) {
	slot = s.next[class]
	current, period := s.slotAt(class, now), s.period(class)
	if slot < current {
		missed = uint64((current - slot + period - 1) / period)
		slot = current
	}
	s.next[class] = current + period
	return slot, missed
}

// slotAt returns the last slot of class at or before now.
func (s *schedule) slotAt(class int, now int64) int64 {
	period := s.period(class)
	since := (now - int64(s.classes[class].Phase)) % period
	if since < 0 {
		since += period
	}
	return now - since
}

// period returns the period of class in ns; configuration allows none below a millisecond, and this none that would divide by zero.
func (s *schedule) period(class int) int64 {
	return int64(max(s.classes[class].Period, time.Nanosecond))
}
