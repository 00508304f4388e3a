package main

import (
	"context"
	"fmt"
	"time"
)

// span is one stretch of measured time.
type span struct {
	programs      []*program
	before, after []usage
	scrapes       [2]scraped
	scrapedAt     [2]time.Time
	others        float64 // share of the machine's cores that strangers took meanwhile
	seconds       float64
}

// measure runs do for programs of a rig, between two looks at them and at the aggregator's metrics.
func (r *rig) measure(ctx context.Context, programs []*program, do func() error) (*span, error) {
	s := &span{programs: programs}
	strangers := func() (time.Duration, error) {
		total := busy() - ownCPU()
		for _, p := range r.programs {
			u, err := p.usage()
			if err != nil {
				return 0, err
			}
			total -= u.cpu
		}
		return total, nil
	}
	var err error
	if err = r.scrape(ctx, s, 0); err != nil {
		return nil, err
	}
	if s.before, err = usages(programs); err != nil {
		return nil, err
	}
	other, err := strangers()
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	if err := do(); err != nil {
		return nil, err
	}
	if s.after, err = usages(programs); err != nil {
		return nil, err
	}
	s.seconds = time.Since(begun).Seconds()
	later, err := strangers()
	if err != nil {
		return nil, err
	}
	s.others = max(0, (later-other).Seconds()/s.seconds)
	return s, r.scrape(ctx, s, 1)
}

func (r *rig) scrape(ctx context.Context, s *span, at int) (err error) {
	s.scrapes[at], err = r.metrics(ctx)
	s.scrapedAt[at] = time.Now()
	return err
}

func usages(programs []*program) ([]usage, error) {
	out := make([]usage, len(programs))
	for i, p := range programs {
		var err error
		if out[i], err = p.usage(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// cpu returns how many cores the i-th program took.
func (s *span) cpu(i int) float64 { return (s.after[i].cpu - s.before[i].cpu).Seconds() / s.seconds }

// events returns how many samples the aggregator applied a second.
func (s *span) events() float64 {
	return (s.scrapes[1].sum(eventsMetric) - s.scrapes[0].sum(eventsMetric)) / s.scrapedAt[1].Sub(s.scrapedAt[0]).Seconds()
}

// strangers says what took part of the machine from the measurement, "" when it was next to nothing.
func (s *span) strangers() string {
	if s.others < 0.05 {
		return ""
	}
	return fmt.Sprintf("; other programs took %.2f cores meanwhile", s.others)
}
