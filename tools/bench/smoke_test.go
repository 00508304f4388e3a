package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/tools/loadgen"
)

// TestMain lets a measurement start this program as its gateways.
func TestMain(m *testing.M) {
	if slices.Equal(os.Args[1:], []string{crowdProgram}) {
		if err := runCrowd(context.Background(), os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// TestSmoke runs three measurements with the real programs, for a moment: every row has a figure, nothing is missing, and nothing is left.
func TestSmoke(t *testing.T) {
	b, err := newBench(t.Context(), time.Second, time.Second, "", io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	b.gateways = 3
	all := append(measurements(), day(0.0001))
	rows := b.run(t.Context(), all, []string{"freshness", "return", "day"})
	if want := len(freshness().rows) + len(crowd().rows) + len(day(1).rows); len(rows) != want {
		t.Errorf("%d rows, want %d", len(rows), want)
	}
	for _, r := range rows {
		if r.ID == "day-missing" && (r.Reached == nil || *r.Reached != 0) {
			t.Errorf("of the outage not everything came: %+v", r)
		}
		if r.Reached == nil || r.Error != "" {
			t.Errorf("row %s: %s", r.ID, r.Error)
		}
	}
	dir := b.dir
	if err := b.close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the folder %s is left: %v", dir, err)
	}
}

// TestPath runs gateway and aggregator in this process, where the race detector sees both.
func TestPath(t *testing.T) {
	r := site(t, loadgen.Site{Points: 1000, Rate: 20_000})
	var shown, wanted float64
	f := inProcess(t, r, func(c *loadgen.Control) {
		for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			n, _ := c.Produced()
			m, err := r.metrics(t.Context())
			if wanted = float64(n); err == nil {
				shown = m.sum(eventsMetric)
			}
			if shown > 10_000 || time.Now().After(deadline) {
				return
			}
		}
	})
	if shown <= 10_000 {
		t.Errorf("the aggregator shows %g events of %g", shown, wanted)
	}
	if f.Lost != 0 || f.Dropped != 0 {
		t.Errorf("lost %d, dropped %d", f.Lost, f.Dropped)
	}
}
