package faults

import (
	"context"
	"fmt"
	"path/filepath"
	"syscall"
	"time"

	"github.com/courtside-edge/courtside/sync/faulttest"
	"github.com/courtside-edge/courtside/tools/program"
)

// play does every step of s, waits for what lasts, and takes every fault back.
func (r *Rig) play(ctx context.Context, s *Scenario) error {
	began := time.Now()
	failed := make(chan error, 1)
	report := func(err error) {
		if err == nil {
			return
		}
		select {
		case failed <- err:
		default:
		}
	}
	for i, st := range s.Steps {
		if err := r.pause(ctx, st.After, failed); err != nil {
			return fmt.Errorf("step %d (%s): %w", i, st.Do, err)
		}
		fmt.Fprintf(r.o.Out, "%7.2f s  %-15s gateway %d for %v\n", time.Since(began).Seconds(), st.Do, st.Gateway, st.For)
		r.steps.Go(func() { report(r.do(ctx, st)) })
	}
	if err := r.pause(ctx, s.tail(), failed); err != nil {
		return err
	}
	r.steps.Wait() // restarts queue up
	return r.pause(ctx, 0, failed)
}

// tail returns how long the last effects may last.
func (s *Scenario) tail() time.Duration {
	left, at := time.Duration(0), s.Length()
	sum := time.Duration(0)
	for _, st := range s.Steps {
		sum += st.After
		left = max(left, sum+st.For-at)
	}
	return left + 100*time.Millisecond
}

func (r *Rig) pause(ctx context.Context, d time.Duration, failed <-chan error) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case err := <-failed:
		return err
	case err := <-r.failed:
		return err
	case <-t.C:
		return nil
	}
}

// do makes one fault happen and returns when it is over.
func (r *Rig) do(ctx context.Context, st Step) error {
	switch st.Do {
	case Cut:
		r.links[st.Gateway].Cut(faulttest.Reset)
	case HalfOpen:
		r.links[st.Gateway].Cut(faulttest.LoseFront)
	case Hold, Throttle, Delay, Corrupt, Refuse:
		r.worsen(st.Gateway, st.Do, 1)
		defer r.worsen(st.Gateway, st.Do, -1)
		wait(ctx, st.For)
	case KillGateway:
		return r.restartGateway(ctx, st, syscall.SIGKILL)
	case StopGateway:
		return r.restartGateway(ctx, st, syscall.SIGTERM)
	case KillAggregator:
		return r.restart(ctx, r.aggregator, len(r.gateways), st.For, syscall.SIGKILL)
	case StopAggregator:
		return r.restart(ctx, r.aggregator, len(r.gateways), st.For, syscall.SIGTERM)
	case DeviceAway:
		r.deviceAway(ctx, st)
	case FillDisk:
		return r.fillDisk(ctx, st)
	}
	return nil
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// worsen adds or takes back one fault of a link; several may be on at once.
func (r *Rig) worsen(gateway int, what Action, by int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	on := r.levels[gateway]
	on[what] += by
	var l faulttest.Link
	l.Hold, l.Refuse = on[Hold] > 0, on[Refuse] > 0
	if on[Throttle] > 0 {
		l.Rate = 32 << 10
	}
	if on[Delay] > 0 {
		l.Delay = 400 * time.Millisecond
	}
	if on[Corrupt] > 0 {
		l.Corrupt = 20_000
	}
	r.links[gateway].Set(l)
}

// restart ends a program and starts it again after a while. What a person does twice at once comes one after the other.
func (r *Rig) restart(ctx context.Context, p *program.Program, slot int, away time.Duration, sig syscall.Signal) error {
	r.busy[slot].Lock()
	defer r.busy[slot].Unlock()
	if !p.End(sig) {
		return fmt.Errorf("%s did not end within %v of signal %v", p.Name, program.Patience, sig)
	}
	wait(ctx, away)
	if ctx.Err() != nil {
		return nil
	}
	return p.Start()
}

func (r *Rig) restartGateway(ctx context.Context, st Step, sig syscall.Signal) error {
	at := time.Now()
	err := r.restart(ctx, r.gateways[st.Gateway], st.Gateway, st.For, sig)
	r.mu.Lock()
	r.kills[st.Gateway] = append(r.kills[st.Gateway], kill{at, time.Now(), sig == syscall.SIGKILL})
	r.mu.Unlock()
	return err
}

func (r *Rig) deviceAway(ctx context.Context, st Step) {
	at := time.Now()
	line := r.lines[st.Gateway]
	line.Set(faulttest.Link{Refuse: true})
	line.Cut(faulttest.Reset)
	wait(ctx, st.For)
	line.Set(faulttest.Link{})
	r.mu.Lock()
	r.away[st.Gateway] = append(r.away[st.Gateway], kill{at: at, back: time.Now()})
	r.mu.Unlock()
}

func (r *Rig) fillDisk(ctx context.Context, st Step) error {
	free, err := faulttest.Fill(filepath.Join(r.dir, fmt.Sprintf("disk-%d", st.Gateway)), diskBytes)
	if err != nil {
		return err
	}
	wait(ctx, st.For)
	return free()
}
