package broker

import "time"

// bucket is a token bucket. It is not safe for concurrent use.
type bucket struct {
	perSecond, size float64
	left            float64
	last            time.Time
}

// newBucket returns a full bucket that holds two seconds' worth.
func newBucket(perSecond int, now time.Time) bucket {
	size := 2 * float64(perSecond)
	return bucket{perSecond: float64(perSecond), size: size, left: size, last: now}
}

// take reports whether n may pass now.
func (b *bucket) take(n float64, now time.Time) bool {
	if passed := now.Sub(b.last); passed > 0 {
		b.left = min(b.size, b.left+passed.Seconds()*b.perSecond)
		b.last = now
	}
	if n > b.left {
		return false
	}
	b.left -= n
	return true
}
