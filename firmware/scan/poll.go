package scan

import (
	"context"
	"errors"
	"time"

	"github.com/courtside-edge/courtside/drivers"
)

// silenceTick is how often a subscription is looked through for points that were silent for their max_silence; that is 1 s at least.
const silenceTick = time.Second

// errSubscriptionEnded is the failure of a subscription that returned though nobody asked it to.
var errSubscriptionEnded = errors.New("the subscription ended by itself")

// poll scans conn in its slots until it fails or ctx ends.
func (w *Worker) poll(ctx context.Context, conn drivers.Conn) error {
	if len(w.o.Classes) == 0 {
		w.pulse.Rest()
		<-ctx.Done()
		return nil
	}
	s := newSchedule(w.o.Classes, w.o.Clock.Mono())
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		class, slot := s.due()
		if err := w.await(ctx, conn, timer, slot); err != nil {
			return err
		}
		now := w.o.Clock.Mono()
		slot, missed := s.start(class, now)
		err := w.guard("scan", func() error { return conn.Poll(ctx, class, w.took) })
		w.scanned(class, slot, now, missed)
		if err != nil {
			return err
		}
	}
}

// await returns nil when monotonic time slot has come. Until then it tells the device what became durable.
func (w *Worker) await(ctx context.Context, conn drivers.Conn, timer *time.Timer, slot int64) error {
	for {
		if err := w.acknowledge(ctx, conn); err != nil {
			return err
		}
		wait := time.Duration(slot - w.o.Clock.Mono())
		if wait <= 0 {
			return ctx.Err()
		}
		timer.Reset(wait)
		w.pulse.Rest()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		case <-w.acks.signal:
		}
		w.pulse.Work()
	}
}

// took takes a block of a scan.
func (w *Worker) took(b *drivers.Block) {
	w.pulse.Work()
	w.take(b)
}

// scanned counts one scan.
func (w *Worker) scanned(class int, slot, started int64, missed uint64) {
	latency := time.Duration(w.o.Clock.Mono() - slot)
	w.mu.Lock()
	defer w.mu.Unlock()
	c := &w.status.Classes[class]
	c.Scans++
	c.Overruns += missed
	c.Latency, c.MaxLatency = latency, max(c.MaxLatency, latency)
	c.LatencySum += latency
	c.LastStarted = started
}

// subscribe lets conn report by itself until it fails or ctx ends. The goroutine in Subscribe owns the connection meanwhile, so that
// what became durable is told between its blocks.
func (w *Worker) subscribe(ctx context.Context, conn drivers.Subscriber) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done := make(chan error, 1)
	go func() {
		done <- w.guard("subscribe", func() error {
			return conn.Subscribe(ctx, func(b *drivers.Block) {
				w.take(b)
				if err := w.acknowledge(ctx, conn); err != nil {
					cancel(err)
				}
			})
		})
	}()
	ticker := time.NewTicker(silenceTick)
	defer ticker.Stop()
	for {
		w.pulse.Rest()
		select {
		case err := <-done:
			w.pulse.Work()
			if cause := context.Cause(ctx); cause != nil {
				return cause // the reason why it was ended, rather than how it took that
			}
			if err == nil {
				err = &drivers.Error{Op: "subscribe", Err: errSubscriptionEnded}
			}
			return err
		case <-ticker.C:
			if ctx.Err() == nil {
				w.pulse.Work()
				w.silence()
			}
		}
	}
}
