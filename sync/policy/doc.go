// Package policy is what stands between a caller and something that fails: circuit breaker, rate limit and retry.
//
// A Policy[T] wraps a Call[T]; Stack puts several around one, the first outermost, so that the order is read in one place:
//
//	open := policy.Stack(policy.Retry[drivers.Conn](retry), policy.Limit[drivers.Conn](bucket), policy.Break[drivers.Conn](breaker))(source.Open)
//
// The machines behind them (Breaker, Bucket, Backoff) start no goroutine and ask no clock: time is passed in, in ns of whatever clock never steps back,
// so that a device's loop uses them directly and tests use them in no time at all. Breaker and Bucket are safe for concurrent use; what they
// are doing is told by State and Stats, for metrics.
//
//	what happens                          what follows
//	failures in a row reach the limit     the breaker opens: calls are refused with ErrOpen, at no cost
//	the open time is over                 one call is let through, the others are refused; it closes the breaker or opens it for longer
//	that one call never reports back      another one is let through after the same time again
//	the clock stands still or steps back  nothing is let through early, and nothing is waited for twice
//	the context ends while waiting        its error, with the last failure
package policy
