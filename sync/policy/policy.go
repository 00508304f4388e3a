package policy

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Call is something that may fail.
type Call[T any] func(context.Context) (T, error)

// Policy puts a rule around a call.
type Policy[T any] func(Call[T]) Call[T]

// Clock tells ns of a clock that never steps back.
type Clock interface{ Mono() int64 }

// Stack returns the policy that is all of policies, the first outermost.
func Stack[T any](policies ...Policy[T]) Policy[T] {
	return func(call Call[T]) Call[T] {
		for i := len(policies) - 1; i >= 0; i-- {
			call = policies[i](call)
		}
		return call
	}
}

// Break refuses calls with ErrOpen while b is open. The end of a call's context is no failure of what is called.
func Break[T any](b *Breaker, clock Clock) Policy[T] {
	return func(call Call[T]) Call[T] {
		return func(ctx context.Context) (zero T, err error) {
			if !b.Allow(clock.Mono()) {
				return zero, ErrOpen
			}
			v, err := call(ctx)
			switch {
			case err == nil:
				b.Succeed()
			case ctx.Err() == nil:
				b.Fail(clock.Mono())
			}
			return v, err
		}
	}
}

// Limit makes calls wait for their turn in b.
func Limit[T any](b *Bucket, clock Clock) Policy[T] {
	return func(call Call[T]) Call[T] {
		return func(ctx context.Context) (zero T, err error) {
			if err := Sleep(ctx, b.Take(clock.Mono())); err != nil {
				return zero, err
			}
			return call(ctx)
		}
	}
}

// Retries say how a call is made again.
type Retries struct {
	// Wait returns how long to wait after a failure; n counts those in a row from 1. A negative wait gives up.
	Wait func(n int, err error) time.Duration
	// Failed, which may be nil, learns of each failure and of the wait that follows it.
	Failed func(err error, wait time.Duration)
	// Settled reports whether a failure after so long is the first of a new row; nil for never.
	Settled func(err error, lasted time.Duration) bool
}

// Retry makes a call again until it succeeds, is given up, or its context ends.
func Retry[T any](r Retries, clock Clock) Policy[T] {
	return func(call Call[T]) Call[T] {
		return func(ctx context.Context) (T, error) {
			for n := 1; ; n++ {
				began := clock.Mono()
				v, err := call(ctx)
				if err == nil {
					return v, nil
				}
				if ctx.Err() != nil {
					return v, ended(ctx, err)
				}
				if r.Settled != nil && r.Settled(err, time.Duration(clock.Mono()-began)) {
					n = 1
				}
				wait := r.Wait(n, err)
				if r.Failed != nil {
					r.Failed(err, max(wait, 0))
				}
				if wait < 0 {
					return v, err
				}
				if Sleep(ctx, wait) != nil {
					return v, ended(ctx, err)
				}
			}
		}
	}
}

// ended returns the context's error with the last failure.
func ended(ctx context.Context, last error) error {
	if errors.Is(last, ctx.Err()) {
		return last
	}
	return fmt.Errorf("%w; before: %w", ctx.Err(), last)
}

// Sleep waits for d or the end of ctx, whose error it returns.
func Sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
