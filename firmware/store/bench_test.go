package store

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/firmware/batch"
	"github.com/courtside-edge/courtside/firmware/filter"
	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/segment"
	"github.com/courtside-edge/courtside/sync/spool"
	"github.com/courtside-edge/courtside/sync/spool/spooltest"
	"github.com/courtside-edge/courtside/sync/wire"
)

// The figures here are reported and never judged: they are those of the disk at hand. BACKLOG_MIB is how much the backlog holds.
func backlogBytes() int64 {
	if n, err := strconv.ParseInt(os.Getenv("BACKLOG_MIB"), 10, 64); err == nil && n > 0 {
		return n << 20
	}
	return 32 << 20
}

// disks is both stores of a gateway, in a directory of its own.
type disks struct{ critical, telemetry *segment.Store }

func openDisks(b *testing.B, dir string) disks {
	b.Helper()
	var d disks
	for name, s := range map[string]**segment.Store{"critical": &d.critical, "telemetry": &d.telemetry} {
		st, err := segment.Open(filepath.Join(dir, name), segment.Options{MinFree: -1})
		if err != nil {
			b.Fatal(err)
		}
		*s = st
	}
	return d
}

func (d disks) close(b *testing.B) {
	b.Helper()
	for _, s := range []*segment.Store{d.telemetry, d.critical} {
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func (d disks) spool(b *testing.B) *spool.Spool {
	b.Helper()
	sp, err := spool.Open(spool.Options{Critical: d.critical, Telemetry: d.telemetry, Limit: 64 << 30}) // well beyond any backlog asked for: nothing is dropped
	if err != nil {
		b.Fatal(err)
	}
	sp.UseTable(spooltest.TableHash(), [][]byte{[]byte("part 0")})
	return sp
}

// spill stores frames of 3 KB until the backlog is as long as it shall be.
func spill(b *testing.B, sp *spool.Spool, bytes int64) {
	b.Helper()
	now := int64(time.Hour)
	for sp.Counts(point.Telemetry).Stored.Bytes < bytes {
		for range maxTx {
			if _, err := sp.Append(now, spooltest.Frame(point.Telemetry, spooltest.TableHash(), now, now+9, 1000, spooltest.Body{}), nil, false); err != nil {
				b.Fatal(err)
			}
		}
		now += int64(time.Second)
		for j := sp.Next(now, point.Telemetry); j != nil; j = sp.Next(now, point.Telemetry) {
			j.Run()
			if fx := sp.Finish(now, j); fx.Err != nil {
				b.Fatal(fx.Err)
			}
		}
	}
}

const maxTx = 64

// resident returns VmRSS in MB after what can be given back was, or 0 where it cannot be told.
func resident() float64 {
	runtime.GC()
	debug.FreeOSMemory()
	raw, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	pages, _ := strconv.ParseFloat(strings.Fields(string(raw))[1], 64)
	return pages * float64(os.Getpagesize()) / 1e6
}

// How long a start takes at a large backlog, from opening the stores to the new epoch.
func BenchmarkOpenABacklog(b *testing.B) {
	dir := b.TempDir()
	d := openDisks(b, dir)
	sp := d.spool(b)
	spill(b, sp, backlogBytes())
	batches := sp.Counts(point.Telemetry).Stored.Batches
	if err := sp.CloseClean(int64(2 * time.Hour)); err != nil {
		b.Fatal(err)
	}
	d.close(b)
	var r spool.Recovery
	for b.Loop() {
		d = openDisks(b, dir)
		sp = d.spool(b)
		r = sp.Recovery()
		b.StopTimer()
		d.close(b)
		b.StartTimer()
	}
	b.ReportMetric(float64(r.Batches[0].Batches), "batches")
	b.ReportMetric(float64(r.Scanned), "records-read")
	b.ReportMetric(float64(r.Pages), "pages")
	if r.Batches[0].Batches != batches {
		b.Errorf("%d batches were found of %d", r.Batches[0].Batches, batches)
	}
}

// What a process takes while it spills a backlog and drains it again.
func BenchmarkMemoryOfSpillAndDrain(b *testing.B) {
	for b.Loop() {
		d := openDisks(b, b.TempDir())
		sp := d.spool(b)
		before := resident()
		begin := time.Now()
		spill(b, sp, backlogBytes())
		spilled, full := time.Since(begin), resident()
		begin = time.Now()
		drain(b, sp)
		b.ReportMetric(before, "MB-before")
		b.ReportMetric(full, "MB-spilled")
		b.ReportMetric(resident(), "MB-drained")
		b.ReportMetric(float64(backlogBytes())/1e6/spilled.Seconds(), "spill-MB/s")
		b.ReportMetric(float64(backlogBytes())/1e6/time.Since(begin).Seconds(), "drain-MB/s")
		d.close(b)
	}
}

// drain takes everything newest first and has it acknowledged.
func drain(b *testing.B, sp *spool.Spool) {
	b.Helper()
	for {
		t, ok := sp.Take(int64(2*time.Hour), spool.Grant{Window: 1 << 20})
		if !ok {
			return
		}
		if err := t.Load(); err != nil {
			b.Fatal(err)
		}
		sp.Loaded(&t)
		sp.Ack(wire.Ack{Durable: []wire.Range{{Epoch: t.ID.Epoch, Lane: t.ID.Lane, From: t.ID.Seq, To: t.ID.Seq + 1}}})
		for j := sp.Next(int64(2*time.Hour), point.Telemetry); j != nil; j = sp.Next(int64(2*time.Hour), point.Telemetry) {
			j.Run()
			sp.Finish(int64(2*time.Hour), j)
		}
	}
}

// How long a critical batch takes until its device may be told, one at a time.
func BenchmarkCriticalAppend(b *testing.B) {
	d := openDisks(b, b.TempDir())
	begin := time.Now()
	k := New(Options{Spool: d.spool(b), Mono: func() int64 { return int64(time.Since(begin)) }})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- k.Run(ctx) }()
	var took []time.Duration
	told := make(chan struct{})
	for b.Loop() {
		at := time.Now()
		f := spooltest.Frame(point.Critical, spooltest.TableHash(), 1, 2, 10, spooltest.Body{})
		if _, err := k.Append(f, nil, false, []func(){func() { told <- struct{}{} }}); err != nil {
			b.Fatal(err)
		}
		<-told
		took = append(took, time.Since(at))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	cancel()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
	d.close(b)
}

// What an event costs the flash while the link is down: real batches of the batcher, spilled as they age.
func BenchmarkFlashOfAnEventOffline(b *testing.B) {
	d := openDisks(b, b.TempDir())
	begin := time.Now()
	mono := func() int64 { return int64(time.Since(begin)) }
	sp := d.spool(b)
	k := New(Options{Spool: sp, Mono: mono})
	table := make([]point.Point, 1000)
	for i := range table {
		table[i] = point.Point{Device: "plc-1", Name: point.Name("seat/" + strconv.Itoa(i)), Type: point.Int, Kind: point.Seat, Lane: point.Telemetry}
	}
	bt, err := batch.New(batch.Options{Venue: "dal-001", Gateway: "gw-north", Table: table, Hash: spooltest.TableHash(), Sink: k,
		Map: func() clock.Map { return clock.Map{From: mono()} }})
	if err != nil {
		b.Fatal(err)
	}
	keep, stopKeeper := context.WithCancel(context.Background())
	closing, stopBatcher := context.WithCancel(context.Background())
	kept, closed := make(chan error), make(chan error)
	go func() { kept <- k.Run(keep) }()
	go func() { closed <- bt.Run(closing) }()
	before := d.telemetry.Stats().WrittenBytes
	r := &filter.Report{Samples: make([]point.Sample, len(table))}
	events := 0
	for b.Loop() {
		for i := range r.Samples {
			r.Samples[i] = point.Sample{Index: uint32(i), Time: mono(), Bits: uint64(events+i*7) % 2}
		}
		bt.Add(point.Telemetry, r, nil)
		events += len(r.Samples)
	}
	stopBatcher()
	<-closed
	stopKeeper()
	if err := <-kept; err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(d.telemetry.Stats().WrittenBytes-before)/float64(events), "B/event")
	b.ReportMetric(0, "ns/op")
	d.close(b)
}
