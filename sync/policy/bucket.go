package policy

import (
	"sync"
	"time"
)

// Bucket limits a rate: one call every Every, up to Burst at once after a rest. It is safe for concurrent use.
type Bucket struct {
	every time.Duration
	burst int

	mu     sync.Mutex
	free   int64 // when the bucket is full again
	waited uint64
}

// NewBucket returns a full bucket. An every of 0 limits nothing; burst is at least one.
func NewBucket(every time.Duration, burst int) *Bucket {
	return &Bucket{every: max(every, 0), burst: max(burst, 1)}
}

// Take reserves the next call and returns how long after now it may be made; 0 for at once.
func (b *Bucket) Take(now int64) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free = max(b.free, now) + int64(b.every)
	wait := time.Duration(b.free-now) - time.Duration(b.burst)*b.every
	if wait <= 0 {
		return 0
	}
	b.waited++
	return wait
}

// Waited returns how many calls had to wait.
func (b *Bucket) Waited() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.waited
}
