package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/courtside-edge/courtside/tools/loadgen"
)

// The mean time between two questions: in a steady state, where they shall not be the load, and during a replay, which is short.
const (
	probeEvery  = 20 * time.Millisecond
	replayEvery = 5 * time.Millisecond
)

// ages are how old what REST answers showed was when they arrived.
type ages struct {
	telemetry, critical []time.Duration
	took                []time.Duration // by the answers themselves
	missing             int             // answers without a value
	// since is when samples began that count as live, Unix ns: answers that show older ones only are stale.
	since int64
	stale int
	fresh time.Duration // from since until the first answer that showed a live sample
}

// lastAnswer is how long the first answer may take when there was none while it was asked.
const lastAnswer = 30 * time.Second

// probe asks at random moments, every so often on average, until do returns, and returns do's error first. Samples that were made before since do
// not count. base is where the totals count from.
func (r *rig) probe(ctx context.Context, every time.Duration, since int64, base func() int64, do func() error) (*ages, error) {
	whole := ctx
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- do(); cancel() }()
	a := &ages{since: since}
	var failed error
	for ctx.Err() == nil {
		if err := r.ask(ctx, base(), a); err != nil && ctx.Err() == nil {
			failed = err
		}
		_ = wait(ctx, time.Duration(rand.Float64()*2*float64(every)))
	}
	if err := <-done; err != nil {
		return a, err
	}
	// What was over too soon to be asked about is asked about once it is.
	for began := time.Now(); len(a.telemetry) == 0 && time.Since(began) < lastAnswer && whole.Err() == nil; {
		failed = r.ask(whole, base(), a)
		_ = wait(whole, every)
	}
	if len(a.telemetry) == 0 {
		return a, errors.Join(errors.New("no answer showed the probe"), failed)
	}
	return a, nil
}

// ask reads the probes once.
func (r *rig) ask(ctx context.Context, base int64, a *ages) error {
	var answer struct {
		Points []struct {
			Point string   `json:"point"`
			Value *float64 `json:"value"`
		} `json:"points"`
	}
	asked := time.Now()
	err := r.get(ctx, "/v1/venues/"+loadgen.Venue+"/points?device="+loadgen.ProbeDevice, &answer)
	now := time.Now().UnixNano()
	if err != nil {
		return err
	}
	a.took = append(a.took, time.Since(asked))
	for _, p := range answer.Points {
		switch {
		case p.Value == nil:
			a.missing++
		case p.Point == loadgen.ProbeDevice+"/"+loadgen.WallProbe && int64(*p.Value) < a.since:
			a.stale++
		case p.Point == loadgen.ProbeDevice+"/"+loadgen.WallProbe:
			if a.fresh == 0 {
				a.fresh = time.Duration(now - a.since)
			}
			a.telemetry = append(a.telemetry, time.Duration(now-int64(*p.Value)))
		case p.Point == loadgen.ProbeDevice+"/"+loadgen.TotalProbe && base != 0:
			a.critical = append(a.critical, time.Duration(now-base-int64(*p.Value)))
		}
	}
	return nil
}
