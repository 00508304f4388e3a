package uplink

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/courtside-edge/courtside/firmware/batch"
	"github.com/courtside-edge/courtside/firmware/filter"
	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/spool/spooltest"
)

// An hour online, with acks that come just before spill_after: nothing of telemetry is written, not even for a moment.
func TestAnHourOnlineWritesNoTelemetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud()
		c.trip = 200 * time.Millisecond // PUBACK, and then the ack: 400 ms of 500
		r := start(t, c, nil)
		table := []point.Point{{Device: "plc-1", Name: "seat/1", Type: point.Int, Kind: point.Seat, Lane: point.Telemetry}}
		begin := time.Now().Add(-time.Hour)
		mono := func() int64 { return int64(time.Since(begin)) }
		b, err := batch.New(batch.Options{Venue: "dal-001", Gateway: "gw-north", Table: table, Hash: spooltest.TableHash(), Sink: r.k,
			Map: func() clock.Map { return clock.Map{From: mono()} }})
		if err != nil {
			t.Fatal(err)
		}
		stop := background(b.Run)
		time.Sleep(5 * time.Second) // the window opens
		const every = 500 * time.Millisecond
		sent := uint64(0)
		for end := time.Now().Add(time.Hour); time.Now().Before(end); time.Sleep(every) {
			sent++
			b.Add(point.Telemetry, &filter.Report{Samples: []point.Sample{{Time: mono(), Bits: sent}}}, nil)
		}
		stop()
		time.Sleep(2 * time.Second)
		if n := r.tele.Written(); n != 0 {
			t.Errorf("%d transactions were appended to the telemetry store", n)
		}
		if n := b.Stats(point.Telemetry); n.Batches != sent || n.Lost != 0 {
			t.Errorf("%d of %d reports became batches: %+v", n.Batches, sent, n)
		}
		if s := r.k.Stats(); s.Spilled.Batches != 0 || s.Acked.Batches != sent || s.Dropped.Batches != 0 {
			t.Errorf("%+v", s)
		}
		// The test can fail: a cloud that answers later than spill_after makes it spill.
		c.set(func() { c.trip = 300 * time.Millisecond })
		id, err := r.k.Append(spooltest.Frame(point.Telemetry, spooltest.TableHash(), 1, 2, 3, spooltest.Body{}), nil, false, nil)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if r.tele.Written() == 0 {
			t.Errorf("batch %v was acknowledged after 600 ms and never spilled", id)
		}
	})
}
